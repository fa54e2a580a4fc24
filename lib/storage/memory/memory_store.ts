/**
 * The store that holds the key space in memory and writes all changes to a commit log.
 *
 * A change is visible in the key space as soon as its transaction has run, so the next transaction
 * can build on it without waiting for the disk. Clients see it only once it is durable: each item
 * knows its commit group, and a read of an item whose group is not durable yet waits for that group.
 * When a group fails, its changes and all later ones are undone, newest first, and every waiting
 * call gets the error.
 *
 * @module
 */

import type { CommitLog } from "../commit_log.ts";
import type { Change } from "./changes.ts";
import { KeySpace } from "./key_space.ts";
import type { MemorySpace } from "./memory_space.ts";
import { SpaceOwner } from "./space_owner.ts";
import { ItemTransaction, WholeTransaction } from "./transactions.ts";
import type {
  Entry,
  Key,
  MaybePromise,
  Place,
  ScanRange,
  SpaceTransaction,
  Store,
  StoreMetrics,
  Transaction,
} from "../store.ts";
import type { Value } from "../value.ts";

/** How often to look for expired entries, while any entry can expire. */
const EXPIRY_INTERVAL_MS = 100;

/** Once this much waits for the disk, new operations wait until it is written. */
const MAX_GATHERING_BYTES = 32 * 1024 * 1024;

/** Expired entries to remove before yielding to the event loop. */
const EXPIRY_STEP_ENTRIES = 200;

/** Options for {@linkcode MemoryStore.open}. */
export interface MemoryStoreOptions {
  /** Number of spaces. @default {16} */
  spaces?: number;
  /** Limit on bytes of keys and values. @default {Infinity} */
  maxBytes?: number;
}

/** A store with its key space in memory. */
export class MemoryStore implements Store {
  readonly maxKeyBytes = Infinity;
  readonly #log: CommitLog;
  readonly #keys: KeySpace;
  readonly #transaction: ItemTransaction;
  readonly #stopListening: () => void;
  /** Changes not durable yet, oldest first. */
  #pending: Change[] = [];
  /** Set while a transaction over whole spaces runs or the disk is behind; resolves after that. */
  #gate: Promise<void> | undefined;
  #expiryTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  private constructor(log: CommitLog, spaces: number, maxBytes: number) {
    this.#log = log;
    this.#keys = new KeySpace({
      spaces,
      maxBytes,
      nextVersion: () => log.nextVersion,
      own: (space) => {
        if (log.durable) space.owner = new SpaceOwner(space, () => this.#keys, () => this.#gate);
      },
      onExpiring: () => this.#expireLater(),
    });
    this.#transaction = new ItemTransaction(this.#keys);
    this.#stopListening = log.listen({
      committed: (version) => this.#committed(version),
      failed: () => this.#failed(),
    });
  }

  /**
   * Opens the store in a commit log.
   *
   * @throws {StorageUnavailableError}
   */
  static async open(log: CommitLog, options: MemoryStoreOptions = {}): Promise<MemoryStore> {
    const { spaces = 16, maxBytes = Infinity } = options;
    const store = new MemoryStore(log, spaces, maxBytes);
    try {
      await store.#load();
    } catch (error) {
      store.#stopListening();
      throw error;
    }
    return store;
  }

  async #load(): Promise<void> {
    if (!this.#log.durable) return;
    const owners: Record<string, SpaceOwner<MemorySpace>> = {};
    const { spaces } = this.#keys;
    for (const [number, { owner }] of spaces.entries()) owners[`kv_${number}`] = owner!;
    const tables = await this.#log.openTables(owners);
    for (const [number, space] of spaces.entries()) space.table = tables[number];
  }

  get(space: number, key: Key): MaybePromise<Entry | undefined> {
    if (this.#gate !== undefined) return this.#gate.then(() => this.get(space, key));
    const { items, deletedIn, movedIn } = this.#keys.space(space);
    const item = items.get(key);
    const found = item === undefined || (item.expiresAtMs !== 0 && item.expired(Date.now()))
      ? undefined
      : item;
    const seen = Math.max(movedIn, item === undefined ? deletedIn : item.group);
    if (seen > this.#log.committedVersion) return this.#log.flushed(seen).then(() => found);
    return found;
  }

  put(number: number, key: Key, value: Value, expiresAtMs: number): MaybePromise<void> {
    if (this.#gate !== undefined) {
      return this.#gate.then(() => this.put(number, key, value, expiresAtMs));
    }
    const space = this.#keys.space(number);
    if (!this.#log.durable) return this.#keys.put(undefined, space, key, value, expiresAtMs);
    const pending = this.#pending;
    this.#keys.put(pending, space, key, value, expiresAtMs);
    pending.at(-1)!.write(this.#log);
    return this.#flushed();
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
      this.#keys.undo(transaction.changes);
      if (transaction.seen <= this.#log.committedVersion) throw error;
      return this.#log.flushed(transaction.seen).then(() => {
        throw error;
      });
    }
    const wait = this.#commit(transaction.changes) ?? this.#awaitVersion(transaction.seen);
    return wait === undefined ? result : wait.then(() => result);
  }

  async transactSpaces<T>(run: (transaction: SpaceTransaction) => Promise<T>): Promise<T> {
    for (let retry = false;; retry = true) {
      const outcome = await this.#runBehindGate(run, { retry });
      if ("result" in outcome) {
        await outcome.durable;
        return outcome.result;
      }
      // Sorting a large space takes a while, so it happens with the gate open.
      await outcome.unsorted.sort();
    }
  }

  scan(number: number, range: ScanRange): MaybePromise<[Key, Entry][]> {
    if (this.#gate !== undefined) return this.#gate.then(() => this.scan(number, range));
    const space = this.#keys.space(number);
    if (space.order === undefined) return space.sort().then(() => this.scan(number, range));
    const page = this.#keys.page(space, range, Date.now());
    let seen = Math.max(space.deletedIn, space.movedIn);
    for (const [, item] of page) seen = Math.max(seen, item.group);
    const wait = this.#awaitVersion(seen);
    return wait === undefined ? page : wait.then(() => page);
  }

  problem(): string | undefined {
    return this.#log.problem();
  }

  metrics(): StoreMetrics {
    const { bytes, maxBytes, spaces } = this.#keys;
    const keys = spaces.reduce((sum, { items }) => sum + items.size, 0);
    return { bytes, keys, maxBytes, ...this.#log.metrics() };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#expiryTimer);
    await this.#gate;
    try {
      await this.#log.flushed();
    } catch {
      // The callers of the writes got the error.
    } finally {
      this.#stopListening();
    }
  }

  async #runBehindGate<T>(
    run: (transaction: SpaceTransaction) => Promise<T>,
    options: { retry: boolean },
  ): Promise<{ result: T; durable: Promise<void> | undefined } | { unsorted: MemorySpace }> {
    const release = await this.#closeGate();
    const transaction = new WholeTransaction(this.#keys, options);
    try {
      const result = await run(transaction);
      if (transaction.unsorted === undefined) {
        return { result, durable: this.#commit(transaction.changes) };
      }
      this.#keys.undo(transaction.changes);
    } catch (error) {
      this.#keys.undo(transaction.changes);
      if (transaction.unsorted === undefined) throw error;
    } finally {
      release();
    }
    return { unsorted: transaction.unsorted };
  }

  /** Writes changes to the log; returns what to wait for, if anything. */
  #commit(changes: readonly Change[]): Promise<void> | undefined {
    if (changes.length === 0 || !this.#log.durable) return undefined;
    for (const change of changes) {
      change.write(this.#log);
      this.#pending.push(change);
    }
    return this.#flushed();
  }

  /** Waits for the collecting group; if it is large, closes the gate until it is written. */
  #flushed(): Promise<void> {
    const flushed = this.#log.flushed();
    if (this.#log.gatheringBytes >= MAX_GATHERING_BYTES && this.#gate === undefined) {
      const open = () => {
        this.#gate = undefined;
      };
      this.#gate = flushed.then(open, open);
    }
    return flushed;
  }

  #awaitVersion(version: number): Promise<void> | undefined {
    return version > this.#log.committedVersion ? this.#log.flushed(version) : undefined;
  }

  #committed(version: number): void {
    const pending = this.#pending;
    let durable = 0;
    while (durable < pending.length && pending[durable]!.version <= version) durable++;
    if (durable === pending.length) this.#pending = [];
    else pending.splice(0, durable);
  }

  #failed(): void {
    this.#keys.undo(this.#pending);
    this.#pending = [];
    for (const space of this.#keys.spaces) space.deletedIn = space.movedIn = 0;
  }

  /** Waits for its turn and until all changes are durable. Others wait until the release. */
  async #closeGate(): Promise<() => void> {
    while (this.#gate !== undefined) await this.#gate;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    try {
      if (this.#pending.length > 0) await this.#log.flushed();
    } catch {
      // The changes were undone, and the callers of the writes got the error.
    }
    return () => {
      this.#gate = undefined;
      resolve();
    };
  }

  #expireLater(delayMs = EXPIRY_INTERVAL_MS): void {
    if (this.#expiryTimer !== undefined || this.#closed) return;
    const timer = this.#expiryTimer = setTimeout(() => {
      this.#expiryTimer = undefined;
      const removed = this.#gate === undefined && this.problem() === undefined ? this.#expire() : 0;
      if (!this.#keys.expiring) return;
      this.#expireLater(removed === EXPIRY_STEP_ENTRIES ? 0 : EXPIRY_INTERVAL_MS);
    }, delayMs);
    Deno.unrefTimer(timer);
  }

  /** Removes some expired entries; returns how many. */
  #expire(): number {
    const nowMs = Date.now();
    const changes: Change[] = [];
    for (const space of this.#keys.spaces) {
      while (changes.length < EXPIRY_STEP_ENTRIES && space.expiry.nextMs <= nowMs) {
        const { key, entry } = space.expiry.first()!;
        if (entry.group > this.#log.committedVersion && this.#log.durable) break;
        this.#keys.remove(changes, space, key, entry);
      }
    }
    this.#commit(changes)?.catch(() => {
      // The removal was undone; the next step tries again.
    });
    return changes.length;
  }
}
