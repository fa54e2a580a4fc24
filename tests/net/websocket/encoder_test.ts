import assert from "node:assert/strict";
import fc from "fast-check";
// @ts-types="@types/ws"
import * as ws from "ws";
import { closeFrame, encodeLines, frame, linesIn } from "../../../lib/net/websocket/encoder.ts";

// @types/ws leaves it out.
const { Receiver } = ws as unknown as {
  Receiver: new (options: { isServer: boolean }) => NodeJS.EventEmitter & {
    end(bytes: Uint8Array): void;
  };
};

/** What npm:ws receives. */
async function received(bytes: Uint8Array) {
  const receiver = new Receiver({ isServer: false });
  const events: [string, string | number, boolean | string][] = [];
  receiver.on(
    "message",
    (data: Buffer, isBinary: boolean) => events.push(["message", `${data}`, isBinary]),
  );
  receiver.on("ping", (data: Buffer) => events.push(["ping", `${data}`, true]));
  receiver.on(
    "conclude",
    (code: number, reason: Buffer) => events.push(["close", code, `${reason}`]),
  );
  const ended = new Promise<void>((resolve, reject) => {
    receiver.on("error", reject);
    receiver.on("finish", resolve);
  });
  receiver.end(bytes);
  await ended;
  return events;
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("encodeLines() makes a text message of each line, or a binary one if it is not UTF-8", async () => {
  const bytes = Uint8Array.of(...bytesOf("one\nzwö\r\n\n\r\n"), 0xff, 10, ...bytesOf("last\n"));
  const { bytes: frames, ends } = encodeLines(linesIn(bytes));
  assert.deepEqual(await received(frames), [
    ["message", "one", false],
    ["message", "zwö", false],
    ["message", "", false],
    ["message", "", false],
    ["message", "\ufffd", true],
    ["message", "last", false],
  ]);
  assert.equal(ends.length, 6);
  assert.deepEqual(await received(frames.subarray(ends[0], ends[2])), [
    ["message", "zwö", false],
    ["message", "", false],
  ]);
});

Deno.test("encodeLines() encodes every length of line", async () => {
  for (const length of [0, 1, 125, 126, 127, 65535, 65536, 100_000]) {
    const { bytes } = encodeLines(linesIn(bytesOf(`${"x".repeat(length)}\n`)));
    const [event] = await received(bytes);
    assert.equal((event![1] as string).length, length);
  }
});

Deno.test("encodeLines() and npm:ws agree on any lines", async () => {
  const line = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll(/[\r\n]/g, ""));
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 20 }), async (lines) => {
      const { bytes } = encodeLines(linesIn(bytesOf(lines.map((text) => `${text}\n`).join(""))));
      assert.deepEqual((await received(bytes)).map(([, text]) => text), lines);
    }),
    { numRuns: 30 },
  );
});

Deno.test("closeFrame() carries a code and as much of the reason as fits", async () => {
  const close = closeFrame({ code: 1009, reason: "too big" });
  assert.deepEqual(await received(close), [["close", 1009, "too big"]]);
  const long = closeFrame({ code: 1008, reason: `${"x".repeat(122)}é` });
  assert.deepEqual(await received(long), [["close", 1008, "x".repeat(122)]]);
  assert.deepEqual(await received(closeFrame({ code: 1005, reason: "" })), [["close", 1005, ""]]);
  assert.deepEqual(await received(frame(9, bytesOf("hi"))), [["ping", "hi", true]]);
});
