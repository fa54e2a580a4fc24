import assert from "node:assert/strict";
import {
  ErrorReply,
  NO_REPLY,
  NULL_ARRAY,
  OK,
  type Reply,
  ReplyMap,
  ReplySet,
  Verbatim,
} from "../../../lib/kv/resp/reply.ts";
import { ReplyWriter } from "../../../lib/kv/resp/writer.ts";
import { latin1Bytes, latin1Text } from "../support.ts";

/** A sink that keeps its input. */
class TestSink {
  readonly writes: Uint8Array[] = [];

  write(bytes: Uint8Array): Promise<void> {
    this.writes.push(bytes.slice());
    return Promise.resolve();
  }

  get text(): string {
    return this.writes.map(latin1Text).join("");
  }
}

async function written(reply: Reply, protocol: number): Promise<string> {
  const writer = new ReplyWriter();
  const sink = new TestSink();
  writer.protocol = protocol;
  writer.write(reply);
  if (writer.size > 0) await writer.flush(sink);
  return sink.text;
}

const REPLIES: [name: string, reply: Reply, resp2: string, resp3?: string][] = [
  ["OK", OK, "+OK\r\n"],
  ["a value", "foo", "$3\r\nfoo\r\n"],
  ["an empty value", "", "$0\r\n\r\n"],
  ["bytes", latin1Bytes("\x00\xff\r\n"), "$4\r\n\x00\xff\r\n\r\n"],
  ["text that is not ASCII", "\xe9".repeat(60), `$60\r\n${"\xe9".repeat(60)}\r\n`],
  ["zero", 0, ":0\r\n"],
  ["a number", 1234567890123, ":1234567890123\r\n"],
  ["a negative number", -42, ":-42\r\n"],
  ["the largest exact number", Number.MAX_SAFE_INTEGER, ":9007199254740991\r\n"],
  ["ten", 10, ":10\r\n"],
  ["a large number", -(2n ** 63n), ":-9223372036854775808\r\n"],
  ["a missing value", null, "$-1\r\n", "_\r\n"],
  ["a missing array", NULL_ARRAY, "*-1\r\n", "_\r\n"],
  ["an array", ["a", 1, null], "*3\r\n$1\r\na\r\n:1\r\n$-1\r\n", "*3\r\n$1\r\na\r\n:1\r\n_\r\n"],
  ["an empty array", [], "*0\r\n"],
  ["a map", new ReplyMap([["a", 1]]), "*2\r\n$1\r\na\r\n:1\r\n", "%1\r\n$1\r\na\r\n:1\r\n"],
  ["a set", new ReplySet(["a"]), "*1\r\n$1\r\na\r\n", "~1\r\n$1\r\na\r\n"],
  ["a verbatim string", new Verbatim("hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"],
  ["an error", new ErrorReply("ERR no\r\nway\r\n"), "-ERR no  way\r\n"],
  ["no reply", NO_REPLY, ""],
];

for (const [name, reply, resp2, resp3 = resp2] of REPLIES) {
  Deno.test(`ReplyWriter: ${name}`, async () => {
    assert.equal(await written(reply, 2), resp2);
    assert.equal(await written(reply, 3), resp3);
  });
}

Deno.test("ReplyWriter sends many replies with one write", async () => {
  const writer = new ReplyWriter();
  const sink = new TestSink();
  for (let count = 0; count < 5000; count++) writer.write("value");
  assert.equal(writer.size, 5000 * 11);
  await writer.flush(sink);
  assert.deepEqual(sink.writes.map(({ length }) => length), [5000 * 11]);
  assert.equal(writer.size, 0);
});

Deno.test("ReplyWriter sends a long value without copying it, in order", async () => {
  const writer = new ReplyWriter();
  const long = new Uint8Array(100_000).fill(0x78);
  const given: Uint8Array[] = [];
  for (const reply of ["a", long, "b", long, 1]) writer.write(reply);
  await writer.flush({
    write: (bytes) => Promise.resolve(void given.push(bytes)),
  });
  assert.equal(given[1], long);
  assert.equal(given[3], long);
  assert.equal(
    given.map((bytes) => bytes === long ? "(long)" : latin1Text(bytes)).join(""),
    "$1\r\na\r\n$100000\r\n(long)\r\n$1\r\nb\r\n$100000\r\n(long)\r\n:1\r\n",
  );
});
