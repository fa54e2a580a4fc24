import assert from "node:assert/strict";
import fc from "fast-check";
import { LineFramer } from "../../../lib/net/line_framer.ts";
import { type TextPart, unescapeText, unescapeWord } from "../../../lib/kv/text/escapes.ts";
import {
  FORMS,
  isTextName,
  parseTextLine,
  type TextCommand,
  TextError,
} from "../../../lib/kv/text/parser.ts";
import { PIECE_BYTES, TextWriter } from "../../../lib/kv/text/writer.ts";
import { latin1Bytes, latin1Text } from "../support.ts";

function parse(line: string): TextCommand | string {
  const bytes = latin1Bytes(`xx${line}yy`);
  try {
    return parseTextLine(bytes, 2, bytes.length - 2);
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    return error.message;
  }
}

const BAD_VALUE = "a backslash stands before \\, n, r, a comma or an equals sign";
const BAD_WORD =
  "in a key, a backslash stands before \\, n, r, s, a comma, an equals sign or xHH; " +
  "the empty key is \\e";

const LINES: [line: string, command: TextCommand | string][] = [
  ["PUT a b", { name: "put", key: "a", value: "b" }],
  ["put  a  b c ", { name: "put", key: "a", value: " b c " }],
  ["PUT a ", { name: "put", key: "a", value: "" }],
  ["PUT a x\\ny\\r\\\\z\\,\\=", { name: "put", key: "a", value: "x\ny\r\\z,=" }],
  ["PUT a\\nb c", { name: "put", key: "a\nb", value: "c" }],
  ["PUT a", "expected PUT key value"],
  ["PUT", "expected PUT key value"],
  ["PUT a x\\q", BAD_VALUE],
  ["PUT a x\\", BAD_VALUE],
  ["PUT a x\\s", BAD_VALUE],
  ["PUT a \\e", BAD_VALUE],
  ["PUT a \\x41", BAD_VALUE],
  ["PUT \\e b", { name: "put", key: "", value: "b" }],
  ["PUT a\\sb\\x00\\xfF c", { name: "put", key: "a b\0\xff", value: "c" }],
  ["PUT a\\x4 c", BAD_WORD],
  ["PUT a\\xg0 c", BAD_WORD],
  ["PUT a\\e c", BAD_WORD],
  ["PUT a\\q c", BAD_WORD],
  ["PUT a\\ c", BAD_WORD],
  ["PUTNX a b c", { name: "putnx", key: "a", value: "b c" }],
  ["PUTNX a", "expected PUTNX key value"],
  ["DELETEIF a b ", { name: "deleteif", key: "a", value: "b " }],
  ["DELETEIF a ", { name: "deleteif", key: "a", value: "" }],
  ["DELETEIF a", "expected DELETEIF key value"],
  [`GET ${"k".repeat(1024)}`, { name: "get", key: "k".repeat(1024) }],
  [`GET ${"\\s".repeat(1024)}`, { name: "get", key: " ".repeat(1024) }],
  [`GET ${"k".repeat(1025)}`, "a key is at most 1024 bytes"],
  ["GET", "expected GET key"],
  ["MGET a  \\e a\t", { name: "mget", keys: ["a", "", "a"] }],
  [`MGET${" k".repeat(1024)}`, { name: "mget", keys: Array(1024).fill("k") }],
  [`MGET${" k".repeat(1025)}`, "a request has at most 1024 keys"],
  ["MGET ", "expected MGET key ..."],
  ["TTL a", { name: "ttl", key: "a" }],
  ["TTL a b", "expected TTL key"],
  ["PERSIST a", { name: "persist", key: "a" }],
  ["PERSIST", "expected PERSIST key"],
  ["EXPIRE a 10", { name: "expire", key: "a", seconds: 10 }],
  ["EXPIRE a 0", "the seconds are 1 to 31536000000"],
  ["EXPIRE a 31536000001", "the seconds are 1 to 31536000000"],
  ["EXPIRE a", "expected EXPIRE key seconds"],
  ["EXPIRE a 1 2", "expected EXPIRE key seconds"],
  ["GET a b", "expected GET key"],
  ["GeT a \t", { name: "get", key: "a" }],
  ["DELETE a", { name: "delete", key: "a" }],
  ["EXISTS a", { name: "exists", key: "a" }],
  ["LIST", { name: "list", prefix: "", limit: Infinity }],
  ["LIST p", { name: "list", prefix: "p", limit: Infinity }],
  ["LIST AFTER", { name: "list", prefix: "AFTER", limit: Infinity }],
  ["LIST AFTER k", { name: "list", prefix: "", after: "k", limit: Infinity }],
  ["LIST p after k limit 5", { name: "list", prefix: "p", after: "k", limit: 5 }],
  ["LIST p LIMIT 0 AFTER k", { name: "list", prefix: "p", after: "k", limit: 0 }],
  ["LIST p LIMIT -1", "the limit is 0 or more"],
  ["LIST p LIMIT x", "a number is whole and has 64 bits"],
  ["LIST p LIMIT 1 LIMIT 2", "expected LIST [prefix] [AFTER key] [LIMIT count]"],
  ["LIST \\e AFTER a\\sb", { name: "list", prefix: "", after: "a b", limit: Infinity }],
  ["LIST AFTER \\e", { name: "list", prefix: "", after: "", limit: Infinity }],
  ["LIST a\\sb", { name: "list", prefix: "a b", limit: Infinity }],
  ["LIST p q", "expected LIST [prefix] [AFTER key] [LIMIT count]"],
  ["INCR a", { name: "incr", key: "a", by: 1 }],
  ["INCR a -5", { name: "incr", key: "a", by: -5 }],
  ["INCR a 9223372036854775807", { name: "incr", key: "a", by: 2n ** 63n - 1n }],
  ["INCR a 9223372036854775808", "a number is whole and has 64 bits"],
  ["INCR a 1 2", "expected INCR key [amount]"],
  ["INCR a ", { name: "incr", key: "a", by: 1 }],
  ["INCREX a 5 60", { name: "increx", key: "a", by: 5, seconds: 60 }],
  ["INCREX a -5 0", "the seconds are 1 to 31536000000"],
  ["INCREX a x 60", "a number is whole and has 64 bits"],
  ["INCREX a 5", "expected INCREX key amount seconds"],
  ["INCREX a 5 60 7", "expected INCREX key amount seconds"],
  ["CAS a \\e new", { name: "cas", key: "a", expected: "", value: "new" }],
  ["CAS a b\\sc new", { name: "cas", key: "a", expected: "b c", value: "new" }],
  ["CAS a old new value", { name: "cas", key: "a", expected: "old", value: "new value" }],
  ["CAS a old", "expected CAS key expected value"],
  ["PUTEX a 10 v w", { name: "putex", key: "a", seconds: 10, value: "v w" }],
  ["PUTEX a 0 v", "the seconds are 1 to 31536000000"],
  ["PUTEX a x v", "a number is whole and has 64 bits"],
  ["PUTEX a", "expected PUTEX key seconds value"],
  ["PUTEX a 10", "expected PUTEX key seconds value"],
  ["COUNT", { name: "count" }],
  ["COUNT x", "expected COUNT"],
  ["HELP", { name: "help" }],
  ["quit", { name: "quit" }],
  ["", "empty request, try HELP"],
  ["NOPE a", "unknown command, try HELP"],
  ["toString", "unknown command, try HELP"],
];

for (const [line, command] of LINES) {
  Deno.test(`parseTextLine: ${JSON.stringify(line.slice(0, 40))}`, () => {
    assert.deepEqual(parse(line), command);
  });
}

Deno.test("isTextName knows only the commands of the text protocol", () => {
  assert.ok(isTextName("put") && isTextName("cas"));
  assert.ok(!isTextName("set") && !isTextName("constructor"));
});

const text = fc.uint8Array({ maxLength: 60 }).map((bytes) => String.fromCharCode(...bytes));

Deno.test("parseTextLine finds the same commands however the input is split", () => {
  const line = fc.oneof(
    text,
    fc.tuple(fc.constantFrom(...Object.keys(FORMS)), text)
      .map((words) => words.join(" ")),
  );
  fc.assert(fc.property(
    fc.array(line, { maxLength: 8 }),
    fc.array(fc.nat(), { maxLength: 8 }),
    (lines, cuts) => {
      const input = latin1Bytes(lines.join("\n") + "\n");
      const whole = parseCut(input, []);
      assert.deepEqual(parseCut(input, cuts), whole);
      assert.equal(whole.length, latin1Text(input).split("\n").length - 1);
    },
  ));
});

function parseCut(input: Uint8Array, cuts: number[]): (TextCommand | string)[] {
  const points = [...cuts.map((point) => point % (input.length + 1)), input.length];
  const framer = new LineFramer({ maxLineBytes: 1000 });
  const found: (TextCommand | string)[] = [];
  let at = 0;
  for (const end of points.sort((a, b) => a - b)) {
    framer.space().set(input.subarray(at, end));
    const batch = framer.took(end - at);
    at = end;
    for (let line = 0; line < batch.count; line++) {
      found.push(parse(latin1Text(batch.line(line))));
    }
  }
  return found;
}

/** What a writer sends for a value or a key. */
async function written(value: string, part: TextPart): Promise<string> {
  const writer = new TextWriter();
  let output = "";
  const sink = {
    write: (bytes: Uint8Array) => {
      output += latin1Text(bytes);
      return Promise.resolve();
    },
  };
  await writer.value(latin1Bytes(value), part, sink);
  await writer.flush(sink);
  return output;
}

Deno.test("TextWriter and unescapeText are inverse, inside and outside lists", async () => {
  await fc.assert(
    fc.asyncProperty(text, fc.constantFrom("value", "item"), async (value, part) => {
      const output = await written(value, part);
      assert.equal(unescapeText(output), value);
      assert.ok(!/[\r\n]/.test(output));
      if (part === "item") assert.ok(!/(^|[^\\])(\\\\)*[,=]/.test(output));
    }),
  );
});

Deno.test("TextWriter and unescapeWord are inverse, and a written key is one word", async () => {
  await fc.assert(fc.asyncProperty(text, async (key) => {
    const output = await written(key, "key");
    assert.equal(unescapeWord(output), key);
    // deno-lint-ignore no-control-regex -- this is what a key must not contain
    assert.ok(!/[\x00-\x20\x7f]/.test(output) && output !== "");
    assert.ok(!/(^|[^\\])(\\\\)*[,=]/.test(output));
  }));
});

Deno.test("TextWriter writes keys that are longer than a piece, and four times as long escaped", async () => {
  const everyByte = String.fromCharCode(...Array(256).keys());
  for (const key of [everyByte.repeat(300), "\0".repeat(70_000)]) {
    assert.ok(key.length > PIECE_BYTES);
    assert.equal(unescapeWord(await written(key, "key")), key);
  }
});
