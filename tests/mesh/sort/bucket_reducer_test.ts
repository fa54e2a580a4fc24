/**
 * Dealing out and reducing in one thread: each line or record goes through a Partitioner and, bucket by
 * bucket, through a BucketReducer.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { balances } from "../../../lib/mesh/records/balance.ts";
import { CountForm } from "../../../lib/mesh/records/count_form.ts";
import { addCount, readCount, writeCount } from "../../../lib/mesh/records/counted_entry.ts";
import { LineOrder } from "../../../lib/mesh/records/line_order.ts";
import { addTally, CrcSum, emptyTally } from "../../../lib/mesh/records/checksum.ts";
import {
  parseRecordFormat,
  type RecordFormat,
  type RecordFormatText,
} from "../../../lib/mesh/records/record_format.ts";
import { BucketReducer } from "../../../lib/mesh/sort/bucket_reducer.ts";
import { Duplicates, SKIPPED_WINDOWS, WINDOW_ENTRIES } from "../../../lib/mesh/sort/duplicates.ts";
import { OpenPieces, type Piece, SLOT_BYTES } from "../../../lib/mesh/sort/open_pieces.ts";
import { Partitioner } from "../../../lib/mesh/sort/partitioner.ts";
import { TopList } from "../../../lib/mesh/sort/top_list.ts";
import type { Splitter } from "../../../lib/mesh/sort/splitters.ts";
import { shellOutput } from "../support/shell_output.ts";

const SLOTS = 512;
/** Slots beyond one for each bucket. */
const SPARE_SLOTS = 1;
const hasCoreutils = await new Deno.Command("uniq", { args: ["--version"], stdout: "null" })
  .output().then(({ success }) => success, () => false);

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The same numbers for the same seed. */
function randomNumbers(seed: number): (n: number) => number {
  return (n) => (seed = Math.imul(seed, 48271) >>> 1) % n;
}

interface Options {
  splitters?: Splitter[];
  adaptive?: boolean;
  spareSlots?: number;
}

/** Reduces an input as one node with one thread does; returns the output and the entries in slots. */
function reduce(
  input: Uint8Array,
  format: RecordFormat,
  { splitters = [], adaptive = false, spareSlots = SPARE_SLOTS }: Options = {},
) {
  const slab = new SharedArrayBuffer(SLOTS * SLOT_BYTES);
  const partitioner = new Partitioner(slab, { format, splitters, node: 0, adaptive });
  // A few slots are used again and again: finished pieces go to other ones, as if they were sent.
  const open = splitters.length + 1 + spareSlots;
  for (let slot = 0; slot < open; slot++) partitioner.spare.push(slot);
  const buckets: Piece[][] = Array.from({ length: splitters.length + 1 }, () => []);
  let used = open;
  const move = () => {
    for (const piece of partitioner.takePieces()) {
      const from = piece.slot * SLOT_BYTES;
      new Uint8Array(slab).copyWithin(used * SLOT_BYTES, from, from + piece.bytes);
      buckets[piece.bucket]!.push({ ...piece, slot: used++ });
      partitioner.spare.push(piece.slot);
    }
  };
  for (let at = 0; at < input.length; move()) {
    at = format.recordBytes
      ? partitioner.dealRecords(input, at, input.length, 0)
      : partitioner.dealLines(input, at, input.length, 0);
  }
  partitioner.finish();
  move();

  const reducer = new BucketReducer(slab, format);
  const output: Uint8Array[] = [];
  const [read, represented, written] = [emptyTally(), emptyTally(), emptyTally()];
  addTally(read, partitioner.absorbed.take() ?? emptyTally());
  let stored = 0;
  for (const [index, pieces] of buckets.entries()) {
    pieces.sort((a, b) => a.order - b.order);
    const stretches = pieces.map(({ slot, bytes }) => ({ address: slot * SLOT_BYTES, bytes }));
    const records = pieces.reduce((sum, piece) => sum + piece.records, 0);
    const sink = { write: (bytes: Uint8Array) => void output.push(bytes.slice()) };
    const bucket = { index, stretches, records };
    const reduced = reducer.reduce(bucket, format.top === undefined ? sink : undefined, undefined);
    assert.equal(reduced.stored.records, records);
    addTally(read, reduced.stored);
    addTally(represented, reduced.represented);
    addTally(written, reduced.written);
    stored += records;
  }
  assert.ok(balances(format, read, represented), "the balance is wrong");
  output.push(...reducer.top().map(({ bytes }) => bytes));
  const bytes = Buffer.concat(output);
  if (format.top === undefined) {
    assert.equal(written.bytes, bytes.length);
    if (format.recordBytes === 0) assert.equal(written.sum, sumOfLines(bytes));
  }
  return { output: bytes, stored, read, written };
}

/** The sum of the CRC-32 of each line, its newline included. */
function sumOfLines(bytes: Uint8Array): bigint {
  const sum = new CrcSum();
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0x0a, at) + 1;
    sum.addCrc(crc32(bytes.subarray(at, end)));
    at = end;
  }
  return sum.value;
}

/** A cut before all keys that begin with a text. */
function cutAt(text: string): Splitter {
  return { key: encode(text), order: -1 };
}

/** Lines of which many are equal or have equal keys, short and long ones. */
function linesOf(count: number): Uint8Array {
  const random = randomNumbers(11);
  const shared = "a beginning that is longer than what is stored of a key ";
  const lines = Array.from({ length: count }, () => {
    const number = random(2) * random(100) - 20;
    const text = shared.repeat([0, 0, 1, 2, 3][random(5)]!);
    return `${random(3)},${number},${text}${number % 7},${["", "x", "X"][random(3)]}\n`;
  });
  return encode(lines.join(""));
}

for (
  const order of ["", "-r", "-t, -k2,2n", "-f", "-t, -k3,3 -r", "-t, -k3,3f -k1,1nr", "-b -k1"]
) {
  Deno.test({
    name: `BucketReducer: keeps the lines of "sort -u ${order}", and counts as uniq -c`,
    ignore: !hasCoreutils,
    fn: async () => {
      const input = linesOf(6000);
      const words = order.split(" ").filter(Boolean);
      const text: RecordFormatText = { lines: true, order: words };
      const format = parseRecordFormat({ ...text, order: [...words, "-u"] });
      const unique = decode(reduce(input, format).output);
      const expected = await shellOutput(
        `sort -u ${order}`,
        input,
      );
      assert.equal(unique, expected);

      // Only lines without an order are split by the beginnings of lines.
      const splitters = order ? [] : ["0,1", "1", "1,1", "2", "2,1"].map(cutAt);
      const { output, stored, read } = reduce(input, parseRecordFormat({ ...text, count: true }), {
        splitters,
      });
      const counted = decode(output);
      assert.equal(counted.replaceAll(/^ *\d+ /gm, ""), unique);
      const counts = [...counted.matchAll(/^ *(\d+) /gm)].map(([_, count]) => Number(count));
      assert.equal(counts.reduce((sum, count) => sum + count, 0), 6000);
      assert.equal(read.records, 6000);
      assert.equal(read.bytes, input.length);
      // Nearly all duplicates were found before anything was sorted, as slots are large enough.
      const most = order ? 3 : 1.01;
      assert.ok(stored < most * counts.length, `${stored} entries for ${counts.length} keys`);
      if (!order) assert.equal(counted, await shellOutput("sort | uniq -c", input));
    },
  });
}

Deno.test({
  name: "BucketReducer: top is the head of the sorted lines, and of counted ones by their counts",
  ignore: !hasCoreutils,
  fn: async () => {
    const input = linesOf(6000);
    const splitters = ["1", "1,2"].map(cutAt);
    const top = (text: RecordFormatText) => {
      const format = parseRecordFormat({ lines: true, top: "25", ...text });
      return decode(reduce(input, format, { splitters }).output);
    };
    assert.equal(top({}), await shellOutput("sort | head -25", input));
    assert.equal(top({ order: ["-u"] }), await shellOutput("sort -u | head -25", input));
    assert.equal(
      top({ count: true }),
      await shellOutput("sort | uniq -c | sort -s -k1,1nr | head -25", input),
    );
  },
});

Deno.test("BucketReducer: what is found late is counted as what is found early", () => {
  const input = linesOf(40_000);
  const format = parseRecordFormat({ lines: true, count: true, order: ["-t,", "-k2n"] });
  const unhurried = reduce(input, format, { adaptive: true });
  assert.deepEqual(unhurried.output, reduce(input, format).output);
});

/** Cuts numbers so that the open slots hold nearly all that have five digits. */
const MANY_CUTS = "1 15 2 25 3 35 4 45 5 55 6 7 8 9".split(" ").map(cutAt);

/** Lines with these numbers. */
function numbered(count: number, numberOf: (i: number) => number): Uint8Array {
  return encode(Array.from({ length: count }, (_, i) => `${numberOf(i)}\n`).join(""));
}

/** Counts lines, looking for duplicates only while there are some; returns the counts by line. */
function countAdaptively(...inputs: Uint8Array[]) {
  const format = parseRecordFormat({ lines: true, count: true });
  const { output, stored } = reduce(Buffer.concat(inputs), format, {
    adaptive: true,
    splitters: MANY_CUTS,
  });
  const pairs = decode(output).trimEnd().split("\n").map((line) => line.trimStart().split(" "));
  return { stored, counts: new Map(pairs.map(([count, line]) => [line!, Number(count)])) };
}

Deno.test("BucketReducer: stops looking for duplicates where there are none, and still counts them", () => {
  const distinct = numbered(WINDOW_ENTRIES, (i) => i);
  const { stored, counts } = countAdaptively(distinct, distinct);
  assert.equal(stored, 2 * WINDOW_ENTRIES);
  assert.equal(counts.size, WINDOW_ENTRIES);
  assert.ok(counts.values().every((count) => count === 2));
});

Deno.test("Duplicates: looks again after a phase without any, and goes on if it finds some", () => {
  const slab = new Uint8Array(SLOT_BYTES);
  const format = parseRecordFormat({ record: "10", key: "0:1", count: true });
  const pieces = new OpenPieces(1, 1);
  pieces.spare.push(0);
  const duplicates = new Duplicates(slab, { format, pieces, adaptive: true });
  const looks = (entries: number) => {
    let looks = 0;
    for (let i = 0; i < entries; i++) if (duplicates.isLooking()) looks++;
    return looks;
  };
  assert.equal(looks(WINDOW_ENTRIES - 1), WINDOW_ENTRIES - 1);
  assert.equal(looks(SKIPPED_WINDOWS * WINDOW_ENTRIES), 0);
  assert.equal(duplicates.find(7, slab, 0, 1), -1);
  duplicates.add(pieces.place(0, 10, 0));
  for (let i = 0; i < 2 * WINDOW_ENTRIES; i++) {
    assert.ok(duplicates.isLooking());
    assert.equal(duplicates.find(7, slab, 0, 1), 0);
  }
});

Deno.test("BucketReducer: stops looking for duplicates when they end", () => {
  const repeats = numbered(WINDOW_ENTRIES, (i) => i % 10);
  const distinct = numbered(WINDOW_ENTRIES + 1, (i) => i + 10);
  const { stored, counts } = countAdaptively(repeats, distinct, repeats);
  assert.ok(stored > 2 * WINDOW_ENTRIES, `${stored} entries`);
  assert.equal(counts.size, WINDOW_ENTRIES + 11);
  const found = Array.from({ length: 10 }, (_, i) => counts.get(`${i}`)!);
  assert.equal(found.reduce((sum, count) => sum + count), 2 * WINDOW_ENTRIES);
});

Deno.test("BucketReducer: goes on looking while the keys fit in the open slots", () => {
  const keys = 60_000;
  // Scattered as by the last steps of MurmurHash3: the repeats are as far apart as at random.
  const input = numbered(250_000, (i) => {
    const mixed = Math.imul(i ^ i >>> 16, 0x85ebca6b);
    const scattered = Math.imul(mixed ^ mixed >>> 13, 0xc2b2ae35);
    return ((scattered ^ scattered >>> 16) >>> 0) % keys;
  });
  const format = parseRecordFormat({ lines: true, count: true });
  const { stored } = reduce(input, format, { adaptive: true, splitters: MANY_CUTS });
  assert.ok(stored < 1.1 * keys, `${stored} entries for ${keys} keys`);
});

Deno.test("BucketReducer: long lines and long keys meet in one entry each", () => {
  const long = ["a", "b", "c"].map((letter) => letter.repeat(100_000 + letter.charCodeAt(0)));
  const keys = long.map((line) => line.slice(0, 3000));
  const order = [0, 1, 2, 1, 0, 0];
  const lines = [...order.map((i) => long[i]!), ...order.map((i, n) => `${keys[i]} ${n}`)];
  const input = encode(lines.map((line) => `${line}\n`).join(""));
  const counted = parseRecordFormat({ lines: true, count: true });
  const whole = reduce(input, counted, { spareSlots: 8 });
  assert.equal(whole.stored, 3 + 6);
  const counts = decode(whole.output).split("\n").map((line) => line.slice(0, 9));
  assert.deepEqual(counts, [
    ...["      1 a", "      1 a", "      1 a", "      3 a", "      1 b", "      1 b", "      2 b"],
    ...["      1 c", "      1 c", ""],
  ]);
  const byKey = reduce(input, parseRecordFormat({ order: ["-k1,1"], count: true }), {
    spareSlots: 8,
  });
  assert.equal(byKey.stored, 6);
  const keyed = decode(byKey.output).split("\n").map((line) =>
    `${line.slice(0, 9)}${line.slice(-2)}`
  );
  assert.deepEqual(keyed, [
    ...["      3 a 0", "      3 aaa", "      2 b 1", "      2 bbb", "      1 c 2", "      1 ccc"],
    "",
  ]);
});

Deno.test("BucketReducer: records are counted by their keys, with the count in eight bytes", () => {
  const random = randomNumbers(7);
  const input = new Uint8Array(12 * 5000);
  const counts = new Map<number, number>();
  for (let at = 0; at < input.length; at += 12) {
    const key = random(9);
    counts.set(key, (counts.get(key) ?? 0) + 1);
    input.set([key, 0, random(256), random(256)], at);
  }
  const format = parseRecordFormat({ record: "12", key: "0:2", count: true });
  const { output, stored } = reduce(input, format);
  assert.equal(stored, 9);
  const view = new DataView(output.buffer, output.byteOffset, output.length);
  for (let key = 0; key < 9; key++) {
    assert.equal(Number(view.getBigUint64(20 * key)), counts.get(key));
    assert.equal(output[20 * key + 8], key);
  }
  const most = [...counts].sort(([a, n], [b, m]) => m - n || a - b).slice(0, 3).map(([key]) => key);
  const top = reduce(input, { ...format, top: 3 }).output;
  assert.deepEqual([0, 1, 2].map((i) => top[20 * i + 8]), most);
});

Deno.test("CountForm: writes counts as uniq -c does, for CSV as a field, for records in eight bytes", () => {
  const written = (text: RecordFormatText, count: number) => {
    const format = parseRecordFormat({ count: true, ...text });
    const form = new CountForm(format, new LineOrder(format));
    const bytes = new Uint8Array(form.bytesOf(count));
    form.write(bytes, 0, count);
    return bytes;
  };
  const lines = { lines: true };
  const cases: [RecordFormatText, number, string][] = [
    [lines, 1, "      1 "],
    [lines, 9_999_999, "9999999 "],
    [lines, 10_000_000, "10000000 "],
    [lines, 2 ** 44, "17592186044416 "],
    [{ order: ["--csv"] }, 10, "10,"],
    [{ order: ["--csv", "-t;"] }, 3, "3;"],
  ];
  for (const [text, count, expected] of cases) assert.equal(decode(written(text, count)), expected);
  assert.equal(new DataView(written({}, 2 ** 44 + 5).buffer).getBigUint64(0), 2n ** 44n + 5n);
});

Deno.test("addCount() adds as long as the sum fits in 32 bits", () => {
  const bytes = new Uint8Array(8);
  writeCount(bytes, 5, 2 ** 32 - 3);
  assert.equal(addCount(bytes, 5, 2), true);
  assert.equal(addCount(bytes, 5, 1), false);
  assert.equal(readCount(bytes, 5), 2 ** 32 - 1);
});

Deno.test("TopList: keeps the highest counts, the first of equal ones, and no more bytes than allowed", () => {
  const random = randomNumbers(23);
  const entries = Array.from({ length: 5000 }, (_, rank) => (
    { count: random(40), rank, bytes: new Uint8Array(10) }
  ));
  const list = new TopList(100, 1000);
  for (const entry of entries) if (list.accepts(entry.count, entry.rank)) list.add(entry);
  const sorted = entries.toSorted((a, b) => b.count - a.count || a.rank - b.rank);
  assert.deepEqual(list.entries(), sorted.slice(0, 100));
  assert.ok(!list.accepts(0, 0), "the list is full of higher counts");
  const tooLong = () => {
    const list = new TopList(100, 999);
    for (const entry of entries) list.add(entry);
    return list.entries();
  };
  assert.throws(tooLong, /Cannot find the top 100: they have more than 999 bytes; ask for fewer$/);
});
