/**
 * The slots that are being filled, one for each bucket. A full slot becomes a piece.
 *
 * @module
 */

import { MAX_ENTRY_BYTES } from "../records/record_format.ts";

/** Size of a slot, the unit in which entries are kept, sent and spilled. */
export const SLOT_BYTES = MAX_ENTRY_BYTES;

/** Entries of one bucket in one slot, in input order. */
export interface Piece {
  bucket: number;
  slot: number;
  bytes: number;
  /** The number of entries that begin in it; 0 if it continues the line of the piece before it. */
  records: number;
  /** The size in a file of the entries that begin in it. */
  fileBytes: number;
  /** The sum of the CRC-32 of its records; a slot has few enough for it to be exact. */
  sum: number;
  /** The order of its first entry or byte, see {@linkcode orderOf}. */
  order: number;
}

const NOT_OPEN = -1;

/** Fills slots with the entries of one input, or of one part of it. */
export class OpenPieces {
  /** Empty slots to open. */
  readonly spare: number[] = [];
  /** Finished pieces; the caller takes them out. */
  finished: Piece[] = [];
  /**
   * By slot, a number for each time that it was opened here; 0 while it is not open. An entry whose slot
   * has the same number as when it was placed is still there.
   */
  readonly generations: Uint32Array;
  #generation = 0;
  readonly #slots: Int32Array;
  readonly #fills: Uint32Array;
  readonly #records: Uint32Array;
  readonly #fileBytes: Float64Array;
  readonly #sums: Float64Array;
  readonly #orders: Float64Array;

  /** @param slots The number of slots that there are. */
  constructor(buckets: number, slots: number) {
    this.generations = new Uint32Array(slots);
    this.#slots = new Int32Array(buckets).fill(NOT_OPEN);
    this.#fills = new Uint32Array(buckets);
    this.#records = new Uint32Array(buckets);
    this.#fileBytes = new Float64Array(buckets);
    this.#sums = new Float64Array(buckets);
    this.#orders = new Float64Array(buckets);
  }

  /** Reserves space for an entry; returns its address, or -1 if there is no spare slot. */
  place(bucket: number, bytes: number, order: number): number {
    let slot = this.#slots[bucket]!;
    let fill = this.#fills[bucket]!;
    if (slot === NOT_OPEN || fill + bytes > SLOT_BYTES) {
      if (this.spare.length === 0) return -1;
      if (slot !== NOT_OPEN) this.#close(bucket);
      slot = this.#open(bucket, order);
      fill = 0;
    }
    this.#fills[bucket] = fill + bytes;
    return slot * SLOT_BYTES + fill;
  }

  /** Reserves a slot for a part of a long line; returns its address, or -1 if none is spare. */
  placeAlone(bucket: number, bytes: number, order: number): number {
    if (this.spare.length === 0) return -1;
    if (this.#slots[bucket] !== NOT_OPEN) this.#close(bucket);
    const slot = this.#open(bucket, order);
    this.#fills[bucket] = bytes;
    return slot * SLOT_BYTES;
  }

  /** Counts an entry that was put where `place` or `placeAlone` reserved space. */
  count(bucket: number, fileBytes: number, crc: number): void {
    this.#records[bucket]!++;
    this.#fileBytes[bucket]! += fileBytes;
    this.#sums[bucket]! += crc;
  }

  /** Closes the slot of a bucket, so that nothing is added to it. */
  close(bucket: number): void {
    if (this.#slots[bucket] !== NOT_OPEN) this.#close(bucket);
  }

  /**
   * Closes the slot of a bucket, but keeps it here, so that its entries can still be counted on. The
   * caller passes the piece to `release` in the end.
   */
  hold(bucket: number): Piece {
    const piece = this.#piece(bucket);
    this.#slots[bucket] = NOT_OPEN;
    return piece;
  }

  /** Finishes a piece that was held. */
  release(piece: Piece): void {
    this.generations[piece.slot] = 0;
    this.finished.push(piece);
  }

  /** Closes all slots. */
  finish(): void {
    for (let bucket = 0; bucket < this.#slots.length; bucket++) this.close(bucket);
  }

  #open(bucket: number, order: number): number {
    const slot = this.#slots[bucket] = this.spare.pop()!;
    this.generations[slot] = ++this.#generation;
    this.#records[bucket] = this.#fileBytes[bucket] = this.#sums[bucket] = 0;
    this.#orders[bucket] = order;
    return slot;
  }

  #close(bucket: number): void {
    this.release(this.#piece(bucket));
    this.#slots[bucket] = NOT_OPEN;
  }

  #piece(bucket: number): Piece {
    return {
      bucket,
      slot: this.#slots[bucket]!,
      bytes: this.#fills[bucket]!,
      records: this.#records[bucket]!,
      fileBytes: this.#fileBytes[bucket]!,
      sum: this.#sums[bucket]!,
      order: this.#orders[bucket]!,
    };
  }
}
