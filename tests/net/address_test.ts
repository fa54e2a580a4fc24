import assert from "node:assert/strict";
import { clientNetwork, formatAddress, parseAddress } from "../../lib/net/address.ts";

Deno.test("parseAddress() parses what formatAddress() returns", () => {
  for (const text of ["127.0.0.1:8080", "localhost:0", "[::1]:65535", "unix:/run/a b.sock"]) {
    assert.equal(formatAddress(parseAddress(text)), text);
  }
});

Deno.test("parseAddress() rejects anything else, and names the accepted forms", () => {
  for (const text of ["", "8080", ":8080", "host:", "host:65536", "::1:80", "a b:1", "host:1x"]) {
    assert.throws(() => parseAddress(text), {
      name: "SyntaxError",
      message: /expected "host:port"/,
    });
  }
  assert.throws(() => parseAddress("unix:"), { name: "SyntaxError", message: /path is missing/ });
});

Deno.test("clientNetwork() is an IPv4 address, or the /64 of an IPv6 address", () => {
  for (
    const [host, network] of [
      ["192.0.2.1", "192.0.2.1"],
      ["[::ffff:192.0.2.1]", "192.0.2.1"],
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["[2001:db8:1:2:3:4:5:6]", "2001:db8:1:2::/64"],
      ["2001:0db8:1:2:aaaa::", "2001:db8:1:2::/64"],
      ["2001:db8::1", "2001:db8:0:0::/64"],
      ["fe80::1%eth0", "fe80:0:0:0::/64"],
      ["::1", "0:0:0:0::/64"],
      ["unix", "unix"],
      ["console", "console"],
    ] as const
  ) assert.equal(clientNetwork(host), network, host);
});
