/**
 * Sorts one bucket and writes it to its place in the output.
 *
 * @module
 */

import { copyWithCrc32, CrcSum, type Tally } from "../records/checksum.ts";
import { LINE_PREFIX_BYTES, type RecordFormat } from "../records/record_format.ts";
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
  /** Its offset in the output. */
  offset: number;
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
  readonly #block = new Uint8Array(OUTPUT_BLOCK_BYTES);
  readonly #blockWords = new Uint32Array(this.#block.buffer);

  /** @param slab The memory that holds the buckets. */
  constructor(slab: SharedArrayBuffer, format: RecordFormat) {
    this.#format = format;
    this.#slab = new Uint8Array(slab);
    this.#slabWords = new Uint32Array(slab);
    this.#kernel = new SortKernel(this.#slab, format);
  }

  /**
   * Sorts a bucket and writes it.
   *
   * @param output The output file; only the range of this bucket is written.
   * @param spill The spill file, if a stretch is spilled.
   * @returns The tally of what was written.
   * @throws {Error} If a file cannot be read or written, or the bucket has too many records.
   */
  sort(bucket: BucketToSort, output: Deno.FsFile, spill: Deno.FsFile | undefined): Tally {
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
    output.seekSync(bucket.offset, Deno.SeekMode.Start);
    return this.#format.recordBytes
      ? this.#writeRecords(entries, output)
      : this.#writeLines(entries, output);
  }

  /** Collects the addresses of all entries; returns their number. */
  #list({ stretches, records }: BucketToSort): number {
    const { addresses } = this.#kernel;
    const { recordBytes } = this.#format;
    const slab = this.#slab;
    let count = 0;
    for (const { address, bytes } of stretches) {
      const end = address + bytes;
      for (let at = address; at < end; count++) {
        if (count === records) throw new Error("Cannot sort a bucket: it has too many records");
        addresses[count] = at;
        at += recordBytes || LINE_PREFIX_BYTES + (slab[at]! | (slab[at + 1]! << 8));
      }
    }
    return count;
  }

  #writeRecords(entries: number, output: Deno.FsFile): Tally {
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
        writeOutput(output, block.subarray(0, fill));
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
    writeOutput(output, block.subarray(0, fill));
    return { records: entries, bytes: entries * recordBytes, sum: sum.value };
  }

  #writeLines(entries: number, output: Deno.FsFile): Tally {
    const { addresses } = this.#kernel;
    const slab = this.#slab;
    const block = this.#block;
    const sum = new CrcSum();
    let fill = 0;
    let bytes = 0;
    for (let i = 0; i < entries; i++) {
      const address = addresses[i]!;
      const length = slab[address]! | (slab[address + 1]! << 8);
      if (fill + length >= OUTPUT_BLOCK_BYTES) {
        writeOutput(output, block.subarray(0, fill));
        fill = 0;
      }
      const start = address + LINE_PREFIX_BYTES;
      if (length > SHORT_LINE_BYTES) block.set(slab.subarray(start, start + length), fill);
      else for (let j = 0; j < length; j++) block[fill + j] = slab[start + j]!;
      block[fill + length] = NEWLINE;
      sum.add(block.subarray(fill, fill + length + 1));
      fill += length + 1;
      bytes += length + 1;
    }
    writeOutput(output, block.subarray(0, fill));
    return { records: entries, bytes, sum: sum.value };
  }
}

/**
 * Fills `into` from the current position of a file.
 *
 * @throws {Error} If the file ends before.
 */
export function readFull(file: Deno.FsFile, into: Uint8Array): void {
  for (let filled = 0; filled < into.length;) {
    const n = file.readSync(into.subarray(filled));
    if (n === null) throw new Error("Cannot read on: the file has become shorter");
    filled += n;
  }
}

/** Writes all of `bytes`. The error of the operating system does not say to where, so this adds it. */
function writeOutput(file: Deno.FsFile, bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot write the output: ${reason}`, { cause });
  }
}
