/**
 * The transactions of the store in memory.
 *
 * @module
 */

import type { Change } from "./changes.ts";
import type { KeySpace } from "./key_space.ts";
import type { Item, MemorySpace } from "./memory_space.ts";
import type { Entry, Key, ScanRange, SpaceTransaction, Transaction } from "../store.ts";
import type { Value } from "../value.ts";

/** How often a random key may turn out to have expired before the first one in order is taken. */
const RANDOM_KEY_TRIES = 32;

/** A transaction over single items. There is one, which is used again and again. */
export class ItemTransaction implements Transaction {
  nowMs = 0;
  changes: Change[] = [];
  /** The newest commit group of all that it has seen. */
  seen = 0;
  /** Bytes that it has written, what it has overwritten again included. */
  #writtenBytes = 0;
  readonly #keys: KeySpace;

  constructor(keys: KeySpace) {
    this.#keys = keys;
  }

  /** Forgets the one before. */
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

/** A transaction over whole spaces. All it finds is durable: the gate has seen to that. */
export class WholeTransaction implements SpaceTransaction {
  readonly nowMs = Date.now();
  readonly changes: Change[] = [];
  /** Resolves when the transaction needs the order of a space that has none. */
  readonly unsorted: Promise<MemorySpace>;
  readonly #keys: KeySpace;
  readonly #restarted: boolean;
  #giveUp: (space: MemorySpace) => void;
  #writtenBytes = 0;

  /** @param options `restarted`: whether it has had to wait for an order before. */
  constructor(keys: KeySpace, { restarted }: { restarted: boolean }) {
    this.#keys = keys;
    this.#restarted = restarted;
    ({ promise: this.unsorted, resolve: this.#giveUp } = Promise.withResolvers<MemorySpace>());
  }

  async get(number: number, key: Key): Promise<Entry | undefined> {
    return await this.#look(this.#keys.space(number), key);
  }

  // deno-lint-ignore require-await -- what it throws has to reject
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

  count(number: number): Promise<{ keys: number; expiring: number }> {
    const { items, expiry } = this.#keys.space(number);
    const expired = expiry.countUntil(this.nowMs);
    return Promise.resolve({ keys: items.size - expired, expiring: expiry.size - expired });
  }

  async scan(number: number, range: ScanRange): Promise<[Key, Entry][]> {
    const space = this.#keys.space(number);
    if (space.order === undefined) return await this.#restart(space);
    return this.#keys.page(space, range, this.nowMs);
  }

  async randomKey(number: number): Promise<Key | undefined> {
    const space = this.#keys.space(number);
    if (space.order === undefined) return await this.#restart(space);
    for (let tries = 0; tries < RANDOM_KEY_TRIES; tries++) {
      const key = space.order.random();
      if (key === undefined) return undefined;
      if (this.#look(space, key) !== undefined) return key;
    }
    return this.#keys.page(space, { limit: 1 }, this.nowMs)[0]?.[0];
  }

  clear(number: number): Promise<void> {
    const space = this.#keys.clear(this.changes, number);
    // A space of its own cannot be put in order before the next try, which makes another one.
    if (this.#restarted) void space.sort();
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

  #restart(space: MemorySpace): Promise<never> {
    this.#giveUp(space);
    return new Promise(() => {});
  }
}
