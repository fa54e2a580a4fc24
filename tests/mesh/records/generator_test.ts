import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { CrcSum, formatSum } from "../../../lib/mesh/records/checksum.ts";
import {
  GENERATED_RECORD_BYTES,
  type GeneratorOptions,
  RecordGenerator,
} from "../../../lib/mesh/records/generator.ts";

/** The records from `first` on. */
function generate(count: number, options: GeneratorOptions = {}): Uint8Array {
  const records = new Uint8Array(count * GENERATED_RECORD_BYTES);
  new RecordGenerator(options).fill(records);
  return records;
}

function checksum(records: Uint8Array): string {
  const sum = new CrcSum();
  for (let at = 0; at < records.length; at += GENERATED_RECORD_BYTES) {
    sum.add(records.subarray(at, at + GENERATED_RECORD_BYTES));
  }
  return formatSum(sum.value);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

const MODES: [string, GeneratorOptions, thousand: string, million: string][] = [
  ["binary", {}, "1ea6370b955", "7a0e0d4868cd4"],
  ["skewed", { skew: true }, "1e96301166b", "79f9a7e6de673"],
  ["text", { ascii: true }, "1f5dfb3631a", "7a19cff467438"],
  ["skewed text", { ascii: true, skew: true }, "1eef17d1cac", "7a135fbce6df2"],
];

for (const [name, options, thousand, million] of MODES) {
  Deno.test(`RecordGenerator writes the ${name} records of gensort`, () => {
    assert.equal(checksum(generate(1000, options)), thousand);
    assert.equal(checksum(generate(1_000_000, options)), million);
  });
}

Deno.test("RecordGenerator begins with the well-known keys", () => {
  assert.equal(checksum(generate(10)), "55fea8a1a");
  assert.equal(text(generate(1).subarray(0, 10)), "JimGrayRIP");
  const [first, second] = text(generate(2, { ascii: true })).match(/.{98}\r\n/gs)!;
  assert.match(first!, /^AsfAGHM5om {2}0{32} {2}([0-9A-F])\1{3}.*\r\n$/s);
  assert.match(second!, /^.{10} {2}0{31}1 {2}/s);
});

Deno.test("RecordGenerator writes a million binary records with the known digest", () => {
  const digest = createHash("md5").update(generate(1_000_000)).digest("hex");
  assert.equal(digest, "11b7c8fb09c3721676093b5739e2d7b5");
});

Deno.test("RecordGenerator jumps ahead to any record, in all modes", () => {
  const all = MODES.map(([, options]) => generate(3000, options));
  fc.assert(
    fc.property(fc.nat(2999), fc.integer({ min: 1, max: 700 }), (first, count) => {
      count = Math.min(count, 3000 - first);
      MODES.forEach(([, options], i) => {
        const from = first * GENERATED_RECORD_BYTES;
        const expected = all[i]!.subarray(from, from + count * GENERATED_RECORD_BYTES);
        assert.deepEqual(generate(count, { ...options, first }), expected);
      });
    }),
    { numRuns: 30 },
  );
});

Deno.test("RecordGenerator numbers records beyond 2^32 in hexadecimal", () => {
  const record = text(generate(1, { ascii: true, first: 2 ** 40 + 10 }));
  assert.equal(record.slice(12, 44), "1000000000A".padStart(32, "0"));
});

Deno.test("RecordGenerator goes on where it stopped", () => {
  const generator = new RecordGenerator({ skew: true });
  const parts = [3, 600, 1].map((count) => {
    const part = new Uint8Array(count * GENERATED_RECORD_BYTES);
    generator.fill(part);
    return [...part];
  });
  assert.deepEqual(Uint8Array.from(parts.flat()), generate(604, { skew: true }));
});
