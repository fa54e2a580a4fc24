import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeKeyList } from "../../../lib/mesh/sort/key_list.ts";
import {
  decodeAbort,
  decodeFrame,
  decodePlan,
  decodeSample,
  decodeTallies,
  encodeAbort,
  encodeFrame,
  encodePlan,
  encodeSample,
  encodeTallies,
  FRAME,
  FRAME_HEADER_BYTES,
  FrameError,
  MAX_DATA_BYTES,
  readDataFrame,
  writeDataFrame,
} from "../../../lib/mesh/link/frame.ts";
import { decodeTop, encodeTop } from "../../../lib/mesh/link/top_frame.ts";

const types = fc.constantFrom(...Object.values(FRAME));
const payloads = fc.uint8Array({ maxLength: 200 });
const keys = fc.array(
  fc.record(
    { key: fc.uint8Array({ maxLength: 30 }), order: fc.integer({ min: -1 }) },
    { noNullPrototype: true },
  ),
);

Deno.test("decodeFrame() reads what encodeFrame() writes, and asks for more at every cut", () => {
  fc.assert(fc.property(types, payloads, payloads, (type, payload, more) => {
    const frame = encodeFrame(type, payload);
    for (let cut = 0; cut < frame.length; cut++) {
      const needed = cut < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : frame.length;
      assert.deepEqual(decodeFrame(frame.subarray(0, cut)), { needed });
    }
    assert.deepEqual(decodeFrame(Uint8Array.from([...frame, ...more])), { type, payload });
  }));
});

Deno.test("decodeFrame() notices every changed bit", () => {
  const frame = encodeFrame(FRAME.DATA, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9));
  for (let bit = 0; bit < 8 * frame.length; bit++) {
    const damaged = frame.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    let result;
    try {
      result = decodeFrame(damaged);
    } catch (error) {
      assert.ok(error instanceof FrameError);
      continue;
    }
    // A longer length asks for bytes that do not come; that is bounded by the next test.
    assert.ok("needed" in result && result.needed > frame.length, `bit ${bit}`);
  }
});

Deno.test("decodeFrame() refuses lengths and types beyond the limits, and any other bytes", () => {
  const header = new DataView(new ArrayBuffer(FRAME_HEADER_BYTES));
  const bytes = new Uint8Array(header.buffer);
  header.setUint32(4, FRAME.DATA);
  header.setUint32(0, MAX_DATA_BYTES + 1);
  assert.throws(() => decodeFrame(bytes), FrameError);
  header.setUint32(0, MAX_DATA_BYTES);
  assert.ok("needed" in decodeFrame(bytes));
  header.setUint32(4, 11);
  assert.throws(() => decodeFrame(bytes), FrameError);
  fc.assert(fc.property(fc.uint8Array({ minLength: 12, maxLength: 80 }), (bytes) => {
    try {
      decodeFrame(bytes);
    } catch (error) {
      assert.ok(error instanceof FrameError);
    }
  }));
});

Deno.test("a data frame carries a piece and its entries", () => {
  fc.assert(fc.property(
    fc.nat(),
    fc.nat(),
    fc.nat(Number.MAX_SAFE_INTEGER),
    fc.nat(2 ** 48),
    fc.nat(2 ** 40),
    fc.uint8Array({ maxLength: 500, size: "max" }),
    (bucket, records, order, sum, fileBytes, entries) => {
      const piece = { bucket, slot: -1, bytes: entries.length, records, fileBytes, order, sum };
      const into = new Uint8Array(FRAME_HEADER_BYTES + MAX_DATA_BYTES);
      const frame = decodeFrame(into.subarray(0, writeDataFrame(piece, entries, into)));
      assert.ok("type" in frame && frame.type === FRAME.DATA);
      assert.deepEqual(readDataFrame(frame.payload), { piece, entries });
    },
  ));
});

Deno.test("samples, plans, tallies and aborts are read back", () => {
  fc.assert(fc.property(keys, fc.nat(), fc.nat(1000), fc.uint8Array(), (...values) => {
    const [splitters, bytes, count, header] = values;
    const list = encodeKeyList(splitters);
    const plan = { bucketsPerNode: count, splitters: list };
    assert.deepEqual(decodePlan(encodePlan(plan)), plan);
    const sample = { bytes, maxBuckets: count, header, keys: list };
    assert.deepEqual(decodeSample(encodeSample(sample)), sample);
  }));
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), (a, b, sum) => {
      const tallies = [{ records: a, bytes: b, sum }, { records: b, bytes: a, sum: 0n }];
      assert.deepEqual(decodeTallies(encodeTallies(...tallies), 2), tallies);
    }),
  );
  const notice = { node: 3, reason: 'a "reason"\nof two lines' };
  assert.deepEqual(decodeAbort(encodeAbort(notice)), notice);
});

Deno.test("payloads that are cut off or nonsense are refused at every cut", () => {
  const splitters = [{ key: Uint8Array.of(1, 2, 3), order: 7 }, {
    key: new Uint8Array(0),
    order: 8,
  }];
  const plan = encodePlan({ bucketsPerNode: 3, splitters: encodeKeyList(splitters) });
  for (let cut = 0; cut < plan.length; cut++) {
    assert.throws(() => decodePlan(plan.slice(0, cut)), FrameError, `cut at ${cut}`);
  }
  assert.throws(() => decodePlan(new Uint8Array([...plan, 0])), FrameError);
  assert.throws(() => decodePlan(plan.fill(255, 0, 8)), FrameError, "not a number");
  assert.throws(() => decodeTallies(new Uint8Array(31), 1), FrameError);
  assert.throws(() => decodeAbort(new Uint8Array(5)), FrameError);
  assert.throws(() => readDataFrame(new Uint8Array(31)), FrameError);
  assert.throws(() => readDataFrame(new Uint8Array(40).fill(255)), FrameError);
});

Deno.test("decodeTop() reads what encodeTop() writes, and refuses everything else", () => {
  const entries = [[7, "seven"], [3, ""], [0, "x".repeat(300)]].map(([count, text], i) => (
    { count: count as number, rank: 40 + i, bytes: new TextEncoder().encode(text as string) }
  ));
  const payload = encodeTop(entries);
  assert.deepEqual(decodeTop(payload, { rank: 40, limit: 3 }), entries);
  const refused = (bytes: Uint8Array, limit = 3) => {
    assert.throws(() => decodeTop(bytes, { rank: 0, limit }), FrameError);
  };
  refused(payload, 2);
  for (let end = 0; end < payload.length; end++) refused(payload.subarray(0, end));
  refused(Uint8Array.of(...payload, 0));
  const negative = payload.slice();
  new DataView(negative.buffer).setFloat64(4, -1);
  refused(negative);
});
