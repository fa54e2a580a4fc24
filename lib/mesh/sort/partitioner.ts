/**
 * Deals entries out to buckets. An entry is appended to the slot that is open for its bucket; a full
 * slot becomes a piece.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { copyWithCrc32 } from "../records/checksum.ts";
import {
  LINE_PREFIX_BYTES,
  MAX_ENTRY_BYTES,
  MAX_LINE_BYTES,
  type RecordFormat,
} from "../records/record_format.ts";
import { orderOf, type Splitter, SplitterTable } from "./splitters.ts";

/** Size of a slot, the unit in which entries are kept, sent and spilled. */
export const SLOT_BYTES = MAX_ENTRY_BYTES;

/** Entries of one bucket in one slot, in input order. */
export interface Piece {
  bucket: number;
  slot: number;
  bytes: number;
  records: number;
  /** The sum of the CRC-32 of its records; a slot has few enough for it to be exact. */
  sum: number;
  /** The order of its first entry, see {@linkcode orderOf}. */
  order: number;
}

const NEWLINE = 0x0a;
const NOT_OPEN = -1;
/** Up to this length a loop copies faster than `set`. */
const SHORT_COPY_BYTES = 256;

/** The error for a line that does not fit in a slot. */
export function lineTooLong(position: number): Error {
  return new Error(
    `Cannot sort the line at byte ${position}: it has more than ${MAX_LINE_BYTES} bytes`,
  );
}

/** Deals out the entries of one input, or of one part of it. */
export class Partitioner {
  /** Empty slots to open. Dealing stops when there are none left. */
  readonly spare: number[] = [];
  /** Finished pieces; the caller takes them out. */
  pieces: Piece[] = [];

  readonly #format: RecordFormat;
  readonly #table: SplitterTable;
  readonly #node: number;
  readonly #slab: Uint8Array;
  readonly #slabWords: Uint32Array;
  readonly #slots: Int32Array;
  readonly #fills: Uint32Array;
  readonly #records: Uint32Array;
  readonly #sums: Float64Array;
  readonly #orders: Float64Array;

  /**
   * @param slab The memory with the slots.
   * @param splitters The cuts between the buckets.
   * @param node The node that has the input.
   */
  constructor(
    slab: SharedArrayBuffer,
    { format, splitters, node }: { format: RecordFormat; splitters: Splitter[]; node: number },
  ) {
    const buckets = splitters.length + 1;
    this.#format = format;
    this.#table = new SplitterTable(splitters);
    this.#node = node;
    this.#slab = new Uint8Array(slab);
    this.#slabWords = new Uint32Array(slab);
    this.#slots = new Int32Array(buckets).fill(NOT_OPEN);
    this.#fills = new Uint32Array(buckets);
    this.#records = new Uint32Array(buckets);
    this.#sums = new Float64Array(buckets);
    this.#orders = new Float64Array(buckets);
  }

  /**
   * Deals out records.
   *
   * @param chunk Contains the records; its offset in its buffer is a multiple of four.
   * @param from Start of the first record.
   * @param to End of the last record.
   * @param position Position of `chunk` in the input.
   * @returns Where it stopped: at `to`, or at a record for which there was no spare slot.
   */
  dealRecords(chunk: Uint8Array, from: number, to: number, position: number): number {
    const { recordBytes, keyStart, keyEnd } = this.#format;
    const base = orderOf(this.#node, position);
    const slab = this.#slab;
    const slabWords = this.#slabWords;
    const words = recordBytes % 4 === 0 && recordBytes <= SHORT_COPY_BYTES ? recordBytes / 4 : 0;
    const chunkWords = new Uint32Array(chunk.buffer, chunk.byteOffset, chunk.length >>> 2);
    for (let at = from; at < to; at += recordBytes) {
      const order = base + at;
      const bucket = this.#table.find(chunk, at + keyStart, at + keyEnd, order);
      const target = this.#place(bucket, recordBytes, order);
      if (target < 0) return at;
      if (words > 0) {
        const crc = copyWithCrc32(chunkWords, at >>> 2, slabWords, target >>> 2, words);
        this.#sums[bucket]! += crc;
      } else {
        const record = chunk.subarray(at, at + recordBytes);
        slab.set(record, target);
        this.#sums[bucket]! += crc32(record);
      }
    }
    return to;
  }

  /**
   * Deals out the lines that begin before `to`.
   *
   * @returns Where the first line begins that was not dealt out: it begins at or after `to`, does
   * not end in the chunk, or there was no spare slot for it.
   * @throws {Error} If a line is too long.
   */
  dealLines(chunk: Uint8Array, from: number, to: number, position: number): number {
    const { keyStart, keyEnd } = this.#format;
    const base = orderOf(this.#node, position);
    const slab = this.#slab;
    for (let at = from; at < to;) {
      const end = chunk.indexOf(NEWLINE, at);
      if (end < 0) return at;
      const length = end - at;
      if (length > MAX_LINE_BYTES) throw lineTooLong(position + at);
      const order = base + at;
      const keyFrom = Math.min(at + keyStart, end);
      const bucket = this.#table.find(chunk, keyFrom, Math.min(at + keyEnd, end), order);
      const target = this.#place(bucket, LINE_PREFIX_BYTES + length, order);
      if (target < 0) return at;
      slab[target] = length;
      slab[target + 1] = length >>> 8;
      const line = chunk.subarray(at, end + 1);
      copyShort(chunk, at, end, slab, target + LINE_PREFIX_BYTES);
      this.#sums[bucket]! += crc32(line);
      at = end + 1;
    }
    return to;
  }

  /** Deals out lines in the form that they have in slots, with their length in front. */
  dealEntries(chunk: Uint8Array, from: number, to: number, position: number): number {
    const { keyStart, keyEnd } = this.#format;
    const base = orderOf(this.#node, position);
    const newline = Uint8Array.of(NEWLINE);
    for (let at = from; at < to;) {
      const length = chunk[at]! | (chunk[at + 1]! << 8);
      const start = at + LINE_PREFIX_BYTES;
      const end = start + length;
      const order = base + at;
      const keyFrom = Math.min(start + keyStart, end);
      const bucket = this.#table.find(chunk, keyFrom, Math.min(start + keyEnd, end), order);
      const target = this.#place(bucket, end - at, order);
      if (target < 0) return at;
      copyShort(chunk, at, end, this.#slab, target);
      this.#sums[bucket]! += crc32(newline, crc32(chunk.subarray(start, end)));
      at = end;
    }
    return to;
  }

  /** Closes all open slots. */
  finish(): void {
    for (let bucket = 0; bucket < this.#slots.length; bucket++) {
      if (this.#slots[bucket] !== NOT_OPEN) this.#close(bucket);
    }
  }

  /** Reserves space for an entry; returns its address, or -1 if there is no spare slot. */
  #place(bucket: number, bytes: number, order: number): number {
    let slot = this.#slots[bucket]!;
    let fill = this.#fills[bucket]!;
    if (slot === NOT_OPEN || fill + bytes > SLOT_BYTES) {
      if (this.spare.length === 0) return -1;
      if (slot !== NOT_OPEN) this.#close(bucket);
      slot = this.#slots[bucket] = this.spare.pop()!;
      fill = 0;
      this.#records[bucket] = this.#sums[bucket] = 0;
      this.#orders[bucket] = order;
    }
    this.#fills[bucket] = fill + bytes;
    this.#records[bucket]!++;
    return slot * SLOT_BYTES + fill;
  }

  #close(bucket: number): void {
    this.pieces.push({
      bucket,
      slot: this.#slots[bucket]!,
      bytes: this.#fills[bucket]!,
      records: this.#records[bucket]!,
      sum: this.#sums[bucket]!,
      order: this.#orders[bucket]!,
    });
    this.#slots[bucket] = NOT_OPEN;
  }
}

function copyShort(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
): void {
  if (to - from > SHORT_COPY_BYTES) target.set(source.subarray(from, to), at);
  else for (let i = from; i < to; i++) target[at + i - from] = source[i]!;
}
