import { crc32Of } from "../records/checksum.ts";
import { addCount, readCount, writeCount } from "../records/counted_entry.ts";
import { COUNT_BYTES, type RecordFormat } from "../records/record_format.ts";
import type { Absorbed } from "./absorbed.ts";
import type { Duplicates } from "./duplicates.ts";
import type { OpenPieces } from "./open_pieces.ts";
import { orderOf, type SplitterTable } from "./splitters.ts";

/** Up to this length a loop copies faster than `set`. */
const SHORT_COPY_BYTES = 256;

/** Deals out records of a sort that reduces. */
export class CountedRecordDealer {
  readonly #format: RecordFormat;
  readonly #table: SplitterTable;
  readonly #pieces: OpenPieces;
  readonly #slab: Uint8Array;
  readonly #node: number;
  readonly #duplicates: Duplicates;
  readonly #absorbed: Absorbed;

  constructor(
    { format, table, pieces, slab, node, duplicates, absorbed }: {
      format: RecordFormat;
      table: SplitterTable;
      pieces: OpenPieces;
      slab: Uint8Array;
      node: number;
      duplicates: Duplicates;
      absorbed: Absorbed;
    },
  ) {
    this.#format = format;
    this.#table = table;
    this.#pieces = pieces;
    this.#slab = slab;
    this.#node = node;
    this.#duplicates = duplicates;
    this.#absorbed = absorbed;
  }

  /** See {@linkcode Partitioner.dealRecords}. */
  dealRecords(chunk: Uint8Array, from: number, to: number, position: number): number {
    const base = orderOf(this.#node, position);
    const { recordBytes } = this.#format;
    for (let at = from; at < to; at += recordBytes) {
      if (!this.#deal(chunk, at, base + at, 1)) return at;
    }
    return to;
  }

  /** See {@linkcode Partitioner.dealEntries}. */
  dealEntries(chunk: Uint8Array, from: number, to: number, position: number): number {
    const base = orderOf(this.#node, position);
    const stride = COUNT_BYTES + this.#format.recordBytes;
    for (let at = from; at < to; at += stride) {
      const entry = at + COUNT_BYTES;
      if (!this.#deal(chunk, entry, base + at, readCount(chunk, entry))) return at;
    }
    return to;
  }

  /** Deals out one record; returns whether there was a slot for it. */
  #deal(chunk: Uint8Array, at: number, order: number, count: number): boolean {
    const { recordBytes, keyStart, keyEnd } = this.#format;
    const duplicates = this.#duplicates;
    const slab = this.#slab;
    const crc = crc32Of(chunk, at, at + recordBytes);
    const isLooking = duplicates.isLooking();
    if (isLooking) {
      const isWhole = keyStart === 0 && keyEnd === recordBytes;
      const hash = isWhole ? crc : crc32Of(chunk, at + keyStart, at + keyEnd);
      const found = duplicates.find(hash, chunk, at + keyStart, at + keyEnd);
      if (found >= 0 && addCount(slab, found, count)) {
        this.#absorbed.add(recordBytes, crc);
        return true;
      }
    }
    const bucket = this.#table.find(chunk, at + keyStart, at + keyEnd, order);
    const address = this.#pieces.place(bucket, COUNT_BYTES + recordBytes, order);
    if (address < 0) return false;
    const entry = address + COUNT_BYTES;
    writeCount(slab, entry, count);
    if (recordBytes > SHORT_COPY_BYTES) slab.set(chunk.subarray(at, at + recordBytes), entry);
    else for (let i = 0; i < recordBytes; i++) slab[entry + i] = chunk[at + i]!;
    this.#pieces.count(bucket, recordBytes, crc);
    if (isLooking) duplicates.add(entry);
    return true;
  }
}
