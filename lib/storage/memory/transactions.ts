/**
 * The transactions of the store in memory.
 *
 * @module
 */

import type { Change } from "./changes.ts";
import type { KeySpace } from "./key_space.ts";
import type { Item, MemorySpace } from "./memory_space.ts";
import type { SortedKeys } from "./sorted_keys.ts";
import type { Entry, Key, KeyCount, ScanRange, SpaceTransaction, Transaction } from "../store.ts";
import type { Value } from "../value.ts";

/** Random keys to try, as each may have expired, before falling back to the first in order. */
const RANDOM_KEY_TRIES = 32;

/** A transaction over single items. The store reuses one object for all of them. */
export class ItemTransaction implements Transaction {
  nowMs = 0;
  changes: Change[] = [];
  /** The newest commit group among everything it has read. */
  seen = 0;
  /** Bytes it has written, including values it has overwritten. */
  #writtenBytes = 0;
  readonly #keys: KeySpace;

  constructor(keys: KeySpace) {
    this.#keys = keys;
  }

  /** Starts a new transaction. */
  begin(): void {
    this.nowMs = Date.now();
    if (this.changes.length > 0) this.changes = [];
    this.seen = 0;
    this.#writtenBytes = 0;
  }

  get(number: number, key: Key): Item | undefined {
    return this.#look(this.#keys.space(number), key);
  }

  put(number: number, key: Key, value: Value, expiresAtMs: number): void {
    this.#writtenBytes += value.length;
    this.#keys.checkWritten(this.#writtenBytes);
    this.#keys.put(this.changes, this.#keys.space(number), key, value, expiresAtMs);
  }

  delete(number: number, key: Key): boolean {
    const space = this.#keys.space(number);
    const item = this.#look(space, key);
    if (item === undefined) return false;
    this.#keys.remove(this.changes, space, key, item);
    return true;
  }

  #look(space: MemorySpace, key: Key): Item | undefined {
    const item = space.items.get(key);
    const seen = item === undefined ? space.deletedIn : item.group;
    if (seen > this.seen) this.seen = seen;
    if (space.movedIn > this.seen) this.seen = space.movedIn;
    return item === undefined || item.expired(this.nowMs) ? undefined : item;
  }
}

/** Thrown into a transaction that needs the keys of a space in order before they are sorted. */
export class UnsortedSpaceError extends Error {
  override name = "UnsortedSpaceError";
}

/** A transaction over whole spaces. The gate ensures that everything it reads is durable. */
export class WholeTransaction implements SpaceTransaction {
  readonly nowMs = Date.now();
  readonly changes: Change[] = [];
  /**
   * The space whose order it asked for too early. If set, undo the changes, sort the space and run
   * the transaction again, even if its function has caught the {@linkcode UnsortedSpaceError}.
   */
  unsorted: MemorySpace | undefined;
  readonly #keys: KeySpace;
  readonly #retry: boolean;
  #writtenBytes = 0;

  /** @param options `retry`: whether an earlier run found an unsorted space. */
  constructor(keys: KeySpace, { retry }: { retry: boolean }) {
    this.#keys = keys;
    this.#retry = retry;
  }

  async get(number: number, key: Key): Promise<Entry | undefined> {
    return await this.#look(this.#keys.space(number), key);
  }

  // deno-lint-ignore require-await -- an error must reject, not throw
  async put(number: number, key: Key, value: Value, expiresAtMs: number): Promise<void> {
    this.#writtenBytes += value.length;
    this.#keys.checkWritten(this.#writtenBytes);
    this.#keys.put(this.changes, this.#keys.space(number), key, value, expiresAtMs);
  }

  async delete(number: number, key: Key): Promise<boolean> {
    const space = this.#keys.space(number);
    const item = await this.#look(space, key);
    if (item === undefined) return false;
    this.#keys.remove(this.changes, space, key, item);
    return true;
  }

  count(number: number): Promise<KeyCount> {
    const { items, expiry } = this.#keys.space(number);
    const expired = expiry.countUntil(this.nowMs);
    return Promise.resolve({
      keys: items.size - expired,
      expiring: expiry.size - expired,
      averageTtlMs: expiry.averageTtlMs(this.nowMs),
    });
  }

  // deno-lint-ignore require-await -- an error must reject, not throw
  async scan(number: number, range: ScanRange): Promise<[Key, Entry][]> {
    const space = this.#keys.space(number);
    this.#orderOf(space);
    return this.#keys.page(space, range, this.nowMs);
  }

  // deno-lint-ignore require-await -- an error must reject, not throw
  async randomKey(number: number): Promise<Key | undefined> {
    const space = this.#keys.space(number);
    const order = this.#orderOf(space);
    for (let tries = 0; tries < RANDOM_KEY_TRIES; tries++) {
      const key = order.random();
      if (key === undefined) return undefined;
      if (this.#look(space, key) !== undefined) return key;
    }
    return this.#keys.page(space, { limit: 1 }, this.nowMs)[0]?.[0];
  }

  clear(number: number): Promise<void> {
    const space = this.#keys.clear(this.changes, number);
    // Each retry creates a new empty space; sort it now, or the retry will ask again.
    if (this.#retry) void space.sort();
    return Promise.resolve();
  }

  swap(a: number, b: number): Promise<void> {
    if (a !== b) this.#keys.swap(this.changes, a, b);
    return Promise.resolve();
  }

  #look(space: MemorySpace, key: Key): Item | undefined {
    const item = space.items.get(key);
    return item === undefined || item.expired(this.nowMs) ? undefined : item;
  }

  #orderOf(space: MemorySpace): SortedKeys {
    if (space.order !== undefined) return space.order;
    this.unsorted ??= space;
    throw new UnsortedSpaceError("Cannot read keys in order: the space is not sorted yet");
  }
}
