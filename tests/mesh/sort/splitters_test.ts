import assert from "node:assert/strict";
import fc from "fast-check";
import { compareKeys } from "../../../lib/mesh/records/record_format.ts";
import {
  chooseSplitters,
  orderOf,
  type Splitter,
  SplitterTable,
} from "../../../lib/mesh/sort/splitters.ts";

function key(...bytes: number[]): Uint8Array {
  return Uint8Array.from(bytes);
}

/** The bucket of an entry, found the obvious way. */
function plainBucket(splitters: Splitter[], of: Uint8Array, order: number): number {
  return splitters.filter((splitter) =>
    (compareKeys(of, splitter.key) || order - splitter.order) >= 0
  ).length;
}

const keys = fc.oneof(
  fc.uint8Array({ maxLength: 14 }),
  fc.array(fc.constantFrom(0, 1, 255), { maxLength: 12 }).map((bytes) => Uint8Array.from(bytes)),
  fc.uint8Array({ maxLength: 4 }).map((rest) => key(5, 5, 5, ...rest)),
);
const entries = fc.record({ key: keys, order: fc.nat(50) });

Deno.test("SplitterTable finds the bucket that counting the splitters gives", () => {
  fc.assert(fc.property(
    fc.array(entries, { maxLength: 60, size: "max" }),
    fc.array(entries, { minLength: 1, maxLength: 60, size: "max" }),
    (chosen, asked) => {
      const splitters = chosen.sort((a, b) => compareKeys(a.key, b.key) || a.order - b.order);
      const table = new SplitterTable(splitters);
      for (const { key, order } of [...asked, ...splitters]) {
        const padded = key.length === 0 ? key : Uint8Array.from([1, ...key, 2]);
        const start = padded.length === 0 ? 0 : 1;
        const found = table.find(padded, start, start + key.length, order);
        assert.equal(found, plainBucket(splitters, key, order));
      }
    },
  ));
});

Deno.test("chooseSplitters gives buckets of even weight, also where all keys are equal", () => {
  for (const bytes of [1, 10_000]) {
    const sample = Array.from({ length: 10_000 }, (_, i) => ({
      key: key(0, 0, (i % bytes) >> 8, i % bytes),
      order: orderOf(i % 3, i),
      weight: 100,
    }));
    const splitters = chooseSplitters([...sample], {
      nodes: 4,
      bucketsPerNode: 5,
      partition: "sample",
    });
    assert.equal(splitters.length, 19);
    const table = new SplitterTable(splitters);
    const counts = new Array(20).fill(0);
    for (const { key, order } of sample) counts[table.find(key, 0, key.length, order)]++;
    assert.ok(Math.max(...counts) <= 502 && Math.min(...counts) >= 498, String(counts));
  }
});

Deno.test("chooseSplitters cuts in ascending order, in parts of equal weight", () => {
  const options = { nodes: 1, bucketsPerNode: 9, partition: "sample" } as const;
  fc.assert(fc.property(fc.array(entries, { minLength: 1, maxLength: 40 }), (some) => {
    const sample = some.map(({ key }, order) => ({ key, order, weight: 1 }));
    const splitters = chooseSplitters(sample, options);
    const counts = new Array(9).fill(0);
    for (const { key, order } of sample) counts[plainBucket(splitters, key, order)]++;
    // Each cut is at the entry that is nearest to where it should be, or at the last one.
    let below = 0;
    counts.forEach((count, i) => {
      assert.ok(Math.abs(below - sample.length * i / 9) < 1, `${counts}`);
      below += count;
    });
    splitters.forEach(({ key, order }, i) => {
      const before = splitters[i - 1] ?? { key: new Uint8Array(0), order: -1 };
      assert.ok((compareKeys(before.key, key) || before.order - order) <= 0);
    });
  }));
});

Deno.test("chooseSplitters cuts between keys, on demand, so that all entries of one meet", () => {
  for (const partition of ["sample", "bits"] as const) {
    const options = { nodes: 4, bucketsPerNode: 5, partition, betweenKeys: true };
    fc.assert(fc.property(fc.array(entries, { minLength: 1, maxLength: 40 }), (some) => {
      const sample = some.map(({ key }, order) => ({ key, order, weight: 1 }));
      const table = new SplitterTable(chooseSplitters([...sample], options));
      for (const { key } of some) {
        const [first, last] = [0, Number.MAX_SAFE_INTEGER].map((order) => (
          table.find(key, 0, key.length, order)
        ));
        assert.equal(first, last);
      }
    }));
  }
});

Deno.test("chooseSplitters cuts with no more bytes of the keys than it takes to tell them apart", () => {
  const sample = Array.from({ length: 256 }, (_, i) => {
    const long = new Uint8Array(10_000).fill(7);
    long[20] = i >> 1;
    return { key: long, order: i, weight: 10_000 };
  });
  const options = { nodes: 2, bucketsPerNode: 64, partition: "sample" } as const;
  const splitters = chooseSplitters(sample, options);
  assert.deepEqual(new Set(splitters.map(({ key }) => key.length)), new Set([21]));
});

Deno.test("chooseSplitters gives nodes the keys with their number in the top bits, on demand", () => {
  const sample = Array.from({ length: 1000 }, (_, i) => ({
    key: key(i % 100, i % 7),
    order: i,
    weight: 10,
  }));
  const options = { nodes: 4, bucketsPerNode: 3, partition: "bits" } as const;
  for (const known of [sample, []]) {
    const splitters = chooseSplitters([...known], options);
    assert.equal(splitters.length, 11);
    const table = new SplitterTable(splitters);
    for (let byte = 0; byte < 256; byte++) {
      const bucket = table.find(key(byte, 0), 0, 2, orderOf(1, 5));
      assert.equal(Math.floor(bucket / 3), byte >> 6, `first byte ${byte}`);
    }
  }
});
