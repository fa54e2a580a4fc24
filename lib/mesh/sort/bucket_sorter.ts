/**
 * Sorts one bucket and writes it to the output.
 *
 * @module
 */

import { copyWithCrc32, crc32Of, CrcSum, type Tally } from "../records/checksum.ts";
import { crc32 } from "node:zlib";
import type { RecordFormat } from "../records/record_format.ts";
import { LineOrder } from "../records/line_order.ts";
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

/** A bucket to be sorted and written. */
export interface BucketToSort {
  /** Its entries, in input order. */
  stretches: Stretch[];
  records: number;
}

/** Takes the sorted entries; see {@linkcode BucketOutput}. */
export interface SortedBytes {
  /** Writes bytes, which the caller overwrites afterwards. */
  write(bytes: Uint8Array): void;
}

const NEWLINE = 0x0a;
const OUTPUT_BLOCK_BYTES = 1024 * 1024;
/** Up to these lengths a loop copies faster than `set`. */
const SHORT_COPY_BYTES = 256;
const SHORT_LINE_BYTES = 48;

/** Sorts buckets, one at a time. */
export class BucketSorter {
  readonly #format: RecordFormat;
  readonly #slab: Uint8Array;
  readonly #slabWords: Uint32Array;
  readonly #kernel: SortKernel;
  readonly #lines: SlabLines;
  readonly #ties: LineTies;
  readonly #block = new Uint8Array(OUTPUT_BLOCK_BYTES);
  readonly #blockWords = new Uint32Array(this.#block.buffer);

  /** @param slab The memory that holds the buckets. */
  constructor(slab: SharedArrayBuffer, format: RecordFormat) {
    this.#format = format;
    this.#slab = new Uint8Array(slab);
    this.#slabWords = new Uint32Array(slab);
    const order = new LineOrder(format);
    this.#lines = new SlabLines(this.#slab, order.keyed);
    this.#ties = new LineTies(this.#slab, { format, order, lines: this.#lines });
    const form = { keyed: order.keyed, ties: this.#ties };
    this.#kernel = new SortKernel(this.#slab, format, form);
  }

  /**
   * Sorts a bucket and writes it.
   *
   * @param output Takes the entries.
   * @param spill The spill file, if a stretch is spilled.
   * @returns The tally of what was written.
   * @throws {Error} If a file cannot be read or written, or the bucket has too many records.
   */
  sort(bucket: BucketToSort, output: SortedBytes, spill: Deno.FsFile | undefined): Tally {
    for (const { address, bytes, spilledAt } of bucket.stretches) {
      if (spilledAt === undefined) continue;
      if (!spill) throw new Error("Cannot read a spilled bucket: there is no spill file");
      spill.seekSync(spilledAt, Deno.SeekMode.Start);
      readFull(spill, this.#slab.subarray(address, address + bytes));
    }
    const kernel = this.#kernel;
    kernel.reserve(bucket.records);
    const entries = this.#list(bucket);
    kernel.sort(entries);
    return this.#format.recordBytes
      ? this.#writeRecords(entries, output)
      : this.#writeLines(entries, output);
  }

  /** Collects the addresses of all entries; returns their number. */
  #list({ stretches, records }: BucketToSort): number {
    const { addresses } = this.#kernel;
    const { recordBytes } = this.#format;
    const lines = this.#lines;
    lines.clear();
    this.#ties.clear();
    let count = 0;
    for (let i = 0; i < stretches.length; i++) {
      const { address, bytes } = stretches[i]!;
      const end = address + bytes;
      for (let at = address; at < end; count++) {
        if (count === records) throw new Error("Cannot sort a bucket: it has too many records");
        addresses[count] = at;
        const next = recordBytes ? at + recordBytes : lines.place(at) + lines.length(at);
        if (next > end) {
          const continuations = continuationsOf(stretches, i, next - end);
          lines.addLong(at, continuations);
          i += continuations.length;
        }
        at = next;
      }
    }
    return count;
  }

  #writeRecords(entries: number, output: SortedBytes): Tally {
    const { recordBytes } = this.#format;
    const { addresses } = this.#kernel;
    const slab = this.#slab;
    const slabWords = this.#slabWords;
    const block = this.#block;
    const blockWords = this.#blockWords;
    const words = recordBytes % 4 === 0 && recordBytes <= SHORT_COPY_BYTES ? recordBytes / 4 : 0;
    const blockEnd = OUTPUT_BLOCK_BYTES - recordBytes;
    const sum = new CrcSum();
    let fill = 0;
    for (let i = 0; i < entries; i++) {
      if (fill > blockEnd) {
        output.write(block.subarray(0, fill));
        fill = 0;
      }
      const address = addresses[i]!;
      if (words > 0) {
        sum.addCrc(copyWithCrc32(slabWords, address >>> 2, blockWords, fill >>> 2, words));
      } else {
        block.set(slab.subarray(address, address + recordBytes), fill);
        sum.add(block.subarray(fill, fill + recordBytes));
      }
      fill += recordBytes;
    }
    output.write(block.subarray(0, fill));
    return { records: entries, bytes: entries * recordBytes, sum: sum.value };
  }

  #writeLines(entries: number, output: SortedBytes): Tally {
    const { addresses } = this.#kernel;
    const lines = this.#lines;
    const slab = this.#slab;
    const block = this.#block;
    const sum = new CrcSum();
    let fill = 0;
    let bytes = 0;
    for (let i = 0; i < entries; i++) {
      const entry = addresses[i]!;
      const length = lines.length(entry);
      const isLong = lines.isLong(entry);
      if (isLong || fill + length >= OUTPUT_BLOCK_BYTES) {
        output.write(block.subarray(0, fill));
        fill = 0;
      }
      bytes += length + 1;
      if (isLong) {
        sum.addCrc(this.#writeLong(entry, output));
        continue;
      }
      const start = lines.place(entry);
      if (length > SHORT_LINE_BYTES) block.set(slab.subarray(start, start + length), fill);
      else for (let j = 0; j < length; j++) block[fill + j] = slab[start + j]!;
      block[fill + length] = NEWLINE;
      sum.addCrc(crc32Of(block, fill, fill + length + 1));
      fill += length + 1;
    }
    output.write(block.subarray(0, fill));
    return { records: entries, bytes, sum: sum.value };
  }

  /** Writes a long line; returns its CRC-32, its newline included. */
  #writeLong(entry: number, output: SortedBytes): number {
    let crc = 0;
    for (const { address, bytes } of this.#lines.parts(entry)) {
      const part = this.#slab.subarray(address, address + bytes);
      crc = crc32(part, crc);
      output.write(part);
    }
    const newline = Uint8Array.of(NEWLINE);
    output.write(newline);
    return crc32(newline, crc);
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
