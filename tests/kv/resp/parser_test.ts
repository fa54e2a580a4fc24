import assert from "node:assert/strict";
import fc from "fast-check";
import { RespParser } from "../../../lib/kv/resp/parser.ts";
import { ReadBuffer } from "../../../lib/net/read_buffer.ts";
import { checkRequests, piecesOf, sourceOf } from "../../support/requests.ts";
import { assertQuick } from "../../support/within.ts";
import { encodeRequest, latin1Bytes } from "../support.ts";

const LIMITS = { maxArgumentBytes: 1 << 20, maxRequestBytes: 1 << 21, maxArguments: 1000 };

/** Parses input that arrives in pieces, as a connection does: unconsumed bytes are kept. */
function parseAll(pieces: readonly Uint8Array[], limits = LIMITS): (string[] | string)[] {
  const parser = new RespParser(limits);
  const found: (string[] | string)[] = [];
  let unread = new Uint8Array(0);
  for (const piece of pieces) {
    const bytes = new Uint8Array(7 + unread.length + piece.length);
    bytes.set(unread, 7);
    bytes.set(piece, 7 + unread.length);
    let start = 7;
    for (;;) {
      const status = parser.parse(bytes, start, bytes.length);
      if (status === "error") return [...found, parser.error];
      if (status === "request") {
        const { request } = parser;
        found.push(Array.from({ length: request.count }, (_, index) => request.text(index)));
      }
      start += parser.consumed;
      if (status === "incomplete") break;
    }
    unread = bytes.slice(start);
  }
  return found;
}

function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const cuts = [0, ...at.map((point) => point % (bytes.length + 1)).sort((a, b) => a - b)];
  return cuts.map((start, index) => bytes.subarray(start, cuts[index + 1] ?? bytes.length));
}

const text = fc.uint8Array({ maxLength: 40 }).map((bytes) => String.fromCharCode(...bytes));

Deno.test("RespParser finds the same requests however the input is split", () => {
  fc.assert(fc.property(
    fc.array(fc.array(text, { minLength: 1, maxLength: 6 }), { maxLength: 6 }),
    fc.array(fc.nat(), { maxLength: 10 }),
    (requests, cuts) => {
      const input = latin1Bytes(
        requests.map((args) => String.fromCharCode(...encodeRequest(args))).join("\r\n"),
      );
      assert.deepEqual(parseAll(cut(input, cuts)), requests);
    },
  ));
});

Deno.test("RespParser accepts input one byte at a time", () => {
  const input = latin1Bytes(
    "\r\n*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n*-1\r\nset \"a b\"  'c'\r\n*0\r\nPING\n*1\r\n$0\r\n\r\n",
  );
  const pieces = Array.from(input, (_, index) => input.subarray(index, index + 1));
  assert.deepEqual(parseAll(pieces), [["GET", "\r\n"], ["set", "a b", "c"], ["PING"], [""]]);
});

Deno.test("RespParser does not throw on garbage, and finds the same however it is split", () => {
  const token = fc.constantFrom(
    "*",
    "$",
    "\r\n",
    "\n",
    "1",
    "2",
    "-1",
    "3000000000",
    '"',
    "'",
    "\\",
  );
  const garbage = fc.array(fc.oneof(token, text), { maxLength: 30 }).map((all) => all.join(""));
  fc.assert(
    fc.property(garbage, fc.array(fc.nat(), { maxLength: 6 }), (input, cuts) => {
      const bytes = latin1Bytes(input);
      assert.deepEqual(parseAll(cut(bytes, cuts)), parseAll([bytes]));
    }),
    { numRuns: 1000 },
  );
});

const ERRORS: [input: string, error: string][] = [
  ["*3000000000\r\n", "invalid multibulk length"],
  ["*abc\r\n", "invalid multibulk length"],
  ["*01\r\n", "invalid multibulk length"],
  ["*\r\n", "invalid multibulk length"],
  ["*1001\r\n", "invalid multibulk length"],
  ["*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"],
  ["*1\r\n$-10\r\n", "invalid bulk length"],
  ["*1\r\n$2000000000\r\n", "invalid bulk length"],
  ["*1\r\n$blabla\r\n", "invalid bulk length"],
  ["*1\r\n$\r\n", "invalid bulk length"],
  ['set """test-key""" test-value\r\n', "unbalanced quotes in request"],
  ["set 'a\r\n", "unbalanced quotes in request"],
  ["a".repeat(65537), "too big inline request"],
  ["*" + "1".repeat(65537), "too big mbulk count string"],
  ["*1\r\n$" + "1".repeat(65537), "too big bulk count string"],
  [
    `*3\r\n$1048576\r\n${"x".repeat(1048576)}\r\n$1048500\r\n${
      "x".repeat(1048500)
    }\r\n$1048576\r\n`,
    "too big request",
  ],
];

for (const [input, error] of ERRORS) {
  Deno.test(`RespParser: ${JSON.stringify(input.slice(0, 40))} fails with "${error}"`, () => {
    assert.deepEqual(parseAll([latin1Bytes(input)]).at(-1), `Protocol error: ${error}`);
  });
}

const INLINE: [line: string, words: string[]][] = [
  ["PING", ["PING"]],
  ["  SET\tkey   value  ", ["SET", "key", "value"]],
  ['SET k "a b\\n\\r\\t\\b\\a\\"\\\\\\x41\\xfg\\q"', ["SET", "k", 'a b\n\r\t\b\x07"\\Axfgq']],
  ["SET k 'it\\'s \\n'", ["SET", "k", "it's \\n"]],
  ['SET k ""', ["SET", "k", ""]],
  ['ab"c d"', ["abc d"]],
];

for (const [line, words] of INLINE) {
  Deno.test(`RespParser: inline ${JSON.stringify(line)}`, () => {
    assert.deepEqual(parseAll([latin1Bytes(`${line}\r\n`)]), [words]);
    assert.deepEqual(parseAll([latin1Bytes(`${line}\n`)]), [words]);
  });
}

Deno.test("RespParser.request.copy() outlives the bytes it was read from", () => {
  const parser = new RespParser(LIMITS);
  const bytes = encodeRequest(["SET", "k", "value"]);
  assert.equal(parser.parse(bytes, 0, bytes.length), "request");
  const copy = parser.request.copy();
  bytes.fill(0);
  assert.deepEqual([copy.text(0), copy.text(1), copy.text(2)], ["SET", "k", "value"]);
  assert.equal(copy.byteLength, 9);
});

Deno.test("RespParser reads a large value in small pieces in linear time", async () => {
  const input = encodeRequest(["SET", "k", "x".repeat(1_000_000)]);
  await assertQuick(2000, () => {
    const parser = new RespParser(LIMITS);
    for (let end = 1; end <= input.length; end += 10) parser.parse(input, 0, end);
    assert.equal(parser.parse(input, 0, input.length), "request");
  });
});

Deno.test("RespParser keeps a request in the buffer until it is complete, and nothing after that", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(
      fc.oneof(
        fc.array(text, { minLength: 1, maxLength: 4 }).map(encodeRequest),
        fc.constantFrom("PING\r\n", "get k\n", "\r\n", "*0\r\n").map(latin1Bytes),
      ),
      { minLength: 1, maxLength: 8 },
    ),
    fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 30 }),
    async (requests, sizes) => {
      const { pieces, cuts } = piecesOf(new Uint8Array(requests.flatMap((r) => [...r])), sizes);
      const source = sourceOf(pieces);
      const parser = new RespParser(LIMITS);
      const buffer = new ReadBuffer({ maxBytes: LIMITS.maxRequestBytes });
      while (await buffer.fill(source)) {
        let status;
        do {
          status = parser.parse(buffer.bytes, buffer.start, buffer.end);
          buffer.consume(parser.consumed);
        } while (status === "request");
        assert.equal(status, "incomplete");
      }
      let end = 0;
      checkRequests(source.requests, cuts, requests.map((request) => end += request.length));
    },
  ));
});
