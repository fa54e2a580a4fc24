/**
 * The store that holds the key space in memory. A commit log makes it durable; without one it is
 * the whole of `memory:`.
 *
 * A change is in the key space as soon as its transaction has run, so that the next transaction
 * builds on it without waiting for the disk. Nobody outside learns of it before it is durable:
 * each item knows the commit group it is in, and whoever saw one of a group on its way waits for
 * that group before answering. When a group fails, it and all that was built on it is taken back,
 * newest change first, and all who wait get the error.
 *
 * @module
 */

import type { CommitLog, LogTable } from "./commit_log.ts";
import { type Change, ClearChange, ItemChange, SwapChange } from "./memory_changes.ts";
import { Item, MemorySpace } from "./memory_space.ts";
import { decodeRecord } from "./memory_record.ts";
import {
  type Entry,
  type Key,
  type MaybePromise,
  OutOfMemoryError,
  type Place,
  type ScanRange,
  type SpaceTransaction,
  type Store,
  type StoreStats,
  type Transaction,
} from "./store.ts";
import type { Value } from "./value.ts";

/** How often expired entries are looked for, while there are entries that can expire. */
const EXPIRY_INTERVAL_MS = 100;

/** How many expired entries are removed before the event loop gets its turn. */
const EXPIRY_STEP_ENTRIES = 200;

/** How often a random key may turn out to have expired before the next one in order is taken. */
const RANDOM_KEY_TRIES = 32;

/** Options for {@linkcode MemoryStore.open}. */
export interface MemoryStoreOptions {
  /** How many spaces there are. @default {16} */
  spaces?: number;
  /** Bytes of keys and values that it may hold. @default {Infinity} */
  maxBytes?: number;
}

/** A store with its key space in memory. */
export class MemoryStore implements Store {
  readonly maxKeyBytes = Infinity;
  readonly #log: CommitLog;
  readonly #spaces: MemorySpace[];
  readonly #maxBytes: number;
  readonly #transaction: ItemTransaction;
  readonly #stopListening: () => void;
  /** Changes that are not durable yet, oldest first. */
  #pending: Change[] = [];
  #bytes = 0;
  #lastVersion = 0;
  /** Set while a transaction over whole spaces runs; resolves when it has ended. */
  #gate: Promise<void> | undefined;
  #expiryTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  private constructor(log: CommitLog, tables: LogTable[], maxBytes: number) {
    this.#log = log;
    this.#spaces = tables.map((table) => new MemorySpace(table));
    this.#maxBytes = maxBytes;
    this.#transaction = new ItemTransaction(this);
    this.#stopListening = log.listen({
      committed: (group) => this.#committed(group),
      failed: () => this.#failed(),
    });
  }

  /**
   * Opens the store that a commit log holds.
   *
   * @throws {StorageUnavailableError}
   */
  static async open(log: CommitLog, options: MemoryStoreOptions = {}): Promise<MemoryStore> {
    const { spaces = 16, maxBytes = Infinity } = options;
    const tables: LogTable[] = [];
    for (let space = 0; space < spaces; space++) tables.push(await log.openTable(`kv_${space}`));
    const store = new MemoryStore(log, tables, maxBytes);
    try {
      await store.#load();
    } catch (error) {
      store.#stopListening();
      throw error;
    }
    store.#expireLater();
    return store;
  }

  async #load(): Promise<void> {
    for (const space of this.#spaces) {
      for await (const page of this.#log.load(space.table)) {
        for (const [key, record] of page) {
          const { value, expiresAtMs } = decodeRecord(record);
          this.#replace(space, key, undefined, this.#newItem(value, expiresAtMs));
        }
      }
    }
  }

  get(space: number, key: Key): MaybePromise<Entry | undefined> {
    if (this.#gate !== undefined) return this.#gate.then(() => this.get(space, key));
    const { items, deletedIn, movedIn } = this.#spaces[space]!;
    const item = items.get(key);
    const found = item === undefined || (item.expiresAtMs !== 0 && item.expired(Date.now()))
      ? undefined
      : item;
    const seen = Math.max(movedIn, item === undefined ? deletedIn : item.group);
    if (seen > this.#log.committed) return this.#log.flushed(seen).then(() => found);
    return found;
  }

  put(number: number, key: Key, value: Value, expiresAtMs: number): MaybePromise<void> {
    if (this.#gate !== undefined) {
      return this.#gate.then(() => this.put(number, key, value, expiresAtMs));
    }
    const space = this.#spaces[number]!;
    const before = space.items.get(key);
    this.#reserve(key, before, value);
    const after = this.#newItem(value, expiresAtMs);
    this.#replace(space, key, before, after);
    if (expiresAtMs !== 0) this.#expireLater();
    if (!this.#log.durable) return;
    const change = new ItemChange(space, key, before, after);
    change.write(this.#log);
    this.#pending.push(change);
    return this.#log.flushed();
  }

  transact<T>(
    places: readonly Place[],
    run: (transaction: Transaction) => T,
  ): MaybePromise<T> {
    if (this.#gate !== undefined) return this.#gate.then(() => this.transact(places, run));
    const transaction = this.#transaction;
    transaction.begin();
    let result: T;
    try {
      result = run(transaction);
    } catch (error) {
      this.#undo(transaction.changes);
      if (transaction.seen <= this.#log.committed) throw error;
      return this.#log.flushed(transaction.seen).then(() => {
        throw error;
      });
    }
    const wait = this.#commit(transaction.changes) ?? this.#awaitGroup(transaction.seen);
    return wait === undefined ? result : wait.then(() => result);
  }

  async transactSpaces<T>(run: (transaction: SpaceTransaction) => Promise<T>): Promise<T> {
    for (;;) {
      const release = await this.#closeGate();
      const transaction = new WholeTransaction(this);
      let outcome: { result: T } | { unsorted: MemorySpace };
      let wait: Promise<void> | undefined;
      try {
        outcome = await Promise.race([
          run(transaction).then((result) => ({ result })),
          transaction.unsorted.then((unsorted) => ({ unsorted })),
        ]);
        if ("result" in outcome) wait = this.#commit(transaction.changes);
        else this.#undo(transaction.changes);
      } catch (error) {
        this.#undo(transaction.changes);
        throw error;
      } finally {
        release();
      }
      if ("result" in outcome) {
        await wait;
        return outcome.result;
      }
      // It asked for the order of a space that has none yet. Sorting takes a while, and nobody
      // else should wait for it: the transaction runs again afterwards.
      await outcome.unsorted.sort();
    }
  }

  scan(number: number, range: ScanRange): MaybePromise<[Key, Entry][]> {
    if (this.#gate !== undefined) return this.#gate.then(() => this.scan(number, range));
    const space = this.#spaces[number]!;
    if (space.order === undefined) return space.sort().then(() => this.scan(number, range));
    const page = this.page(space, range, Date.now());
    let seen = Math.max(space.deletedIn, space.movedIn);
    for (const [, item] of page) seen = Math.max(seen, item.group);
    const wait = this.#awaitGroup(seen);
    return wait === undefined ? page : wait.then(() => page);
  }

  problem(): string | undefined {
    return this.#log.problem();
  }

  stats(): StoreStats {
    return { bytes: this.#bytes, maxBytes: this.#maxBytes, ...this.#log.stats() };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#expiryTimer);
    await this.#gate;
    try {
      await this.#log.flushed();
    } catch {
      // Whoever made the writes has been told.
    } finally {
      this.#stopListening();
    }
  }

  // What the transactions of this file need.

  /** The space of a number. */
  space(number: number): MemorySpace {
    return this.#spaces[number]!;
  }

  /** Sets a value and notes the change. */
  change(changes: Change[], space: MemorySpace, key: Key, after: Value, expiresAtMs: number) {
    const before = space.items.get(key);
    this.#reserve(key, before, after);
    const item = this.#newItem(after, expiresAtMs);
    this.#replace(space, key, before, item);
    if (expiresAtMs !== 0) this.#expireLater();
    changes.push(new ItemChange(space, key, before, item));
  }

  /** Removes an item and notes the change. */
  remove(changes: Change[], space: MemorySpace, key: Key, before: Item): void {
    this.#replace(space, key, before, undefined);
    changes.push(new ItemChange(space, key, before, undefined));
  }

  /** Removes all keys of a space and notes the change. */
  clear(changes: Change[], number: number): void {
    const before = this.#spaces[number]!;
    this.#bytes -= before.bytes;
    const after = this.#spaces[number] = new MemorySpace(before.table);
    changes.push(new ClearChange(this.#spaces, number, before, after));
  }

  /** Exchanges two spaces and notes the change. */
  swap(changes: Change[], a: number, b: number): void {
    const change = new SwapChange(this.#spaces, a, b);
    change.apply();
    changes.push(change);
  }

  /** A page of a space that is in order. */
  page(space: MemorySpace, range: ScanRange, nowMs: number): [Key, Item][] {
    const { prefix = "", after, limit } = range;
    const page: [Key, Item][] = [];
    if (limit < 1) return page;
    const inclusive = after === undefined || after < prefix;
    for (const key of space.order!.keysFrom(inclusive ? prefix : after, { inclusive })) {
      if (!key.startsWith(prefix)) break;
      const item = space.items.get(key)!;
      if (item.expired(nowMs)) continue;
      page.push([key, item]);
      if (page.length === limit) break;
    }
    return page;
  }

  #newItem(value: Value, expiresAtMs: number): Item {
    return new Item(value, ++this.#lastVersion, expiresAtMs, this.#log.gathering);
  }

  #replace(space: MemorySpace, key: Key, before: Item | undefined, after: Item | undefined): void {
    const bytesBefore = space.bytes;
    space.replace(key, before, after);
    this.#bytes += space.bytes - bytesBefore;
  }

  /** Checks that there is memory for a value. */
  #reserve(key: Key, before: Item | undefined, value: Value): void {
    const more = before === undefined
      ? key.length + value.length
      : value.length - before.value.length;
    if (more <= 0 || this.#bytes + more <= this.#maxBytes) return;
    throw new OutOfMemoryError(
      `Cannot store ${more} more bytes: ${this.#bytes} of ${this.#maxBytes} are in use`,
    );
  }

  /** Hands changes to the log; what to wait for, if anything. */
  #commit(changes: readonly Change[]): Promise<void> | undefined {
    if (changes.length === 0 || !this.#log.durable) return undefined;
    for (const change of changes) {
      change.write(this.#log);
      this.#pending.push(change);
    }
    return this.#log.flushed();
  }

  #awaitGroup(group: number): Promise<void> | undefined {
    return group > this.#log.committed ? this.#log.flushed(group) : undefined;
  }

  #undo(changes: readonly Change[]): void {
    for (let index = changes.length - 1; index >= 0; index--) {
      this.#bytes += changes[index]!.undo();
    }
    this.#expireLater();
  }

  #committed(group: number): void {
    const pending = this.#pending;
    let durable = 0;
    while (durable < pending.length && pending[durable]!.group <= group) durable++;
    if (durable === pending.length) this.#pending = [];
    else pending.splice(0, durable);
  }

  #failed(): void {
    this.#undo(this.#pending);
    this.#pending = [];
    for (const space of this.#spaces) space.deletedIn = space.movedIn = 0;
  }

  /** Waits for its turn, and until all is durable; nobody else gets in before the release. */
  async #closeGate(): Promise<() => void> {
    while (this.#gate !== undefined) await this.#gate;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    try {
      if (this.#pending.length > 0) await this.#log.flushed();
    } catch {
      // Taken back, and whoever made the writes has been told.
    }
    return () => {
      this.#gate = undefined;
      resolve();
    };
  }

  #expireLater(delayMs = EXPIRY_INTERVAL_MS): void {
    if (this.#expiryTimer !== undefined || this.#closed) return;
    if (!this.#spaces.some((space) => space.expiry.size > 0)) return;
    const timer = this.#expiryTimer = setTimeout(() => {
      this.#expiryTimer = undefined;
      const removed = this.#gate === undefined && this.problem() === undefined ? this.#expire() : 0;
      this.#expireLater(removed === EXPIRY_STEP_ENTRIES ? 0 : EXPIRY_INTERVAL_MS);
    }, delayMs);
    Deno.unrefTimer(timer);
  }

  /** Removes a few expired entries; how many it were. */
  #expire(): number {
    const nowMs = Date.now();
    const changes: Change[] = [];
    for (const space of this.#spaces) {
      while (changes.length < EXPIRY_STEP_ENTRIES && space.expiry.nextMs <= nowMs) {
        const { key, entry } = space.expiry.first()!;
        if (entry.group > this.#log.committed && this.#log.durable) break;
        this.remove(changes, space, key, entry);
      }
    }
    this.#commit(changes)?.catch(() => {
      // Taken back; the next step tries again.
    });
    return changes.length;
  }
}

/** A transaction over single items. There is one, which is used again and again. */
class ItemTransaction implements Transaction {
  nowMs = 0;
  changes: Change[] = [];
  /** The newest commit group of all that it has seen. */
  seen = 0;
  readonly #store: MemoryStore;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  begin(): void {
    this.nowMs = Date.now();
    if (this.changes.length > 0) this.changes = [];
    this.seen = 0;
  }

  get(number: number, key: Key): Item | undefined {
    return this.#look(this.#store.space(number), key);
  }

  put(number: number, key: Key, value: Value, expiresAtMs: number): void {
    this.#store.change(this.changes, this.#store.space(number), key, value, expiresAtMs);
  }

  delete(number: number, key: Key): boolean {
    const space = this.#store.space(number);
    const item = this.#look(space, key);
    if (item === undefined) return false;
    this.#store.remove(this.changes, space, key, item);
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
class WholeTransaction implements SpaceTransaction {
  readonly nowMs = Date.now();
  readonly changes: Change[] = [];
  /** Resolves when the transaction needs the order of a space that has none. */
  readonly unsorted: Promise<MemorySpace>;
  readonly #store: MemoryStore;
  #giveUp: (space: MemorySpace) => void;

  constructor(store: MemoryStore) {
    this.#store = store;
    ({ promise: this.unsorted, resolve: this.#giveUp } = Promise.withResolvers<MemorySpace>());
  }

  async get(number: number, key: Key): Promise<Entry | undefined> {
    return await this.#look(this.#store.space(number), key);
  }

  // deno-lint-ignore require-await -- what it throws has to reject
  async put(number: number, key: Key, value: Value, expiresAtMs: number): Promise<void> {
    this.#store.change(this.changes, this.#store.space(number), key, value, expiresAtMs);
  }

  async delete(number: number, key: Key): Promise<boolean> {
    const space = this.#store.space(number);
    const item = await this.#look(space, key);
    if (item === undefined) return false;
    this.#store.remove(this.changes, space, key, item);
    return true;
  }

  count(number: number): Promise<{ keys: number; expiring: number }> {
    const { items, expiry } = this.#store.space(number);
    const expired = expiry.countUntil(this.nowMs);
    return Promise.resolve({ keys: items.size - expired, expiring: expiry.size - expired });
  }

  async scan(number: number, range: ScanRange): Promise<[Key, Entry][]> {
    const space = this.#store.space(number);
    if (space.order === undefined) return await this.#restart(space);
    return this.#store.page(space, range, this.nowMs);
  }

  async randomKey(number: number): Promise<Key | undefined> {
    const space = this.#store.space(number);
    if (space.order === undefined) return await this.#restart(space);
    for (let tries = 0; tries < RANDOM_KEY_TRIES; tries++) {
      const key = space.order.random();
      if (key === undefined) return undefined;
      if (this.#look(space, key) !== undefined) return key;
    }
    return this.#store.page(space, { limit: 1 }, this.nowMs)[0]?.[0];
  }

  clear(number: number): Promise<void> {
    this.#store.clear(this.changes, number);
    return Promise.resolve();
  }

  swap(a: number, b: number): Promise<void> {
    if (a !== b) this.#store.swap(this.changes, a, b);
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
