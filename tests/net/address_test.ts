import assert from "node:assert/strict";
import {
  clientNetwork,
  formatAddress,
  isThisMachine,
  parseAddress,
} from "../../lib/net/address.ts";
import { formatIp, parseIp } from "../../lib/net/ip.ts";
import { TrustedSenders } from "../../lib/net/trusted_senders.ts";

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
      ["2001:db8::1", "2001:db8::/64"],
      ["fe80::1%eth0", "fe80::/64"],
      ["::1", "::/64"],
      ["2001:db8::1:2:3:4:5", "2001:db8:0:1::/64"],
      ["unix", "unix"],
      ["console", "console"],
    ] as const
  ) assert.equal(clientNetwork(host), network, host);
});

Deno.test("isThisMachine() knows loopback in each form, and unix sockets", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "unix"]) {
    assert.ok(isThisMachine(host), host);
  }
  for (const host of ["192.0.2.1", "[::2]", "[::ffff:192.0.2.1]", "1127.0.0.1"]) {
    assert.ok(!isThisMachine(host), host);
  }
});

Deno.test("parseIp() and formatIp(): every address has one form", () => {
  for (
    const [text, form] of [
      ["192.0.2.1", "192.0.2.1"],
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["::FFFF:c000:0201", "192.0.2.1"],
      ["2001:0DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
      ["::", "::"],
      ["1::", "1::"],
      ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
      ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
    ] as const
  ) assert.equal(formatIp(parseIp(text)!), form, text);
  for (const text of ["", "1.2.3", "01.2.3.4", "1.2.3.4.5", "1:2", "[::1]", "fe80::1%eth0", "x"]) {
    assert.equal(parseIp(text), undefined, text);
  }
});

Deno.test("TrustedSenders: networks of both families, single addresses, unix", () => {
  const tcp = (hostname: string) => ({ transport: "tcp", hostname, port: 1 }) as const;
  const unix = { transport: "unix", path: "" } as const;
  for (
    const [entries, inside, outside] of [
      [["10.0.0.0/8"], ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], [
        "9.255.255.255",
        "11.0.0.0",
        "::a00:0",
      ]],
      [["10.1.128.0/17"], ["10.1.128.0", "10.1.255.9"], ["10.1.127.255", "10.2.128.0"]],
      [["192.0.2.7"], ["192.0.2.7"], ["192.0.2.6", "192.0.2.8"]],
      [["::ffff:10.0.0.0/104"], ["10.9.9.9"], ["11.0.0.0"]],
      [["2001:db8::/33"], ["2001:db8:7fff::1"], ["2001:db8:8000::", "32.1.13.184"]],
      [["::1"], ["::1"], ["::2", "127.0.0.1"]],
      [["::/0"], ["::1", "fe80::1%eth0"], ["127.0.0.1", "::ffff:1.2.3.4"]],
      [["0.0.0.0/0"], ["127.0.0.1", "::ffff:1.2.3.4"], ["::1"]],
      [["::1", "10.0.0.0/8"], ["::1", "10.0.0.1"], ["::2"]],
      [["unix"], [], ["127.0.0.1", "unix"]],
      [[], [], ["127.0.0.1"]],
    ] as const
  ) {
    const senders = new TrustedSenders(entries);
    for (const host of inside) assert.ok(senders.has(tcp(host)), `${entries}: ${host}`);
    for (const host of outside) assert.ok(!senders.has(tcp(host)), `${entries}: ${host}`);
    assert.equal(senders.has(unix), entries.includes("unix" as never));
    assert.equal(senders.isEmpty, entries.length === 0);
  }
  for (
    const entry of [
      "",
      "10.0.0.0/33",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "::/129",
      "10.0.0/8",
      "host",
      "/8",
      "10.0.0.0/-1",
      "10.0.0.0/8.0",
    ]
  ) {
    assert.throws(() => new TrustedSenders([entry]), {
      name: "SyntaxError",
      message: /is neither/,
    });
  }
  for (const entry of ["10.0.0.1/8", "10.0.0.128/24", "2001:db8::1/32", "::1/0"]) {
    assert.throws(() => new TrustedSenders([entry]), { name: "SyntaxError", message: /has bits/ });
  }
});
