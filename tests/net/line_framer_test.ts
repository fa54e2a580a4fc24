import assert from "node:assert/strict";
import fc from "fast-check";
import { TextLineStream } from "@std/streams/text-line-stream";
import { LineFramer } from "../../lib/net/line_framer.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The lines of a framer; `null` for a line that was too long. */
function frame(pieces: readonly Uint8Array[], maxLineBytes = 65536): (string | null)[] {
  const framer = new LineFramer({ maxLineBytes });
  const lines: (string | null)[] = [];
  const collect = (batch: ReturnType<LineFramer["end"]>) => {
    for (let i = 0; i < batch.count; i++) {
      lines.push(batch.isTooLong(i) ? null : decoder.decode(batch.line(i)));
    }
  };
  for (let piece of pieces) {
    while (piece.length > 0) {
      const space = framer.space();
      const part = piece.subarray(0, space.length);
      space.set(part);
      collect(framer.took(part.length));
      piece = piece.subarray(part.length);
    }
  }
  collect(framer.end());
  return lines;
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((
    a,
    b,
  ) => a - b);
  return sorted.slice(1).map((place, i) => bytes.subarray(sorted[i], place));
}

const textOfLines = fc.array(fc.constantFrom("a", "é", "€", "\r", "\n", "\r\n", "\0", "xyz"))
  .map((parts) => parts.join(""));

Deno.test("LineFramer: its lines are those of TextLineStream, wherever the input is cut", async () => {
  await fc.assert(
    fc.asyncProperty(textOfLines, fc.array(fc.nat(), { maxLength: 8 }), async (text, places) => {
      const expected = await Array.fromAsync(
        ReadableStream.from([text]).pipeThrough(new TextLineStream()),
      );
      assert.deepEqual(frame(cut(encoder.encode(text), places)), expected);
    }),
  );
});

Deno.test("LineFramer: a line beyond the limit is reported without its bytes", () => {
  fc.assert(
    fc.property(
      textOfLines,
      fc.array(fc.nat(), { maxLength: 8 }),
      fc.nat({ max: 6 }),
      (text, places, limit) => {
        const bytes = encoder.encode(text);
        const expected = frame([bytes]).map((line) =>
          encoder.encode(line!).length > limit ? null : line
        );
        assert.deepEqual(frame(cut(bytes, places), limit), expected);
      },
    ),
  );
});

Deno.test("LineFramer: its ranges with terminators are the input, byte for byte", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
    const framer = new LineFramer({ maxLineBytes: 1000 });
    framer.space().set(bytes);
    const seen: number[] = [];
    for (const hand of [() => framer.took(bytes.length), () => framer.end()]) {
      const batch = hand();
      for (let i = 0; i < batch.count; i++) {
        seen.push(...batch.bytes.subarray(batch.starts[i], batch.nexts[i]));
      }
      if (batch.count > 0) assert.ok(batch.nexts[batch.count - 1]! <= batch.bytes.length);
    }
    assert.deepEqual(seen, [...bytes]);
  }));
});

Deno.test("LineFramer: an endless line takes no memory", () => {
  const framer = new LineFramer({ maxLineBytes: 1024 });
  let most = 0;
  for (let i = 0; i < 1000; i++) {
    const space = framer.space();
    most = Math.max(most, space.buffer.byteLength);
    space.fill(120);
    assert.equal(framer.took(space.length).count, 0);
  }
  assert.ok(most <= 256 * 1024, `the buffer had ${most} bytes`);
  const space = framer.space();
  space.set(encoder.encode("\nafter\n"));
  const batch = framer.took(7);
  assert.equal(batch.count, 2);
  assert.ok(batch.isTooLong(0));
  assert.equal(decoder.decode(batch.line(1)), "after");
});

Deno.test("LineFramer: a line at the limit is kept, with either terminator", () => {
  for (const end of ["\n", "\r\n", ""]) {
    assert.deepEqual(frame([encoder.encode(`abcd${end}`)], 4), ["abcd"]);
    assert.deepEqual(frame([encoder.encode(`abcde${end}`)], 4), [null]);
  }
});

Deno.test("LineFramer: a changed limit applies to the line that has begun", () => {
  const limits = { maxLineBytes: 100_000 };
  const framer = new LineFramer(limits);
  const add = (text: string) => {
    const lines: (string | null)[] = [];
    const bytes = encoder.encode(text);
    for (let at = 0; at < bytes.length;) {
      const space = framer.space();
      const part = bytes.subarray(at, at + space.length);
      space.set(part);
      const batch = framer.took(part.length);
      for (let i = 0; i < batch.count; i++) {
        lines.push(batch.isTooLong(i) ? null : decoder.decode(batch.line(i)));
      }
      at += part.length;
    }
    return lines;
  };
  assert.deepEqual(add("x".repeat(50_000)), []);
  limits.maxLineBytes = 10;
  assert.deepEqual(add("x\nshort\n"), [null, "short"]);
  assert.deepEqual(add("12345"), []);
  limits.maxLineBytes = 30_000;
  assert.deepEqual(add(`${"x".repeat(20_000)}\n`), [`12345${"x".repeat(20_000)}`]);
});
