import assert from "node:assert/strict";
import fc from "fast-check";
import { compareKeys, keyOf, type RecordFormat } from "../../../lib/mesh/records/record_format.ts";
import { SortKernel } from "../../../lib/mesh/sort/sort_kernel.ts";

/** Sorts entries with the kernel; returns their indices in sorted order. */
function kernelOrder(entries: Uint8Array[], format: RecordFormat): number[] {
  const prefix = format.recordBytes ? 0 : 2;
  const size = entries.reduce((sum, entry) => sum + prefix + entry.length, 0);
  const slab = new Uint8Array(new SharedArrayBuffer(Math.max(1, size)));
  const kernel = new SortKernel(slab, format);
  kernel.reserve(entries.length);
  const numbers = new Map<number, number>();
  let at = 0;
  entries.forEach((entry, i) => {
    kernel.addresses[i] = at;
    numbers.set(at, i);
    if (prefix) slab.set([entry.length & 0xff, entry.length >> 8], at);
    slab.set(entry, at + prefix);
    at += prefix + entry.length;
  });
  kernel.sort(entries.length);
  return [...kernel.addresses.subarray(0, entries.length)].map((address) => numbers.get(address)!);
}

/** Sorts them stably in the obvious way. */
function plainOrder(entries: Uint8Array[], format: RecordFormat): number[] {
  return entries.map((_, i) => i).sort((a, b) =>
    compareKeys(keyOf(format, entries[a]!), keyOf(format, entries[b]!)) || a - b
  );
}

function assertSorted(entries: Uint8Array[], format: RecordFormat): void {
  assert.deepEqual(kernelOrder(entries, format), plainOrder(entries, format));
}

const LINES: RecordFormat = { recordBytes: 0, keyStart: 0, keyEnd: 65534 };
/** A few values, so that equal keys and long common prefixes are frequent. */
const fewBytes = fc.constantFrom(0, 1, 127, 128, 255);

for (const [keyStart, keyEnd] of [[0, 1], [0, 4], [1, 6], [0, 10], [2, 12]] as const) {
  Deno.test(`SortKernel sorts records stably by the key ${keyStart}:${keyEnd}`, () => {
    const record = fc.uint8Array({ minLength: 12, maxLength: 12 });
    const close = fc.array(fewBytes, { minLength: 12, maxLength: 12 }).map((bytes) =>
      Uint8Array.from(bytes)
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(record, close), { maxLength: 400, size: "max" }), (entries) => {
        assertSorted(entries, { recordBytes: 12, keyStart, keyEnd });
      }),
    );
  });
}

Deno.test("SortKernel sorts lines of any length, a line after its prefixes", () => {
  const line = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.array(fewBytes, { maxLength: 9 }).map((bytes) => Uint8Array.from(bytes)),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 300, size: "max" }), fc.nat(5), (entries, keyStart) => {
      assertSorted(entries, LINES);
      assertSorted(entries, { ...LINES, keyStart, keyEnd: keyStart + 4 });
    }),
  );
});

Deno.test("SortKernel sorts many entries that differ late or not at all", () => {
  const entries = Array.from({ length: 5000 }, (_, i) => {
    const entry = new Uint8Array(300).fill(7);
    entry[290] = (i * 7919) % 13;
    return entry;
  });
  assertSorted(entries, { recordBytes: 300, keyStart: 0, keyEnd: 300 });
  assertSorted(entries, LINES);
});

Deno.test("SortKernel sorts more entries than a digit has values", () => {
  let seed = 1;
  const entries = Array.from({ length: 100_000 }, () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Uint8Array.of(9, 9, seed >>> 24, seed >>> 16, seed >>> 8, seed, 0, 0);
  });
  assertSorted(entries, { recordBytes: 8, keyStart: 0, keyEnd: 8 });
});
