import assert from "node:assert/strict";
import {
  beginsWithProxyHeader,
  parseProxyHeader,
  ProxyHeaderError,
  V1_MAX_BYTES,
  V2_MAX_BYTES,
} from "../../lib/net/proxy_header.ts";
import { v1, v2 } from "../support/proxy_headers.ts";

const PAYLOAD = new TextEncoder().encode("\r\n\r\n\0\r\nQUIT\nPROXY TCP4 payload");

/** Headers and the addresses of their clients, as proxies write them. */
const HEADERS: [name: string, header: Uint8Array, client: string | undefined][] = [
  ["nginx", v1("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443"), "192.0.2.7:56324"],
  ["HAProxy, IPv6", v1("PROXY TCP6 2001:db8:0:0:0:0:0:7 2001:db8::1 1 443"), "2001:db8::7:1"],
  ["the shortest of TCP6", v1("PROXY TCP6 :: :: 0 0"), ":::0"],
  ["mapped", v1("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.8 65535 443"), "192.0.2.7:65535"],
  ["the shortest", v1("PROXY UNKNOWN"), undefined],
  ["unknown, with addresses", v1("PROXY UNKNOWN ffff::1 ffff::2 1 2"), undefined],
  ["the longest", v1(`PROXY UNKNOWN ${"f".repeat(V1_MAX_BYTES - 16)}`), undefined],
  [
    "v2",
    v2({ family: 0x11, body: [192, 0, 2, 7, 198, 51, 100, 1, 1, 2, 1, 187] }),
    "192.0.2.7:258",
  ],
  [
    "v2, IPv6",
    v2({ family: 0x21, body: [0x20, 1, ...zeros(13), 7, ...zeros(16), 0, 9, 1, 187] }),
    "2001::7:9",
  ],
  [
    "v2, TLVs",
    v2({ family: 0x11, body: [192, 0, 2, 7, 198, 51, 100, 1, 0, 80, 1, 187, 4, 0, 2, 1, 1] }),
    "192.0.2.7:80",
  ],
  ["v2, LOCAL", v2({ command: 0, family: 0, body: [] }), undefined],
  ["v2, LOCAL with an address", v2({ command: 0, family: 0x11, body: zeros(12) }), undefined],
  ["v2, UNSPEC", v2({ family: 0, body: [1, 2, 3] }), undefined],
  ["v2, a unix socket", v2({ family: 0x31, body: zeros(216) }), undefined],
  ["v2, the longest", v2({ family: 0, body: zeros(V2_MAX_BYTES - 16) }), undefined],
];

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0);
}

function outcome(bytes: Uint8Array) {
  const header = parseProxyHeader(bytes);
  if (!header.complete) return { missing: header.missing };
  const { length, client } = header;
  if (client === undefined) return { length, client };
  assert.equal(client.transport, "tcp");
  return { length, client: client.transport === "tcp" && `${client.hostname}:${client.port}` };
}

Deno.test("parseProxyHeader() knows the client, and leaves alone what follows", () => {
  for (const [name, header, client] of HEADERS) {
    const expected = { length: header.length, client };
    assert.deepEqual(outcome(header), expected, name);
    assert.deepEqual(outcome(new Uint8Array([...header, ...PAYLOAD])), expected, name);
    assert.ok(beginsWithProxyHeader(header), name);
  }
});

Deno.test("parseProxyHeader(): cut anywhere, it asks for no byte beyond the header", () => {
  for (const [name, header] of HEADERS) {
    for (let cut = 0; cut < header.length; cut++) {
      const parsed = parseProxyHeader(header.subarray(0, cut));
      assert.ok(!parsed.complete && parsed.missing > 0, `${name} at ${cut}`);
      assert.ok(cut + parsed.missing <= header.length, `${name} at ${cut}: ${parsed.missing}`);
    }
  }
});

Deno.test("parseProxyHeader() asks for a usual header in a few reads", () => {
  for (
    const [name, header, most] of [["v1", HEADERS[0]![1], 12], ["v2", HEADERS[9]![1], 3]] as const
  ) {
    let reads = 0;
    for (let at = 0; at < header.length; reads++) {
      const parsed = parseProxyHeader(header.subarray(0, at));
      at += parsed.complete ? header.length : parsed.missing;
    }
    assert.ok(reads <= most, `${name}: ${reads} reads`);
  }
});

Deno.test("parseProxyHeader() rejects what is malformed or too long, with the reason", () => {
  for (
    const [bytes, reason] of [
      [v1("GET / HTTP/1.1"), /does not begin with a PROXY header/],
      [v1("PROXYTCP4 192.0.2.7 192.0.2.8 1 2"), /does not begin/],
      [v1("PROXY TCP4 192.0.2.7 192.0.2.8 1"), /malformed: "PROXY TCP4/],
      [v1("PROXY TCP4 192.0.2.7 192.0.2.8 1 2 3"), /malformed/],
      [v1("PROXY TCP4 192.0.2.7  192.0.2.8 1 2"), /malformed/],
      [v1("PROXY TCP4 192.0.2.256 192.0.2.8 1 2"), /malformed/],
      [v1("PROXY TCP4 192.0.2.7 192.0.2.08 1 2"), /malformed/],
      [v1("PROXY TCP4 192.0.2.7 192.0.2.8 65536 2"), /malformed/],
      [v1("PROXY TCP4 192.0.2.7 192.0.2.8 1 65536"), /malformed/],
      [v1("PROXY TCP4 192.0.2.7 192.0.2.8 -1 2"), /malformed/],
      [v1("PROXY TCP4 ::1 ::1 1 2"), /malformed/],
      [v1("PROXY TCP6 192.0.2.7 192.0.2.8 1 2"), /malformed/],
      [v1("PROXY TCP6 ::1 192.0.2.8 1 2"), /malformed/],
      [v1("PROXY TCP6 fe80::1%eth0 ::1 1 2"), /malformed/],
      [v1("PROXY UDP4 192.0.2.7 192.0.2.8 1 2"), /malformed/],
      [v1("PROXY UNKNOWNS"), /malformed/],
      [new TextEncoder().encode("PROXY UNKNOWN\n"), /malformed/],
      [v1(`PROXY UNKNOWN ${"f".repeat(V1_MAX_BYTES - 15)}`), /longer than 107 bytes/],
      [new TextEncoder().encode(`PROXY UNKNOWN ${"f".repeat(93)}`), /longer than 107 bytes/],
      [v2({ version: 1, family: 0x11, body: zeros(12) }), /unknown version 1/],
      [v2({ command: 2, family: 0x11, body: zeros(12) }), /unknown command 2/],
      [v2({ family: 0x12, body: zeros(12) }), /family 0x12, which is not TCP/],
      [v2({ family: 0x01, body: zeros(12) }), /family 0x01/],
      [v2({ family: 0x11, body: zeros(11) }), /too short for its addresses/],
      [v2({ family: 0x21, body: zeros(35) }), /too short for its addresses/],
      [v2({ family: 0x31, body: zeros(215) }), /too short for its addresses/],
      [v2({ family: 0, body: zeros(V2_MAX_BYTES - 15) }), /4097 bytes, and more than 4096/],
    ] as const
  ) assert.throws(() => parseProxyHeader(bytes), { name: "ProxyHeaderError", message: reason });
});

Deno.test("parseProxyHeader() rejects a wrong start and a length beyond the limit at once", () => {
  for (const text of ["G", "PROXY\r", "\r\n\r\n\r", "\0", "\n"]) {
    assert.throws(() => parseProxyHeader(new TextEncoder().encode(text)), ProxyHeaderError, text);
  }
  const long = v2({ family: 0x11, body: zeros(V2_MAX_BYTES) });
  assert.throws(() => parseProxyHeader(long.subarray(0, 16)), ProxyHeaderError);
});

Deno.test("parseProxyHeader(): random bytes after a good start never give anything else", () => {
  let seed = 7;
  const random = (limit: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >> 8) % limit;
  };
  for (let round = 0; round < 5000; round++) {
    const [, header] = HEADERS[random(HEADERS.length)]!;
    const bytes = header.slice(0, 300);
    for (let i = random(4); i >= 0; i--) bytes[random(bytes.length)] = random(256);
    const cut = bytes.subarray(0, random(bytes.length + 1));
    try {
      const parsed = parseProxyHeader(cut);
      if (!parsed.complete) assert.ok(parsed.missing > 0 && parsed.missing <= V2_MAX_BYTES);
      else assert.ok(parsed.length <= cut.length);
    } catch (error) {
      assert.ok(error instanceof ProxyHeaderError, `${[...cut]}: ${error}`);
      assert.ok(error.message.length < 600 && !/[\n\r\0]/.test(error.message));
    }
  }
});

Deno.test("beginsWithProxyHeader() leaves clients alone that only mention a proxy", () => {
  for (
    const text of ["", "PROXY", "PROXY hello\n", "PROXY TCP5 ", "\r\n\r\n", "GET / HTTP/1.1\r\n"]
  ) {
    assert.ok(!beginsWithProxyHeader(new TextEncoder().encode(text)), text);
  }
});
