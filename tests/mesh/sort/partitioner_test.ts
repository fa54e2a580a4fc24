import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import {
  lengthPlace,
  lineLength,
  linePlace,
  MAX_SHORT_LINE_BYTES,
} from "../../../lib/mesh/records/line_entry.ts";
import { LineOrder } from "../../../lib/mesh/records/line_order.ts";
import type { RecordFormat } from "../../../lib/mesh/records/record_format.ts";
import { type Piece, SLOT_BYTES } from "../../../lib/mesh/sort/open_pieces.ts";
import { Partitioner } from "../../../lib/mesh/sort/partitioner.ts";
import { orderOf, type Splitter, SplitterTable } from "../../../lib/mesh/sort/splitters.ts";

const NODE = 3;
const LINES: RecordFormat = { recordBytes: 0, keyStart: 0, keyEnd: 2 };
const SPLITTERS: Splitter[] = ["b", "m", "mm"].map((key) => (
  { key: new TextEncoder().encode(key), order: 0 }
));

function makePartitioner(format: RecordFormat, slots: number) {
  const slab = new SharedArrayBuffer(slots * SLOT_BYTES);
  const partitioner = new Partitioner(slab, { format, splitters: SPLITTERS, node: NODE });
  return { partitioner, bytes: new Uint8Array(slab) };
}

/** Deals all of it out, and grants a slot whenever dealing stops for want of one. */
function dealAll(
  partitioner: Partitioner,
  to: number,
  { slots, deal }: { slots: number; deal: (from: number) => number },
): void {
  const free = Array.from({ length: slots }, (_, slot) => slot);
  for (let at = 0; at < to;) {
    const next = deal(at);
    if (next === at && partitioner.spare.length === 0) {
      assert.ok(free.length > 0, "it takes more slots than it needs");
      partitioner.spare.push(free.pop()!);
    }
    at = next;
  }
  partitioner.finish();
}

/** The entries of a bucket in input order, as text; checks each piece on the way. */
function entriesOf(
  pieces: Piece[],
  { bucket, bytes, format }: { bucket: number; bytes: Uint8Array; format: RecordFormat },
): string[] {
  const entries: string[] = [];
  const own = pieces.filter((piece) => piece.bucket === bucket);
  for (const piece of own.sort((a, b) => a.order - b.order)) {
    const content = bytes.subarray(piece.slot * SLOT_BYTES, piece.slot * SLOT_BYTES + piece.bytes);
    let [records, sum] = [0, 0];
    for (let at = 0; at < content.length; records++) {
      const prefix = format.recordBytes ? 0 : 2;
      const length = format.recordBytes || content[at]! | (content[at + 1]! << 8);
      const entry = content.slice(at + prefix, at + prefix + length);
      entries.push(new TextDecoder("latin1").decode(entry));
      sum += crc32(format.recordBytes ? entry : new Uint8Array([...entry, 0x0a]));
      at += prefix + length;
    }
    assert.equal(piece.records, records);
    assert.equal(piece.sum, sum);
  }
  return entries;
}

/** The entries by bucket, found one by one. */
function plainBuckets(entries: string[], format: RecordFormat, sizeOf: (entry: string) => number) {
  const table = new SplitterTable(SPLITTERS);
  const buckets: string[][] = [[], [], [], []];
  let position = 0;
  for (const entry of entries) {
    const key = Uint8Array.from(entry, (c) => c.charCodeAt(0))
      .subarray(format.keyStart, format.keyEnd);
    const bucket = table.find(key, 0, key.length, orderOf(NODE, position));
    buckets[bucket]!.push(entry);
    position += sizeOf(entry);
  }
  return buckets;
}

const letters = fc.constantFrom("a", "b", "l", "m", "n", "z");
const line = fc.oneof(
  fc.array(letters, { maxLength: 8 }).map((all) => all.join("")),
  // Long ones fill slots.
  fc.tuple(letters, fc.integer({ min: 10_000, max: MAX_SHORT_LINE_BYTES })).map(([c, n]) =>
    c.repeat(n)
  ),
);

Deno.test("Partitioner.dealLines() puts each line into its bucket, in input order, slot by slot", () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40, size: "max" }), (lines) => {
      const { partitioner, bytes } = makePartitioner(LINES, 80);
      const chunk = new TextEncoder().encode(lines.map((text) => `${text}\n`).join(""));
      const deal = (from: number) => partitioner.dealLines(chunk, from, chunk.length, 0);
      dealAll(partitioner, chunk.length, { slots: 80, deal });
      const expected = plainBuckets(lines, LINES, (text) => text.length + 1);
      const pieces = partitioner.takePieces();
      for (let bucket = 0; bucket < 4; bucket++) {
        const found = entriesOf(pieces, { bucket, bytes, format: LINES });
        assert.deepEqual(found, expected[bucket]);
      }
      const slots = pieces.map(({ slot }) => slot);
      assert.equal(new Set(slots).size, slots.length, "a slot belongs to one piece");
    }),
    { numRuns: 40 },
  );
});

for (const recordBytes of [3, 8, 100, 1000]) {
  Deno.test(`Partitioner.dealRecords() deals out records of ${recordBytes} bytes`, () => {
    const format = { recordBytes, keyStart: 1, keyEnd: 3 };
    const record = fc.array(letters, { minLength: recordBytes, maxLength: recordBytes });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60, size: "max" }), (all) => {
        // Repeated, so that slots get full.
        const records = Array.from({ length: 20 }, () => all.map((each) => each.join(""))).flat();
        const { partitioner, bytes } = makePartitioner(format, 64);
        const text = new TextEncoder().encode(records.join(""));
        const chunk = new Uint8Array(Math.ceil(text.length / 4) * 4);
        chunk.set(text);
        const deal = (from: number) => partitioner.dealRecords(chunk, from, text.length, 0);
        dealAll(partitioner, text.length, { slots: 64, deal });
        const expected = plainBuckets(records, format, () => recordBytes);
        const pieces = partitioner.takePieces();
        for (let bucket = 0; bucket < 4; bucket++) {
          const found = entriesOf(pieces, { bucket, bytes, format });
          assert.deepEqual(found, expected[bucket]);
        }
      }),
      { numRuns: 10 },
    );
  });
}

Deno.test("Partitioner.dealEntries() deals out the lines of slots again", () => {
  const { partitioner, bytes } = makePartitioner(LINES, 8);
  const lines = ["zz", "", "m", "a".repeat(300), "mm", "b"];
  const chunk = Uint8Array.from(
    lines.flatMap((
      text,
    ) => [text.length & 0xff, text.length >> 8, ...new TextEncoder().encode(text)]),
  );
  const deal = (from: number) => partitioner.dealEntries(chunk, from, chunk.length, 0);
  dealAll(partitioner, chunk.length, { slots: 8, deal });
  const pieces = partitioner.takePieces();
  const found = [0, 1, 2, 3].map((bucket) => (
    entriesOf(pieces, { bucket, bytes, format: LINES })
  ));
  assert.deepEqual(found, [["", "a".repeat(300)], ["b"], ["m"], ["zz", "mm"]]);
});

Deno.test("Partitioner: a line longer than a slot goes on in pieces of its own", () => {
  const lengths = [-1, 0, 1, 33, 34, 39, 40, 1000, 65_536, 200_000];
  const long = fc.tuple(letters, fc.constantFrom(...lengths)).map(([letter, more]) =>
    letter.repeat(MAX_SHORT_LINE_BYTES + more)
  );
  const lines = fc.array(fc.oneof(line, long), { maxLength: 12, size: "max" });
  const property = fc.property(
    lines,
    fc.constantFrom([], ["-k1"], ["-s", "-k1,1"]),
    (all, order) => {
      const format: RecordFormat = order.length === 0 ? LINES : { ...LINES, order };
      const { partitioner, bytes } = makePartitioner(format, 80);
      const chunk = new TextEncoder().encode(all.map((text) => `${text}\n`).join(""));
      const deal = (from: number) => partitioner.dealLines(chunk, from, chunk.length, 0);
      dealAll(partitioner, chunk.length, { slots: 80, deal });
      const pieces = partitioner.takePieces();
      const lineOrder = new LineOrder(format);
      const found: string[] = [];
      for (let bucket = 0; bucket < 4; bucket++) {
        const own = pieces.filter((piece) => piece.bucket === bucket);
        own.sort((a, b) => a.order - b.order);
        const orders = new Set(own.map(({ order }) => order));
        assert.equal(orders.size, own.length, "no two pieces have the same order");
        const parts = own.map(({ slot, bytes: length }) => (
          bytes.subarray(slot * SLOT_BYTES, slot * SLOT_BYTES + length)
        ));
        const stream = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
        let end = 0;
        own.forEach(({ records, sum, fileBytes }, i) => {
          const startsLine = end === 0 || i === 0 || records > 0;
          assert.ok(startsLine || (sum === 0 && fileBytes === 0), "a continuation counts nothing");
          stream.set(parts[i]!, end);
          end += parts[i]!.length;
        });
        for (let at = 0; at < stream.length;) {
          const place = lengthPlace(stream, at, lineOrder.keyed);
          const start = linePlace(stream, place);
          at = start + lineLength(stream, place);
          found.push(new TextDecoder().decode(stream.subarray(start, at)));
        }
      }
      assert.deepEqual(found.sort(), all.sort());
      const total = pieces.reduce((sum, piece) => sum + piece.fileBytes, 0);
      assert.equal(total, chunk.length);
    },
  );
  fc.assert(property, { numRuns: 20 });
});

Deno.test("Partitioner: stops before a line that does not end in the chunk, and refuses one that is too long", () => {
  const { partitioner } = makePartitioner(LINES, 8);
  partitioner.spare.push(0, 1, 2);
  const chunk = new TextEncoder().encode("a\nb\nno end");
  assert.equal(partitioner.dealLines(chunk, 0, chunk.length, 0), 4);
  const long = new Uint8Array(2 ** 20 + 2).fill(0x61);
  long[2 ** 20 + 1] = 0x0a;
  assert.throws(
    () => partitioner.dealLines(long, 0, long.length, 7000),
    /the line at byte 7000 has more than 1048576 bytes/,
  );
});
