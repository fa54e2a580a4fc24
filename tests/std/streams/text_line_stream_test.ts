import assert from "node:assert/strict";
import fc from "fast-check";
import { TextLineStream } from "@std/streams/text-line-stream";

async function linesOf(chunks: string[], allowCR?: boolean): Promise<string[]> {
  const stream = allowCR === undefined ? new TextLineStream() : new TextLineStream({ allowCR });
  return await Array.fromAsync(ReadableStream.from(chunks).pipeThrough(stream));
}

const CASES: [name: string, text: string, lines: string[], withCr?: string[]][] = [
  ["a newline ends a line", "a\nb\n", ["a", "b"]],
  ["a carriage return before the newline belongs to the line ending", "a\r\nb\r\n", ["a", "b"]],
  ["only one carriage return belongs to the line ending", "a\r\r\n", ["a\r"], ["a", ""]],
  ["text after the last newline is a line", "a\nb", ["a", "b"]],
  ["empty input has no lines", "", []],
  ["empty lines are lines", "\n\r\n\n", ["", "", ""]],
  ["a carriage return alone is part of the line", "a\rb\n", ["a\rb"], ["a", "b"]],
  ["a carriage return at the end is part of the line", "a\r", ["a\r"], ["a"]],
  ["a newline before a carriage return is a line of its own", "a\n\rb\n", ["a", "\rb"], [
    "a",
    "",
    "b",
  ]],
];

for (const [name, text, lines, withCr] of CASES) {
  Deno.test(`TextLineStream: ${name}`, async () => {
    assert.deepEqual(await linesOf([text]), lines);
    assert.deepEqual(await linesOf([text], false), lines);
    assert.deepEqual(await linesOf([text], true), withCr ?? lines);
  });

  Deno.test(`TextLineStream: ${name}, wherever the text is cut`, async () => {
    for (let at = 0; at <= text.length; at++) {
      assert.deepEqual(await linesOf([text.slice(0, at), text.slice(at)]), lines);
      assert.deepEqual(await linesOf([text.slice(0, at), text.slice(at)], true), withCr ?? lines);
    }
    assert.deepEqual(await linesOf([...text]), lines);
    assert.deepEqual(await linesOf([...text], true), withCr ?? lines);
  });
}

Deno.test("TextLineStream: yields the same lines as split(), however the text is cut", async () => {
  const part = fc.constantFrom("a", "bc", "\n", "\r", "\r\n", "\u{1F600}", "");
  await fc.assert(fc.asyncProperty(fc.array(fc.array(part)), async (cut) => {
    const chunks = cut.map((parts) => parts.join(""));
    const text = chunks.join("");
    const lines = text.split(/\r?\n/);
    if (lines.at(-1) === "") lines.pop();
    assert.deepEqual(await linesOf(chunks), lines);
    const withCr = text.split(/\r?\n|\r/);
    if (withCr.at(-1) === "") withCr.pop();
    assert.deepEqual(await linesOf(chunks, true), withCr);
  }));
});

Deno.test("TextLineStream: yields a line before the following text arrives", async () => {
  const { readable, writable } = new TransformStream<string, string>();
  const lines = readable.pipeThrough(new TextLineStream()).getReader();
  const writer = writable.getWriter();
  const written = writer.write("first\nsec");
  assert.equal((await lines.read()).value, "first");
  await written;
  const ended = writer.close();
  assert.equal((await lines.read()).value, "sec");
  assert.equal((await lines.read()).done, true);
  await ended;
});
