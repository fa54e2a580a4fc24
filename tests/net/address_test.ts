import assert from "node:assert/strict";
import { formatAddress, parseAddress } from "../../lib/net/address.ts";

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
