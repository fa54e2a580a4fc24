/**
 * The transactions of the store in memory.
 *
 * @module
 */

import type { KeySpace } from "./key_space.ts";
import { completePage, readPage } from "./pages.ts";
import { type PreparedMemory, touched, UnpreparedMemoryError } from "./prepared_memory.ts";
import type { MemorySpace } from "./memory_space.ts";
import type { Entry, Key, KeyCount, ScanRange, SpaceTransaction, Transaction } from "../store.ts";
import { Turn } from "../../turn.ts";
import { type Value, valueBytes } from "../value.ts";

/** Random keys to try, as each may have expired, before falling back to the first in order. */
const RANDOM_KEY_TRIES = 32;

/** Expired entries to count before looking at the clock. */
const COUNT_STEP_ENTRIES = 10_000;

/** A transaction over single keys. The store reuses one object for all of them. */
export class KeyTransaction implements Transaction {
  nowMs = 0;
  /** The newest version among everything it has read. */
  seen = 0;
  /** How often it has written, and how many bytes, including values it has overwritten. */
  puts = 0;
  writtenBytes = 0;
  /** Whether it has to wait for a transaction over whole spaces, and then run again. */
  held = false;
  readonly #keys: KeySpace;
  readonly #mayBeHeld: boolean;

  /** @param options `mayBeHeld`: whether it runs beside transactions over whole spaces. */
  constructor(keys: KeySpace, { mayBeHeld }: { mayBeHeld: boolean }) {
    this.#keys = keys;
    this.#mayBeHeld = mayBeHeld;
  }

  /** Starts a new transaction. */
  begin(): void {
    this.nowMs = Date.now();
    this.seen = 0;
    this.held = false;
    this.puts = this.writtenBytes = 0;
  }

  get(number: number, key: Key): Entry | undefined {
    const space = this.#keys.space(number);
    const address = this.#look(space, key);
    if (address === 0) return undefined;
    this.#keys.touch(space, address);
    return this.#keys.entry(space, address);
  }

  put(number: number, key: Key, value: Value, expiresAtMs: number): void {
    this.puts++;
    this.writtenBytes += value.length;
    this.#keys.checkWritten(this.writtenBytes);
    this.#keys.put(this.#keys.space(number), key, value, expiresAtMs, true);
  }

  delete(number: number, key: Key): boolean {
    const space = this.#keys.space(number);
    const address = this.#look(space, key);
    if (address === 0) return false;
    this.#keys.remove(space, address, true);
    return true;
  }

  length(number: number, key: Key): number {
    const space = this.#keys.space(number);
    const address = this.#look(space, key);
    if (address === 0) return -1;
    this.#keys.touch(space, address);
    return space.table.records.valueLength(address);
  }

  read(number: number, key: Key, start: number, end: number): Uint8Array | undefined {
    const space = this.#keys.space(number);
    const address = this.#look(space, key);
    if (address === 0) return undefined;
    this.#keys.touch(space, address);
    return space.table.records.readValue(address, start, end);
  }

  hasExpired(number: number, key: Key): boolean {
    const space = this.#keys.space(number);
    const address = this.#keys.find(space, key);
    return address !== 0 && this.#keys.expired(space, address, this.nowMs);
  }

  write(number: number, key: Key, offset: number, value: Value): boolean {
    const more = offset + value.length - this.length(number, key);
    this.puts++;
    // By how much it grows includes the value, and zeros before it.
    this.writtenBytes += Math.max(value.length, more);
    this.#keys.checkWritten(this.writtenBytes);
    this.#keys.reserve(more);
    const space = this.#keys.space(number);
    // Only now, since making room may have evicted it.
    const address = this.#look(space, key);
    if (address === 0) return false;
    const bytes = valueBytes(value);
    this.#keys.overwrite(space, address, offset, bytes, 0, bytes.length, true);
    return true;
  }

  #look(space: MemorySpace, key: Key): number {
    const address = this.#keys.find(space, key);
    if (this.#mayBeHeld && this.#keys.isHeld(space, address)) {
      this.held = true;
      throw new HeldError();
    }
    const seen = address === 0 ? space.deletedIn : space.table.records.version(address);
    // Its own changes have versions too, but it waits for those anyway.
    if (seen > this.seen) this.seen = seen;
    if (space.movedIn > this.seen) this.seen = space.movedIn;
    return address !== 0 && this.#keys.expired(space, address, this.nowMs) ? 0 : address;
  }
}

/** Thrown into a transaction that reads what another one has changed but not committed. */
export class HeldError extends Error {
  override name = "HeldError";
}

/** Thrown into a transaction that needs the keys of a space in order before they are sorted. */
export class UnsortedSpaceError extends Error {
  override name = "UnsortedSpaceError";
}

/** A transaction over whole spaces. The gate ensures that everything it reads is durable. */
export class WholeTransaction implements SpaceTransaction {
  /**
   * The space whose order it asked for too early. If set, undo the changes, sort the space and run
   * the transaction again, even if its function has caught the {@linkcode UnsortedSpaceError}.
   */
  unsorted: MemorySpace | undefined;
  readonly #keys: KeySpace;
  readonly #memory: PreparedMemory;
  readonly #retry: boolean;
  readonly #single: KeyTransaction;

  /** @param options `retry`: whether an earlier run found an unsorted space. */
  constructor(keys: KeySpace, { memory, retry }: { memory: PreparedMemory; retry: boolean }) {
    this.#keys = keys;
    this.#memory = memory;
    this.#retry = retry;
    this.#single = new KeyTransaction(keys, { mayBeHeld: false });
    this.#single.begin();
  }

  get nowMs(): number {
    return this.#single.nowMs;
  }

  /** How often it has written, and how many bytes, including values it has overwritten. */
  get written(): { puts: number; writtenBytes: number } {
    return this.#single;
  }

  async run<T>(work: (transaction: Transaction) => T): Promise<T> {
    const single = this.#single, { puts, writtenBytes } = single, { unwritten } = this.#keys;
    for (const buffers: ArrayBuffer[] = [];;) {
      try {
        return buffers.length === 0
          ? work(single)
          : this.#memory.offer(buffers, () => work(single));
      } catch (error) {
        this.#keys.rollBack(unwritten);
        if (!(error instanceof UnpreparedMemoryError)) throw error;
        single.puts = puts;
        single.writtenBytes = writtenBytes;
        buffers.push(await touched(error.bytes));
      }
    }
  }

  get(number: number, key: Key): Promise<Entry | undefined> {
    return this.run((single) => single.get(number, key));
  }

  put(number: number, key: Key, value: Value, expiresAtMs: number): Promise<void> {
    return this.run((single) => single.put(number, key, value, expiresAtMs));
  }

  delete(number: number, key: Key): Promise<boolean> {
    return this.run((single) => single.delete(number, key));
  }

  async count(number: number): Promise<KeyCount> {
    const { table } = this.#keys.space(number);
    const turn = new Turn();
    const open = [0];
    let expired = 0;
    while (open.length > 0) {
      expired += table.expiry.countUntil(this.nowMs, open, COUNT_STEP_ENTRIES);
      if (turn.over) await turn.next();
    }
    return {
      keys: table.size - expired,
      expiring: table.expiry.size - expired,
      averageTtlMs: table.expiry.averageTtlMs(this.nowMs),
    };
  }

  // deno-lint-ignore require-await -- an error must reject, not throw
  async scan(number: number, range: ScanRange): Promise<[Key, Entry][]> {
    const space = this.#keys.space(number);
    this.#mustBeSorted(space);
    const { page, rest } = readPage(this.#keys, space, { range, nowMs: this.nowMs });
    return rest === undefined ? page : completePage(page, () => this.scan(number, rest));
  }

  async randomKey(number: number): Promise<Key | undefined> {
    const space = this.#keys.space(number);
    for (let tries = 0; tries < RANDOM_KEY_TRIES; tries++) {
      const address = space.table.random();
      if (address === 0) return undefined;
      if (!this.#keys.expired(space, address, this.nowMs)) return this.#keys.keyOf(space, address);
    }
    const page = await this.scan(number, { limit: 1, keysOnly: true });
    return page[0]?.[0];
  }

  clear(number: number): Promise<void> {
    const space = this.#keys.clear(number);
    // Each retry creates a new empty space; sort it now, or the retry will ask again.
    if (this.#retry) void space.sort();
    return Promise.resolve();
  }

  swap(a: number, b: number): Promise<void> {
    if (a !== b) this.#keys.swap(a, b);
    return Promise.resolve();
  }

  #mustBeSorted(space: MemorySpace): void {
    if (space.sorted) return;
    this.unsorted ??= space;
    throw new UnsortedSpaceError("Cannot read keys in order: the space is not sorted yet");
  }
}

/** What became of a transaction over whole spaces. */
export type WholeOutcome<T> =
  | { result: T; durable: Promise<void> | undefined }
  | { unsorted: MemorySpace }
  | { full: unknown; written: WholeTransaction["written"] };
