/**
 * The entries of one bucket, in memory and in order.
 *
 * @module
 */

import { LineOrder } from "../records/line_order.ts";
import { countBytesOf, type RecordFormat } from "../records/record_format.ts";
import { readFull } from "./file_reads.ts";
import { LineTies } from "./line_ties.ts";
import { type LinePart, SlabLines } from "./slab_lines.ts";
import { SortKernel } from "./sort_kernel.ts";

/** Consecutive entries in the slab. */
export interface Stretch {
  /** Their address in the slab; spilled ones are read to it first. */
  address: number;
  bytes: number;
  /** Their offset in the spill file; `undefined` if they are in the slab already. */
  spilledAt?: number;
}

/** The entries of a bucket, in input order. */
export interface BucketEntries {
  stretches: Stretch[];
  records: number;
}

/** Puts the entries of buckets in order, one bucket at a time. */
export class BucketOrder {
  /** Its lines. */
  readonly lines: SlabLines;
  /** Compares lines as far as the kernel does not. */
  readonly ties: LineTies;
  readonly #format: RecordFormat;
  readonly #slab: Uint8Array;
  readonly #kernel: SortKernel;

  /** @param slab The memory that holds the buckets. */
  constructor(slab: Uint8Array, format: RecordFormat, order: LineOrder) {
    this.#format = format;
    this.#slab = slab;
    this.lines = new SlabLines(slab, order.keyed);
    this.ties = new LineTies(slab, { format, order, lines: this.lines });
    this.#kernel = new SortKernel(slab, format, { keyed: order.keyed, ties: this.ties });
  }

  /** The addresses of the entries of the last bucket, in order; each behind the count if it has one. */
  get addresses(): Uint32Array {
    return this.#kernel.addresses;
  }

  /**
   * Puts the entries of a bucket in order.
   *
   * @param spill The spill file, if a stretch is spilled.
   * @returns The number of entries.
   * @throws {Error} If the spill file cannot be read, or the bucket has too many records.
   */
  sort(bucket: BucketEntries, spill: Deno.FsFile | undefined): number {
    for (const { address, bytes, spilledAt } of bucket.stretches) {
      if (spilledAt === undefined) continue;
      if (!spill) throw new Error("Cannot read a spilled bucket: there is no spill file");
      spill.seekSync(spilledAt, Deno.SeekMode.Start);
      readFull(spill, this.#slab.subarray(address, address + bytes));
    }
    this.#kernel.reserve(bucket.records);
    const entries = this.#list(bucket);
    this.#kernel.sort(entries);
    return entries;
  }

  /** Collects the addresses of all entries; returns their number. */
  #list({ stretches, records }: BucketEntries): number {
    const { addresses } = this.#kernel;
    const { recordBytes } = this.#format;
    const countBytes = countBytesOf(this.#format);
    const { lines } = this;
    lines.clear();
    this.ties.clear();
    let count = 0;
    for (let i = 0; i < stretches.length; i++) {
      const { address, bytes } = stretches[i]!;
      const end = address + bytes;
      for (let at = address; at < end; count++) {
        if (count === records) throw new Error("Cannot sort a bucket: it has too many records");
        const entry = addresses[count] = at + countBytes;
        const next = recordBytes ? entry + recordBytes : lines.place(entry) + lines.length(entry);
        if (next > end) {
          const continuations = continuationsOf(stretches, i, next - end);
          lines.addLong(entry, continuations);
          i += continuations.length;
        }
        at = next;
      }
    }
    return count;
  }
}

/** The stretches that follow one and hold the remaining `bytes` bytes of its last line. */
function continuationsOf(stretches: Stretch[], index: number, bytes: number): LinePart[] {
  const parts: LinePart[] = [];
  for (let left = bytes; left > 0;) {
    const next = stretches[index + parts.length + 1];
    if (!next || next.bytes > left) throw new Error("Cannot sort a bucket: a line is cut off");
    parts.push({ address: next.address, bytes: next.bytes });
    left -= next.bytes;
  }
  return parts;
}
