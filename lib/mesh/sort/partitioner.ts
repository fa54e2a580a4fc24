/**
 * Deals entries out to buckets. An entry is appended to the slot that is open for its bucket; a full
 * slot becomes a piece.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { copyWithCrc32 } from "../records/checksum.ts";
import type { RecordFormat } from "../records/record_format.ts";
import { Absorbed } from "./absorbed.ts";
import { CountedRecordDealer } from "./counted_record_dealer.ts";
import { Duplicates } from "./duplicates.ts";
import { LineDealer } from "./line_dealer.ts";
import { LineOrder } from "../records/line_order.ts";
import { OpenPieces, type Piece, SLOT_BYTES } from "./open_pieces.ts";
import { orderOf, type Splitter, SplitterTable } from "./splitters.ts";

/** Up to this length a loop copies faster than `set`. */
const SHORT_COPY_BYTES = 256;

/** Deals out the entries of one input, or of one part of it. */
export class Partitioner {
  readonly #format: RecordFormat;
  readonly #table: SplitterTable;
  readonly #node: number;
  readonly #slab: Uint8Array;
  readonly #slabWords: Uint32Array;
  readonly #pieces: OpenPieces;
  readonly #duplicates: Duplicates | undefined;
  readonly #lines: LineDealer | undefined;
  readonly #counted: CountedRecordDealer | undefined;
  /** Of a sort that reduces: the entries that only raised the count of another one. */
  readonly absorbed = new Absorbed();

  /**
   * @param slab The memory with the slots.
   * @param splitters The cuts between the buckets.
   * @param node The node that has the input.
   * @param adaptive See {@linkcode Duplicates}.
   */
  constructor(
    slab: SharedArrayBuffer,
    { format, splitters, node, adaptive = false }: {
      format: RecordFormat;
      splitters: Splitter[];
      node: number;
      adaptive?: boolean;
    },
  ) {
    this.#format = format;
    this.#table = new SplitterTable(splitters);
    this.#node = node;
    this.#slab = new Uint8Array(slab);
    this.#slabWords = new Uint32Array(slab);
    const pieces = this.#pieces = new OpenPieces(
      splitters.length + 1,
      slab.byteLength / SLOT_BYTES,
    );
    if (format.reduce) this.#duplicates = new Duplicates(this.#slab, { format, pieces, adaptive });
    const common = {
      format,
      table: this.#table,
      pieces,
      slab: this.#slab,
      node,
      duplicates: this.#duplicates,
      absorbed: this.absorbed,
    };
    if (format.recordBytes === 0) {
      this.#lines = new LineDealer({ ...common, lineOrder: new LineOrder(format) });
    } else if (this.#duplicates) {
      this.#counted = new CountedRecordDealer({ ...common, duplicates: this.#duplicates });
    }
  }

  /** Empty slots to open. Dealing stops when there are none left. */
  get spare(): number[] {
    return this.#pieces.spare;
  }

  /** The number of finished pieces that `takePieces` returns. */
  get finishedPieces(): number {
    return this.#pieces.finished.length;
  }

  /** Takes out the pieces that were finished since the last call. */
  takePieces(): Piece[] {
    const { finished } = this.#pieces;
    this.#pieces.finished = [];
    return finished;
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
    if (this.#counted) return this.#counted.dealRecords(chunk, from, to, position);
    const { recordBytes, keyStart, keyEnd } = this.#format;
    const base = orderOf(this.#node, position);
    const pieces = this.#pieces;
    const slab = this.#slab;
    const slabWords = this.#slabWords;
    const words = recordBytes % 4 === 0 && recordBytes <= SHORT_COPY_BYTES ? recordBytes / 4 : 0;
    const chunkWords = new Uint32Array(chunk.buffer, chunk.byteOffset, chunk.length >>> 2);
    for (let at = from; at < to; at += recordBytes) {
      const order = base + at;
      const bucket = this.#table.find(chunk, at + keyStart, at + keyEnd, order);
      const target = pieces.place(bucket, recordBytes, order);
      if (target < 0) return at;
      if (words > 0) {
        const crc = copyWithCrc32(chunkWords, at >>> 2, slabWords, target >>> 2, words);
        pieces.count(bucket, recordBytes, crc);
      } else {
        const record = chunk.subarray(at, at + recordBytes);
        slab.set(record, target);
        pieces.count(bucket, recordBytes, crc32(record));
      }
    }
    return to;
  }

  /**
   * Deals out the lines that begin before `to`. A long line may be put into slots in several calls,
   * each from its start.
   *
   * @returns Where the first line begins that was not dealt out, or not all of it: it begins at or
   * after `to`, does not end in the chunk, or there was no spare slot for it.
   * @throws {Error} If a line is too long; the message does not say in which file.
   */
  dealLines(chunk: Uint8Array, from: number, to: number, position: number): number {
    return this.#lines!.dealLines(chunk, from, to, position);
  }

  /**
   * Deals out entries in the form that they have in slots, see line_entry.ts and counted_entry.ts. All
   * must be whole.
   */
  dealEntries(chunk: Uint8Array, from: number, to: number, position: number): number {
    if (this.#counted) return this.#counted.dealEntries(chunk, from, to, position);
    if (this.#format.recordBytes > 0) return this.dealRecords(chunk, from, to, position);
    return this.#lines!.dealEntries(chunk, from, to, position);
  }

  /** Closes all open slots. */
  finish(): void {
    this.#duplicates?.finish();
    this.#pieces.finish();
  }
}
