import assert from "node:assert/strict";
import {
  BackupError,
  type Frame,
  FrameParser,
  FrameWriter,
  MAX_FRAME_BYTES,
} from "../../../lib/storage/backup/frames.ts";

/** A backup with these items. */
async function written(items: readonly [kind: number, ...parts: Uint8Array[]][]) {
  const chunks: Uint8Array[] = [];
  const writer = new FrameWriter((bytes) => {
    assert(bytes.length <= MAX_FRAME_BYTES, `a write of ${bytes.length} bytes`);
    chunks.push(bytes.slice());
    return Promise.resolve();
  });
  for (const [kind, ...parts] of items) await writer.add(kind, parts);
  await writer.flush();
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

/** The items that a parser finds in chunks: the kind and the bytes of each. */
function parsed(chunks: readonly Uint8Array[]): [number, number[]][] {
  const parser = new FrameParser();
  const items: [number, number[]][] = [];
  let bytes: number[] = [];
  for (const chunk of chunks) {
    for (const frame of parser.feed(chunk)) {
      bytes.push(...frame.bytes);
      if (frame.more) continue;
      items.push([frame.kind, bytes]);
      bytes = [];
    }
  }
  assert.equal(parser.incomplete, false);
  return items;
}

const ITEMS: [number, ...Uint8Array[]][] = [
  [1, Uint8Array.of(1, 2, 3)],
  [2],
  [3, Uint8Array.of(4), Uint8Array.of(), Uint8Array.of(5, 6)],
];
const EXPECTED = [[1, [1, 2, 3]], [2, []], [3, [4, 5, 6]]];

Deno.test("FrameParser finds the frames wherever the bytes are cut", async () => {
  const bytes = await written(ITEMS);
  for (let cut = 0; cut <= bytes.length; cut++) {
    assert.deepEqual(parsed([bytes.subarray(0, cut), bytes.subarray(cut)]), EXPECTED);
  }
  assert.deepEqual(parsed([...bytes].map((byte) => Uint8Array.of(byte))), EXPECTED);
});

Deno.test("FrameParser notices every byte that has changed, and every frame that is missing", async () => {
  const bytes = await written(ITEMS);
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at]! ^= 1;
    assert.throws(() => parsed([changed]), /it is (damaged at byte|not a backup)|incomplete|true/);
  }
  const frames: Frame[] = [...new FrameParser().feed(bytes)];
  const second = bytes.length - (10 + frames[2]!.bytes.length) - 10;
  const missing = [bytes.subarray(0, second), bytes.subarray(second + 10)];
  assert.throws(() => parsed(missing), new BackupError(`it is damaged at byte ${second}`));
});

Deno.test("FrameParser knows where bytes end in the middle of a frame", async () => {
  const bytes = await written([[1, Uint8Array.of(1, 2, 3)]]);
  for (let end = 0; end < bytes.length; end++) {
    const parser = new FrameParser();
    assert.deepEqual([...parser.feed(bytes.subarray(0, end))], []);
    // With the magic bytes alone nothing is missing but the header.
    assert.equal(parser.incomplete, end !== 15, `${end} bytes`);
  }
});

Deno.test("FrameWriter cuts an item that is longer than a frame", async () => {
  const long = new Uint8Array(2 * MAX_FRAME_BYTES + 5).map((_, index) => index % 251);
  const bytes = await written([[1, long.subarray(0, 7), long.subarray(7)], [2]]);
  const parser = new FrameParser();
  const found = [...parser.feed(bytes)].map(({ kind, more, bytes }) => ({ kind, more, bytes }));
  assert.deepEqual(found.map(({ more }) => more), [true, true, false, false]);
  const joined = new Blob(found.slice(0, 3).map(({ bytes }) => bytes as BlobPart));
  assert.deepEqual(new Uint8Array(await joined.arrayBuffer()), long);
});
