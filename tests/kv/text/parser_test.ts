import assert from "node:assert/strict";
import fc from "fast-check";
import { LineFramer } from "../../../lib/net/line_framer.ts";
import { unescapeText } from "../../../lib/kv/text/escapes.ts";
import {
  isTextName,
  parseTextLine,
  type TextCommand,
  TextError,
} from "../../../lib/kv/text/parser.ts";
import { TextWriter } from "../../../lib/kv/text/writer.ts";
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

const LINES: [line: string, command: TextCommand | string][] = [
  ["PUT a b", { name: "put", key: "a", value: "b" }],
  ["put  a  b c ", { name: "put", key: "a", value: " b c " }],
  ["PUT a ", { name: "put", key: "a", value: "" }],
  ["PUT a x\\ny\\r\\\\z\\,\\=", { name: "put", key: "a", value: "x\ny\r\\z,=" }],
  ["PUT a\\nb c", { name: "put", key: "a\nb", value: "c" }],
  ["PUT a", "expected PUT key value"],
  ["PUT", "a key is 1 to 1024 bytes"],
  ["PUT a x\\q", "a backslash stands before \\, n, r, a comma or an equals sign"],
  ["PUT a x\\", "a backslash stands before \\, n, r, a comma or an equals sign"],
  [`GET ${"k".repeat(1024)}`, { name: "get", key: "k".repeat(1024) }],
  [`GET ${"k".repeat(1025)}`, "a key is 1 to 1024 bytes"],
  ["GET", "a key is 1 to 1024 bytes"],
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
  ["LIST p q", "expected LIST [prefix] [AFTER key] [LIMIT count]"],
  ["INCR a", { name: "incr", key: "a", by: 1 }],
  ["INCR a -5", { name: "incr", key: "a", by: -5 }],
  ["INCR a 9223372036854775807", { name: "incr", key: "a", by: 2n ** 63n - 1n }],
  ["INCR a 9223372036854775808", "a number is whole and has 64 bits"],
  ["INCR a 1 2", "expected INCR key [amount]"],
  ["CAS a old new value", { name: "cas", key: "a", expected: "old", value: "new value" }],
  ["CAS a old", "expected CAS key expected value"],
  ["PUTEX a 10 v w", { name: "putex", key: "a", seconds: 10, value: "v w" }],
  ["PUTEX a 0 v", "the seconds are 1 to 31536000000"],
  ["PUTEX a x v", "a number is whole and has 64 bits"],
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
    fc.tuple(fc.constantFrom("PUT", "GET", "LIST", "CAS", "INCR", "PUTEX"), text)
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

Deno.test("TextWriter and unescapeText are inverse, inside and outside lists", async () => {
  await fc.assert(fc.asyncProperty(text, fc.boolean(), async (value, inList) => {
    const writer = new TextWriter();
    let output = "";
    const sink = {
      write: (bytes: Uint8Array) => {
        output += latin1Text(bytes);
        return Promise.resolve();
      },
    };
    await writer.value(latin1Bytes(value), inList, sink);
    await writer.flush(sink);
    assert.equal(unescapeText(output), value);
    assert.ok(!/[\r\n]/.test(output));
    if (inList) assert.ok(!/(^|[^\\])(\\\\)*[,=]/.test(output));
  }));
});
