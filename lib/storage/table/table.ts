/**
 * A table of bytes: a map from keys to values with versions and expiry times, all in plain buffers,
 * so that a key costs no JavaScript object. A key or value is a range of an array. Records have
 * addresses, which stay valid until the next change of their key.
 *
 * A change can be undone. Made with `undoable`, it keeps what it replaces, and
 * {@linkcode Table.kept} has the address of that. The caller then either undoes the change, after all
 * later ones, or releases what was kept:
 *
 * - A record that is deleted or moves to another slot is itself kept.
 * - A record that is overwritten in place is copied first. So it keeps its address, and neither index
 *   nor order nor expiry heap have to change.
 * - A large record that is changed in place would take too long to copy. Its header is kept, and the
 *   bytes overwritten. Undoing an append only sets back the length.
 *
 * Versions are numbers up to 2^53 that the caller chooses; each is greater than all before.
 *
 * @module
 */

import { ExpiryHeap } from "./expiry_heap.ts";
import { KeyHash } from "./key_hash.ts";
import { KeyIndex } from "./key_index.ts";
import { KeyOrder } from "./key_order.ts";
import { RecordCursor } from "./record_cursor.ts";
import { RecordMemory, type RecordMemoryOptions } from "./record_memory.ts";
import { HEADER_BYTES, PATCH_BYTES, type Range, Records, RecordState } from "./records.ts";

/** A large record that grows gets this share of its size as space to grow further. */
const GROWTH_SHARE = 1 / 4;

/** A step of {@linkcode Table.sortSome} looks at this many slots: one or two milliseconds. */
const SORT_STEP_SLOTS = 1_000;

/** A table. */
export class Table {
  /** Bytes of all keys and values. */
  bytes = 0;
  /** What the last undoable change has kept: an address, or 0 for nothing. */
  kept = 0;
  /** The access stamp of records written from now on: 32 bits with a meaning of the caller's. */
  stamp = 0;
  /** The records, to read. */
  readonly records: Records;
  /** When records expire, to read. */
  readonly expiry: ExpiryHeap;
  readonly memory: RecordMemory;
  readonly #hash = new KeyHash();
  readonly #index: KeyIndex;
  readonly #key: Range = { bytes: new Uint8Array(0), start: 0, end: 0 };
  /** The order and, until it is complete, the records to add. Not kept before it is asked for. */
  #order: KeyOrder | undefined;
  #unsorted: RecordCursor | undefined;

  /** @param options For tests. */
  constructor(options: RecordMemoryOptions = {}) {
    this.memory = new RecordMemory(options);
    this.records = new Records(this.memory);
    this.expiry = new ExpiryHeap(this.records);
    this.#index = new KeyIndex(this.records);
  }

  /** The number of keys. */
  get size(): number {
    return this.#index.size;
  }

  /** The address of the record of a key, expired or not; 0 if there is none. */
  find(bytes: Uint8Array, start: number, end: number): number {
    return this.#index.find(this.#hash.of(bytes, start, end), bytes, start, end);
  }

  /** The address of a random record, all about equally likely; 0 if there is none. */
  random(): number {
    return this.#index.random();
  }

  /** The keys in order; `undefined` until {@linkcode Table.sortSome} has finished. */
  get order(): KeyOrder | undefined {
    return this.#unsorted === undefined ? this.#order : undefined;
  }

  /**
   * Begins or continues to sort the keys; from the first call on they are kept in order. Call it
   * until it returns true; the table may change in between.
   *
   * @returns Whether {@linkcode Table.order} is complete.
   */
  sortSome(): boolean {
    if (this.#order === undefined) {
      this.#order = new KeyOrder(this.records);
      this.#unsorted = new RecordCursor(this.memory, this.records);
    }
    if (this.#unsorted === undefined) return true;
    const addresses: number[] = [];
    const last = this.#unsorted.collect(addresses, SORT_STEP_SLOTS);
    for (const address of addresses) this.#order.add(address);
    if (last) this.#unsorted = undefined;
    return last;
  }

  /** A cursor over all records, live ones only, in no order. */
  cursor(): RecordCursor {
    return new RecordCursor(this.memory, this.records);
  }

  /**
   * Sets the value of a key. The ranges are copied.
   *
   * @param expiresAtMs When it expires, in milliseconds since the Unix epoch; 0 for never.
   * @returns The address of the record.
   * @throws {TableFullError} Nothing has changed then.
   */
  put(
    key: Uint8Array,
    start: number,
    end: number,
    value: Uint8Array,
    from: number,
    to: number,
    version: number,
    expiresAtMs: number,
    undoable: boolean,
  ): number {
    const { records, memory } = this;
    const hash = this.#hash.of(key, start, end);
    const old = this.#index.find(hash, key, start, end);
    const size = HEADER_BYTES + end - start + to - from;
    let address = old;
    this.kept = 0;
    if (old !== 0 && memory.fits(old, size)) {
      if (undoable) this.kept = this.#copy(old);
      this.bytes += to - from - records.valueLength(old);
      records.overwrite(old, value, from, to, version);
    } else {
      address = memory.allocate(size);
      records.write(address, key, start, end, value, from, to, version);
      if (old === 0) {
        this.#index.add(hash, address);
        this.bytes += end - start + to - from;
        this.#order?.add(address);
      } else {
        this.#index.replaceFound(address);
        this.#move(old, address, version, undoable);
      }
    }
    records.setStamp(address, this.stamp);
    memory.touched(address, version);
    this.expiry.set(address, expiresAtMs);
    return address;
  }

  /**
   * Enters a record while the table is being loaded, unless the table has one of this key that is as
   * new or newer.
   *
   * @param take Takes the space for the record.
   * @returns 0, or the version of the record that stays.
   */
  load(
    bytes: Uint8Array,
    start: number,
    end: number,
    valueEnd: number,
    version: number,
    expiresAtMs: number,
    take: () => number,
  ): number {
    const { records } = this;
    const hash = this.#hash.of(bytes, start, end);
    const old = this.#index.find(hash, bytes, start, end);
    if (old !== 0 && records.version(old) >= version) return records.version(old);
    const address = take();
    records.write(address, bytes, start, end, bytes, end, valueEnd, version);
    if (old === 0) {
      this.#index.add(hash, address);
      this.bytes += valueEnd - start;
      this.#order?.add(address);
    } else {
      this.#index.replaceFound(address);
      this.#move(old, address, version, false);
    }
    records.setStamp(address, this.stamp);
    this.memory.touched(address, version);
    this.expiry.set(address, expiresAtMs);
    return 0;
  }

  /**
   * Writes bytes into the value of a record, which grows if necessary; bytes between its end and
   * `offset` become zero. A long value is changed in place.
   *
   * @returns The address of the record, which may have moved.
   * @throws {TableFullError} Nothing has changed then.
   */
  write(
    address: number,
    offset: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    version: number,
    undoable: boolean,
  ): number {
    const { records, memory } = this;
    const length = records.valueLength(address);
    const newLength = Math.max(length, offset + to - from);
    const size = HEADER_BYTES + records.keyLength(address) + newLength;
    this.kept = 0;
    if (address < 0 && (offset >= length || !memory.slabOf(address).lent)) {
      memory.reserve(address, size, { spare: Math.floor(size * GROWTH_SHARE) });
      if (undoable) this.kept = this.#keepPatch(address, offset, to - from);
    } else if (memory.fits(address, size)) {
      if (undoable) this.kept = this.#copy(address);
    } else {
      const old = address;
      address = memory.allocate(size);
      records.copy(old, address);
      records.setHeapPlace(address, 0);
      this.#index.locate(this.#hashOf(old), old);
      this.#index.replaceFound(address);
      this.#move(old, address, version, undoable);
    }
    if (offset > length) records.clearValue(address, length, offset);
    records.setValueLength(address, newLength);
    records.writeValue(address, offset, bytes, from, to);
    records.setVersion(address, version);
    records.setStamp(address, this.stamp);
    memory.touched(address, version);
    this.bytes += newLength - length;
    return address;
  }

  /**
   * Sets when a record expires; 0 for never.
   *
   * @throws {TableFullError} Nothing has changed then.
   */
  expire(address: number, expiresAtMs: number, version: number, undoable: boolean): void {
    this.kept = undoable ? this.#keepPatch(address, 0, 0) : 0;
    this.records.setVersion(address, version);
    this.memory.touched(address, version);
    this.expiry.set(address, expiresAtMs);
  }

  /** Removes a record. */
  delete(address: number, version: number, undoable: boolean): void {
    this.memory.touched(address, version);
    this.#remove(address, undoable);
  }

  /**
   * Undoes a change, after all later ones.
   *
   * @param after The address that the change returned; 0 for a deletion.
   * @param kept What it kept.
   */
  undo(after: number, kept: number): void {
    const { records } = this;
    if (kept === 0) {
      this.#remove(after, false);
      return;
    }
    const state = records.state(kept);
    const expiresAtMs = records.keptExpiry(kept);
    if (state === RecordState.superseded) {
      this.#revive(kept, after);
      this.expiry.set(kept, expiresAtMs);
      return;
    }
    this.bytes -= records.valueLength(after);
    if (state === RecordState.copy) records.restoreCopy(kept, after);
    else records.restorePatch(kept, after);
    this.bytes += records.valueLength(after);
    this.expiry.set(after, expiresAtMs);
    this.#free(kept);
  }

  /** Gives up what a change has kept; it cannot be undone any more. */
  release(kept: number): void {
    if (kept !== 0) this.#free(kept);
  }

  /** Promises not to change the present bytes of a large record's value, which others look at now. */
  lend(address: number): void {
    if (address < 0) this.memory.slabOf(address).lent = true;
  }

  #remove(address: number, undoable: boolean): void {
    const { records } = this;
    const hash = this.#hashOf(address);
    this.#index.locate(hash, address);
    this.#index.removeFound(hash);
    this.#order?.remove(address);
    this.bytes -= records.keyLength(address) + records.valueLength(address);
    const expiresAtMs = this.expiry.expiryOf(address);
    this.expiry.set(address, 0);
    this.#retire(address, expiresAtMs, undoable);
  }

  /** Makes a record live again that was superseded by another one, or by none. */
  #revive(address: number, by: number): void {
    const { records } = this;
    const hash = this.#hashOf(address);
    records.setState(address, RecordState.live);
    records.setStamp(address, this.stamp);
    records.setHeapPlace(address, 0);
    this.bytes += records.keyLength(address) + records.valueLength(address);
    if (by === 0) {
      this.#index.add(hash, address);
    } else {
      this.#index.locate(hash, by);
      this.#index.replaceFound(address);
      this.bytes -= records.keyLength(by) + records.valueLength(by);
      this.expiry.replace(by, address);
    }
    this.#order?.add(address);
    if (by !== 0) this.#free(by);
  }

  /** Puts a record, which the index already has, in the place of another one. */
  #move(old: number, address: number, version: number, undoable: boolean): void {
    const expiresAtMs = this.expiry.expiryOf(old);
    this.bytes += this.records.valueLength(address) - this.records.valueLength(old);
    this.#order?.add(address);
    this.expiry.replace(old, address);
    this.memory.touched(old, version);
    this.#retire(old, expiresAtMs, undoable);
  }

  #retire(address: number, expiresAtMs: number, undoable: boolean): void {
    if (undoable) {
      this.records.setState(address, RecordState.superseded);
      this.records.keepExpiry(address, expiresAtMs);
      this.kept = address;
    } else {
      this.#free(address);
      this.kept = 0;
    }
  }

  #copy(address: number): number {
    const { records } = this;
    const copy = this.memory.allocate(
      HEADER_BYTES + records.keyLength(address) + records.valueLength(address),
    );
    records.copy(address, copy);
    records.setState(copy, RecordState.copy);
    records.keepExpiry(copy, this.expiry.expiryOf(address));
    return copy;
  }

  /** Keeps the header of a record, and of its value as much of a range as there is. */
  #keepPatch(address: number, offset: number, length: number): number {
    const { records } = this;
    const kept = Math.max(0, Math.min(length, records.valueLength(address) - offset));
    const patch = this.memory.allocate(PATCH_BYTES + kept);
    records.writePatch(patch, address, offset, kept);
    records.keepExpiry(patch, this.expiry.expiryOf(address));
    return patch;
  }

  #free(address: number): void {
    this.records.setState(address, RecordState.free);
    this.memory.free(address);
  }

  #hashOf(address: number): number {
    const key = this.#key;
    this.records.locateKey(address, key);
    return this.#hash.of(key.bytes, key.start, key.end);
  }
}
