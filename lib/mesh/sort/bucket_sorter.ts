/**
 * Sorts one bucket and writes it to the output.
 *
 * @module
 */

import {
  copyBytesWithCrc32,
  copyWithCrc32,
  crc32Of,
  crc32With,
  CrcSum,
  type Tally,
} from "../records/checksum.ts";
import { crc32 } from "node:zlib";
import type { RecordFormat } from "../records/record_format.ts";
import { LineOrder } from "../records/line_order.ts";
import { type BucketEntries, BucketOrder } from "./bucket_order.ts";

/** Takes the sorted entries; see {@linkcode BucketOutput}. */
export interface SortedBytes {
  /** Writes bytes, which the caller overwrites afterwards. */
  write(bytes: Uint8Array): void;
}

const NEWLINE = 0x0a;
const OUTPUT_BLOCK_BYTES = 1024 * 1024;
/** Up to this length a loop copies faster than `set`. */
const SHORT_COPY_BYTES = 256;

/** Sorts buckets, one at a time. */
export class BucketSorter {
  readonly #format: RecordFormat;
  readonly #slab: Uint8Array;
  readonly #slabWords: Uint32Array;
  readonly #order: BucketOrder;
  readonly #block = new Uint8Array(OUTPUT_BLOCK_BYTES);
  readonly #blockWords = new Uint32Array(this.#block.buffer);

  /** @param slab The memory that holds the buckets. */
  constructor(slab: SharedArrayBuffer, format: RecordFormat) {
    this.#format = format;
    this.#slab = new Uint8Array(slab);
    this.#slabWords = new Uint32Array(slab);
    this.#order = new BucketOrder(this.#slab, format, new LineOrder(format));
  }

  /**
   * Sorts a bucket and writes it.
   *
   * @param output Takes the entries.
   * @param spill The spill file, if a stretch is spilled.
   * @returns The tally of what was written.
   * @throws {Error} If a file cannot be read or written, or the bucket has too many records.
   */
  sort(bucket: BucketEntries, output: SortedBytes, spill: Deno.FsFile | undefined): Tally {
    const entries = this.#order.sort(bucket, spill);
    return this.#format.recordBytes
      ? this.#writeRecords(entries, output)
      : this.#writeLines(entries, output);
  }

  #writeRecords(entries: number, output: SortedBytes): Tally {
    const { recordBytes } = this.#format;
    const { addresses } = this.#order;
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
    const { addresses } = this.#order;
    const { lines } = this.#order;
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
      block[fill + length] = NEWLINE;
      if (length <= SHORT_COPY_BYTES) {
        const crc = copyBytesWithCrc32(slab, start, block, fill, length);
        sum.addCrc(crc32With(crc, NEWLINE));
      } else {
        block.set(slab.subarray(start, start + length), fill);
        sum.addCrc(crc32Of(block, fill, fill + length + 1));
      }
      fill += length + 1;
    }
    output.write(block.subarray(0, fill));
    return { records: entries, bytes, sum: sum.value };
  }

  /** Writes a long line; returns its CRC-32, its newline included. */
  #writeLong(entry: number, output: SortedBytes): number {
    let crc = 0;
    for (const { address, bytes } of this.#order.lines.parts(entry)) {
      const part = this.#slab.subarray(address, address + bytes);
      crc = crc32(part, crc);
      output.write(part);
    }
    const newline = Uint8Array.of(NEWLINE);
    output.write(newline);
    return crc32(newline, crc);
  }
}
