/**
 * The key space of the store in memory: all spaces, their changes and their memory use.
 *
 * @module
 */

import type { CommitLog } from "../commit_log.ts";
import { type Entry, type Key, OutOfMemoryError, storageUnavailable } from "../store.ts";
import { TableFullError } from "../table/record_memory.ts";
import type { Range } from "../table/records.ts";
import { latin1From, type Value, valueFrom } from "../value.ts";
import { AccessClock } from "./access_clock.ts";
import { idleTime, STAMP_MS, stampOf } from "./evictor.ts";
import { KeyBytes } from "./key_bytes.ts";
import { MemorySpace } from "./memory_space.ts";
import { UndoList } from "./undo_list.ts";

/** Options for a {@linkcode KeySpace}. */
export interface KeySpaceOptions {
  /** The number of spaces. */
  spaces: number;
  /** Limit on bytes of keys and values. */
  maxBytes: number;
  log: CommitLog;
  /** Whether changes are under way that are not in the log; see `TableOwner.busy`. */
  busy(): Promise<void> | undefined;
  /** See `RecordMemoryOptions`. */
  allocateLarge?(bytes: number): ArrayBuffer;
  /** Called when an entry that can expire was added. */
  onExpiring(): void;
}

/** All spaces. */
export class KeySpace {
  maxBytes: number;
  /** The time of accesses. */
  readonly clock = new AccessClock();
  /** The changes that may have to be undone. */
  readonly undo = new UndoList();
  /** How many of the latest changes are not in the log yet. */
  unwritten = 0;
  readonly #spaces: MemorySpace[];
  readonly #options: KeySpaceOptions;
  readonly #log: CommitLog;
  readonly #key = new KeyBytes();
  readonly #range: Range = { bytes: new Uint8Array(0), start: 0, end: 0 };
  /** What reads may see while a transaction over whole spaces runs; `undefined` if none may write. */
  #hold: { after: number; missing: boolean; all: boolean } | undefined;
  #lastVersion = 0;
  #lastEntry: { space: MemorySpace; address: number; version: number; entry: Entry } | undefined;

  constructor(options: KeySpaceOptions) {
    this.maxBytes = options.maxBytes;
    this.#options = options;
    this.#log = options.log;
    this.#spaces = Array.from({ length: options.spaces }, () => new MemorySpace(options));
  }

  /** The spaces, by number. */
  get spaces(): readonly MemorySpace[] {
    return this.#spaces;
  }

  /** Bytes of all keys and values. */
  get bytes(): number {
    let bytes = 0;
    for (const { table } of this.#spaces) bytes += table.bytes;
    return bytes;
  }

  /** The number of keys. */
  get keyCount(): number {
    return this.#spaces.reduce((sum, { table }) => sum + table.size, 0);
  }

  /** Whether any entry can expire. */
  get expiring(): boolean {
    return this.#spaces.some(({ table }) => table.expiry.size > 0);
  }

  /** The space with a number. */
  space(number: number): MemorySpace {
    return this.#spaces[number]!;
  }

  /** From now on, changes belong to a transaction that others must not see. */
  hold(): void {
    const after = this.#log.durable ? this.#log.nextVersion - 1 : this.#lastVersion;
    this.#hold = { after, missing: false, all: false };
  }

  /** The changes since {@linkcode KeySpace.hold} may be seen, or are undone. */
  unhold(): void {
    this.#hold = undefined;
  }

  /** Whether what a read finds at a key, where 0 is nothing, may be such a change. */
  isHeld(space: MemorySpace, address: number): boolean {
    const hold = this.#hold;
    if (hold === undefined) return false;
    if (hold.all) return true;
    return address === 0 ? hold.missing : space.table.records.version(address) > hold.after;
  }

  /** A version for the next change, greater than all before. */
  nextVersion(): number {
    if (!this.#log.durable) return ++this.#lastVersion;
    const { nextVersion } = this.#log;
    return this.unwritten === 0 ? nextVersion : Math.max(nextVersion, this.undo.lastVersion + 1);
  }

  /** The address of an entry, expired or not; 0 if there is none. */
  find(space: MemorySpace, key: Key): number {
    this.#key.set(key);
    return space.table.find(this.#key.bytes, 0, this.#key.end);
  }

  /** The key of a record. */
  keyOf(space: MemorySpace, address: number): Key {
    const range = this.#range;
    space.table.records.locateKey(address, range);
    return latin1From(range.bytes, range.start, range.end);
  }

  /** An entry with a copy of its value. Of a large value it is a view, which does not change. */
  entry(space: MemorySpace, address: number): Entry {
    const { records, expiry } = space.table;
    const version = records.version(address);
    const last = this.#lastEntry;
    // A request that names a key again and again gets one copy of its value.
    if (last !== undefined && last.version === version && last.address === address) {
      if (last.space === space) return last.entry;
    }
    const range = this.#range;
    records.locateValue(address, range);
    space.table.lend(address);
    const value = address < 0
      ? range.bytes.subarray(range.start, range.end)
      : valueFrom(range.bytes, range.start, range.end);
    const entry = { value, version, expiresAtMs: expiry.expiryOf(address) };
    this.#lastEntry = { space, address, version, entry };
    return entry;
  }

  /** Notes that a record was read, for eviction. */
  touch(space: MemorySpace, address: number): void {
    space.table.records.setStamp(address, this.clock.now());
  }

  /** See {@linkcode Store.idleTimeMs}. */
  idleTimeMs(space: MemorySpace, key: Key): number | undefined {
    const nowMs = Date.now();
    const address = this.find(space, key);
    if (address === 0 || this.expired(space, address, nowMs)) return undefined;
    return STAMP_MS * idleTime(stampOf(nowMs), space.table.records.stamp(address));
  }

  /** Whether an entry has expired. */
  expired(space: MemorySpace, address: number, nowMs: number): boolean {
    const expiresAtMs = space.table.expiry.expiryOf(address);
    return expiresAtMs !== 0 && expiresAtMs <= nowMs;
  }

  /** Whether so many bytes can be added. */
  hasRoom(bytes: number): boolean {
    return this.maxBytes === Infinity || this.bytes + bytes <= this.maxBytes;
  }

  /**
   * Sets a value, if there is room for it.
   *
   * @throws {OutOfMemoryError}
   */
  put(
    space: MemorySpace,
    key: Key,
    value: Value,
    expiresAtMs: number,
    undoable: boolean,
  ): void {
    this.#key.setBoth(key, value);
    const { bytes, end, value: source, from, to } = this.#key;
    this.#reserve(space, end, to - from);
    this.putRange(space, bytes, 0, end, source, from, to, expiresAtMs, undoable);
  }

  /**
   * Sets a value and records the change, if it may have to be undone.
   *
   * @throws {OutOfMemoryError} If memory or addresses have run out.
   */
  putRange(
    space: MemorySpace,
    bytes: Uint8Array,
    start: number,
    end: number,
    source: Uint8Array,
    from: number,
    to: number,
    expiresAtMs: number,
    undoable: boolean,
  ): void {
    const { table } = space;
    const version = this.nextVersion();
    table.stamp = this.clock.now();
    let address: number;
    try {
      address = table.put(bytes, start, end, source, from, to, version, expiresAtMs, undoable);
    } catch (error) {
      throw asOutOfMemory(error);
    }
    if (undoable) this.#keep(space, version, address);
    if (expiresAtMs !== 0) this.#options.onExpiring();
  }

  /**
   * Writes bytes into a value; see {@linkcode Table.write}.
   *
   * @throws {OutOfMemoryError}
   */
  overwrite(
    space: MemorySpace,
    address: number,
    offset: number,
    source: Uint8Array,
    from: number,
    to: number,
    undoable: boolean,
  ): void {
    const version = this.nextVersion();
    space.table.stamp = this.clock.now();
    try {
      address = space.table.write(address, offset, source, from, to, version, undoable);
    } catch (error) {
      throw asOutOfMemory(error);
    }
    if (undoable) this.#keep(space, version, address);
  }

  /** Sets when an entry expires. */
  expire(space: MemorySpace, address: number, expiresAtMs: number, undoable: boolean): void {
    const version = this.nextVersion();
    try {
      space.table.expire(address, expiresAtMs, version, undoable);
    } catch (error) {
      throw asOutOfMemory(error);
    }
    if (undoable) this.#keep(space, version, address);
    if (expiresAtMs !== 0) this.#options.onExpiring();
  }

  /** Removes an entry. */
  remove(space: MemorySpace, address: number, undoable: boolean): void {
    if (this.#hold !== undefined) this.#hold.missing = true;
    const version = this.nextVersion();
    space.table.delete(address, version, undoable);
    if (undoable) this.#keep(space, version, 0);
  }

  /**
   * Checks how much a transaction has written. All of it stays in memory until the transaction
   * ends, even values it has overwritten: think of a thousand APPENDs to one long value.
   *
   * @throws {OutOfMemoryError} If it exceeds the limit.
   */
  checkWritten(bytes: number): void {
    if (bytes <= this.maxBytes) return;
    throw new OutOfMemoryError(
      `Cannot write ${bytes} bytes in one transaction: the limit is ${this.maxBytes}`,
    );
  }

  /** Replaces a space by an empty one, which it returns, as part of a transaction. */
  clear(number: number): MemorySpace {
    const spaces = this.#spaces;
    if (this.#hold !== undefined) this.#hold.all = true;
    const before = spaces[number]!;
    const after = spaces[number] = new MemorySpace(this.#options);
    const change = {
      write: () => {
        after.deletedIn = this.#log.nextVersion;
        after.logTable = this.#log.clear(before.logTable!, after);
      },
      undo: () => {
        spaces[number] = before;
      },
    };
    this.undo.addSpaceChange(change, this.nextVersion());
    this.unwritten++;
    return after;
  }

  /** Exchanges two spaces, as part of a transaction. */
  swap(a: number, b: number): void {
    const spaces = this.#spaces;
    if (this.#hold !== undefined) this.#hold.all = true;
    const first = spaces[a]!;
    const second = spaces[b]!;
    spaces[a] = second;
    spaces[b] = first;
    const change = {
      write: () => {
        first.movedIn = second.movedIn = this.#log.nextVersion;
        this.#log.swap(first.logTable!, second.logTable!);
      },
      undo: () => {
        spaces[a] = first;
        spaces[b] = second;
      },
    };
    this.undo.addSpaceChange(change, this.nextVersion());
    this.unwritten++;
  }

  /**
   * Writes the changes of a transaction to the log.
   *
   * @throws {StorageUnavailableError} If the log does not take its puts; then all of it is undone.
   */
  write(): void {
    const problem = this.#log.putProblem();
    if (problem !== undefined && this.undo.hasPuts(this.unwritten)) {
      this.rollBack();
      throw storageUnavailable(problem);
    }
    this.undo.write(this.unwritten, this.#log);
    this.unwritten = 0;
    // The log has given the changes other versions, and may give a later change one of the old ones.
    this.#lastEntry = undefined;
  }

  /** Undoes the changes of a transaction, except for so many at its beginning. */
  rollBack(kept = 0): void {
    this.undo.undoLast(this.unwritten - kept);
    this.unwritten = kept;
    // The next change may get the same version.
    this.#lastEntry = undefined;
    if (this.expiring) this.#options.onExpiring();
  }

  /** Records a change of a key, so that it can be undone. */
  #keep(space: MemorySpace, version: number, after: number): void {
    this.undo.add(space, version, after, space.table.kept);
    this.unwritten++;
  }

  /** Checks that the value of the present key fits into the memory limit. */
  #reserve(space: MemorySpace, keyLength: number, valueLength: number): void {
    if (this.hasRoom(keyLength + valueLength)) return;
    const { table } = space;
    const before = table.find(this.#key.bytes, 0, keyLength);
    this.reserve(
      before === 0 ? keyLength + valueLength : valueLength - table.records.valueLength(before),
    );
  }

  /**
   * Makes room for more bytes.
   *
   * @throws {OutOfMemoryError} If that is impossible.
   */
  reserve(more: number): void {
    if (more <= 0 || this.hasRoom(more)) return;
    throw new OutOfMemoryError(
      `Cannot store ${more} more bytes: ${this.bytes} of ${this.maxBytes} are in use`,
      { neededBytes: more },
    );
  }
}

function asOutOfMemory(error: unknown): unknown {
  if (!(error instanceof TableFullError)) return error;
  return new OutOfMemoryError(error.message, { cause: error });
}
