/**
 * A table in pieces, for snapshots, and the way back. A piece is a slab or a large record. Pieces
 * have stable numbers: even ones are slabs, odd ones large records.
 *
 * A packed piece is a head of 12 bytes, then its live records. All numbers are little-endian.
 *
 * | head                              | record                                                   |
 * | --------------------------------- | -------------------------------------------------------- |
 * | size class, -1 for a large record | length of the key                                        |
 * | slots of the slab                 | length of the value                                      |
 * | number of records                 | type, 1 byte; flags, 1 byte: 1 if the record can expire   |
 * |                                   | version, 8 bytes (float64)                               |
 * |                                   | time of expiry, 8 bytes (float64), if it can expire      |
 * |                                   | key, value                                               |
 *
 * A piece is replaced while the table changes, so pieces of one table may be of different ages. A key
 * can then be in two of them, and the record with the higher version is the right one. A key that
 * was deleted, or moved away, since an older piece was copied is in that piece still: the changes
 * since then have to be loaded after the pieces.
 *
 * @module
 */

import { copyRange } from "./byte_ranges.ts";
import { MAX_SLAB_BYTES } from "./record_memory.ts";
import { HEADER_BYTES, type Range, RecordState, RecordType } from "./records.ts";
import { SIZE_CLASSES, slotBytesOf } from "./size_classes.ts";
import type { NumberedSlabs } from "./numbered_slabs.ts";
import type { Table } from "./table.ts";

const HEAD_BYTES = 12;
const RECORD_HEAD_BYTES = 18;
const EXPIRY_BYTES = 8;
const EXPIRES = 1;

/** Thrown for a packed piece that is not one. */
export class PieceError extends Error {
  override name = "PieceError";
}

/** The pieces of a table. */
export class Pieces {
  readonly #table: Table;
  readonly #range: Range = { bytes: new Uint8Array(0), start: 0, end: 0 };

  /** The newest version of any piece that was loaded. */
  #loadedVersion = 0;

  constructor(table: Table) {
    this.#table = table;
  }

  /** All numbers of pieces are less than this. Not every number has a piece. */
  get count(): number {
    const { memory } = this.#table;
    return 2 * Math.max(memory.slabs.limit, memory.large.limit);
  }

  /** Whether there is a piece with a number. It may have no live records. */
  has(piece: number): boolean {
    return this.#numbered(piece).slabs[piece >> 1] !== undefined;
  }

  /** Whether a piece has changed since a version, that is, by a change with a higher one. */
  changedSince(piece: number, version: number): boolean {
    return (this.#numbered(piece).versions[piece >> 1] ?? 0) > version;
  }

  /**
   * The live records of a piece, packed: parts to be joined, none if there are no records. A large
   * record is a view of the table's memory. Its bytes do not change; see {@linkcode Table.lend}.
   *
   * @param allocate Returns the array for the rest.
   */
  copy(
    piece: number,
    allocate = (length: number): Uint8Array => new Uint8Array(length),
  ): Uint8Array[] {
    const { memory, records } = this.#table;
    const slab = this.#numbered(piece).slabs[piece >> 1];
    if (slab === undefined) return [];
    const addresses: number[] = [];
    let size = HEAD_BYTES;
    for (let slot = 0; slot < slab.top; slot++) {
      const address = isSlab(piece) ? memory.addressOf(piece >> 1, slot) : ~(piece >> 1);
      if (records.state(address) !== RecordState.live) continue;
      addresses.push(address);
      size += RECORD_HEAD_BYTES + records.keyLength(address) + records.valueLength(address);
      if (records.heapPlace(address) !== 0) size += EXPIRY_BYTES;
    }
    if (addresses.length === 0) return [];
    if (!isSlab(piece)) {
      size -= records.keyLength(addresses[0]!) + records.valueLength(addresses[0]!);
    }
    const packed = allocate(size);
    const view = new DataView(packed.buffer, packed.byteOffset, size);
    view.setInt32(0, slab.sizeClass, true);
    view.setUint32(4, slab.slots, true);
    view.setUint32(8, addresses.length, true);
    let at = HEAD_BYTES;
    for (const address of addresses) {
      at = this.#packHead(address, packed, view, at);
      const { bytes, start, end } = this.#contentsOf(address);
      if (!isSlab(piece)) {
        this.#table.lend(address);
        return [packed, bytes.subarray(start, end)];
      }
      copyRange(bytes, start, end, packed, at);
      at += end - start;
    }
    return [packed];
  }

  /**
   * Restores the records of a piece that is not there yet. Load all pieces before any changes.
   *
   * @param version The newest version that the piece includes.
   * @throws {PieceError} Some of the records may have been loaded then.
   * @throws {TableFullError}
   */
  load(piece: number, packed: Uint8Array, version: number): void {
    this.#loadedVersion = Math.max(this.#loadedVersion, version);
    const number = piece >> 1;
    const { memory } = this.#table;
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    if (packed.length < HEAD_BYTES) throw new PieceError(`Cannot load piece ${piece}: it is cut`);
    const sizeClass = view.getInt32(0, true);
    const slots = view.getUint32(4, true);
    const count = view.getUint32(8, true);
    if (isSlab(piece)) {
      const valid = number > 0 && sizeClass >= 0 && sizeClass < SIZE_CLASSES && count <= slots &&
        slots * slotBytesOf(sizeClass) <= MAX_SLAB_BYTES;
      if (!valid) throw new PieceError(`Cannot load piece ${piece}: its head is wrong`);
      memory.createSlab(number, sizeClass, slots);
    } else if (sizeClass !== -1 || count !== 1) {
      throw new PieceError(`Cannot load piece ${piece}: its head is wrong`);
    }
    this.#numbered(piece).extend(number);
    const take = isSlab(piece)
      ? () => memory.takeFrom(number)
      : () => memory.createLarge(number, HEADER_BYTES + packed.length - HEAD_BYTES);
    const maxBytes = isSlab(piece) ? slotBytesOf(sizeClass) : Infinity;
    let at = HEAD_BYTES;
    for (let index = 0; index < count; index++) {
      at = this.#unpack(piece, packed, view, at, maxBytes, take);
    }
    if (at !== packed.length) throw new PieceError(`Cannot load piece ${piece}: it is too long`);
    if (isSlab(piece)) memory.releaseIfEmpty(number);
  }

  /**
   * Loads a record that was written since its piece was, unless a newer one is there. The key is
   * the range `start` to `end`, the value `from` to `to`.
   */
  loadPut(
    bytes: Uint8Array,
    start: number,
    end: number,
    from: number,
    to: number,
    version: number,
    expiresAtMs: number,
  ): void {
    const table = this.#table;
    const old = table.find(bytes, start, end);
    if (old !== 0 && table.records.version(old) >= version) return;
    const address = table.put(bytes, start, end, bytes, from, to, version, expiresAtMs, false);
    // The record can come into a piece that was written after this version, but without it. That
    // piece has to be written again before the log may drop the change.
    table.memory.touched(address, this.#loadedVersion + 1);
  }

  /** Removes a record that was deleted since its piece was written, unless it is newer. */
  loadDelete(bytes: Uint8Array, start: number, end: number, version: number): void {
    const table = this.#table;
    const old = table.find(bytes, start, end);
    if (old !== 0 && table.records.version(old) < version) table.delete(old, version, false);
  }

  #numbered(piece: number): NumberedSlabs {
    const { memory } = this.#table;
    return isSlab(piece) ? memory.slabs : memory.large;
  }

  #packHead(address: number, packed: Uint8Array, view: DataView, at: number): number {
    const { records, expiry } = this.#table;
    const expiresAtMs = expiry.expiryOf(address);
    view.setUint32(at, records.keyLength(address), true);
    view.setUint32(at + 4, records.valueLength(address), true);
    packed[at + 8] = records.type(address);
    packed[at + 9] = expiresAtMs === 0 ? 0 : EXPIRES;
    view.setFloat64(at + 10, records.version(address), true);
    if (expiresAtMs === 0) return at + RECORD_HEAD_BYTES;
    view.setFloat64(at + RECORD_HEAD_BYTES, expiresAtMs, true);
    return at + RECORD_HEAD_BYTES + EXPIRY_BYTES;
  }

  /** Key and value of a record, which are next to each other. */
  #contentsOf(address: number): Range {
    const { records } = this.#table;
    const range = this.#range;
    records.locateKey(address, range);
    range.end += records.valueLength(address);
    return range;
  }

  /** Loads a record; returns where the next one begins. */
  #unpack(
    piece: number,
    packed: Uint8Array,
    view: DataView,
    at: number,
    maxBytes: number,
    take: () => number,
  ): number {
    const table = this.#table;
    const headEnd = at + RECORD_HEAD_BYTES;
    if (headEnd > packed.length) throw new PieceError(`Cannot load piece ${piece}: it is cut`);
    const keyLength = view.getUint32(at, true);
    const valueLength = view.getUint32(at + 4, true);
    const expires = packed[at + 9] === EXPIRES;
    const keyAt = headEnd + (expires ? EXPIRY_BYTES : 0);
    const valueAt = keyAt + keyLength;
    const end = valueAt + valueLength;
    if (end > packed.length || HEADER_BYTES + keyLength + valueLength > maxBytes) {
      throw new PieceError(`Cannot load piece ${piece}: a record exceeds its space`);
    }
    if (packed[at + 8] !== RecordType.string) {
      throw new PieceError(`Cannot load piece ${piece}: a record has type ${packed[at + 8]}`);
    }
    const version = view.getFloat64(at + 10, true);
    const expiresAtMs = expires ? view.getFloat64(headEnd, true) : 0;
    const newer = table.load(packed, keyAt, valueAt, end, version, expiresAtMs, take);
    // This piece has a record that is no longer right, so it has to be written again.
    if (newer !== 0) this.#numbered(piece).touched(piece >> 1, newer);
    return end;
  }
}

function isSlab(piece: number): boolean {
  return (piece & 1) === 0;
}
