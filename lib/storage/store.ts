/**
 * The interface of the key-value store, which every engine implements.
 *
 * A store has numbered spaces (the databases of Redis), each a map from keys to values in key
 * order. All work is done in transactions: functions that read the keys they named and make changes.
 * Such a function is pure and synchronous. So an engine may run it at once, run many of them as one
 * group, or run it again after a conflict with another daemon.
 *
 * @module
 */

import type { ByteStore } from "./byte_store.ts";
import type { CommitMetrics } from "./commit_metrics.ts";
import type { MemoryLimits } from "./eviction_policy.ts";
import type { DatabaseMetrics } from "./database_metrics.ts";
import type { Value } from "./value.ts";

/** A key: one character per byte, 0 to 255, so that string order is byte order. */
export type Key = string;

/** A key and the space it is in. */
export interface Place {
  readonly space: number;
  readonly key: Key;
}

/** A value and its metadata. The bytes must not be changed. */
export interface Entry {
  readonly value: Value;
  /** Changes with every write of the key and never repeats. Compare with `===` only. */
  readonly version: number | bigint;
  /** When it expires, in milliseconds since the Unix epoch; 0 for never. */
  readonly expiresAtMs: number;
}

/** A transaction as its function sees it: the store at one moment, plus its own changes. */
export interface Transaction {
  /** The time that decides what has expired, in milliseconds since the Unix epoch. */
  readonly nowMs: number;
  /** The entry at a place that the transaction named; `undefined` if absent or expired. */
  get(space: number, key: Key): Entry | undefined;
  /**
   * Sets a value; `expiresAtMs` is 0 for never. The store keeps the value itself, so pass an array
   * that nothing else uses, not a view of a buffer.
   *
   * @throws {OutOfMemoryError} This put has no effect. Earlier changes stand, unless the function
   * throws too.
   */
  put(space: number, key: Key, value: Value, expiresAtMs: number): void;
  /** Removes a key. Returns whether it existed; in a blind transaction that is not known. */
  delete(space: number, key: Key): boolean;
  /**
   * The length of the value at a place that the transaction named; -1 if absent or expired. From
   * engines that also have {@linkcode Transaction.write}.
   */
  length?(space: number, key: Key): number;
  /**
   * Whether there is an entry that has expired and was not removed yet. From engines that remove such
   * entries by themselves.
   */
  hasExpired?(space: number, key: Key): boolean;
  /**
   * A copy of part of the value at a place that the transaction named; `undefined` if absent or
   * expired. For short parts: as nobody looks at the value itself, it can be changed in place later.
   * From engines that also have {@linkcode Transaction.write}.
   */
  read?(space: number, key: Key, start: number, end: number): Uint8Array | undefined;
  /**
   * Writes into the value of an existing key, from `offset` on, without copying a long value. Bytes
   * between its end and `offset` become zero.
   *
   * @returns Whether the key existed: making room may have evicted it.
   * @throws {OutOfMemoryError} As {@linkcode Transaction.put}.
   */
  write?(space: number, key: Key, offset: number, value: Value): boolean;
}

/** A {@linkcode Transaction} over whole spaces. Its reads may have to wait for the engine. */
export interface SpaceTransaction {
  readonly nowMs: number;
  /**
   * Runs a synchronous function on any keys as part of this transaction; it may run more than once.
   * If it throws, its changes are undone and the transaction goes on. From engines that hold their
   * data in memory.
   */
  run?<T>(work: (transaction: Transaction) => T): Promise<T>;
  get(space: number, key: Key): Promise<Entry | undefined>;
  put(space: number, key: Key, value: Value, expiresAtMs: number): Promise<void>;
  delete(space: number, key: Key): Promise<boolean>;
  /** Counts the keys of a space. */
  count(space: number): Promise<KeyCount>;
  /** As {@linkcode Store.scan}. */
  scan(space: number, range: ScanRange): Promise<[Key, Entry][]>;
  /** A random key of a space, all about equally likely. */
  randomKey(space: number): Promise<Key | undefined>;
  /** Removes all keys of a space. */
  clear(space: number): Promise<void>;
  /** Exchanges two spaces. */
  swap(a: number, b: number): Promise<void>;
}

/** The keys of a space. */
export interface KeyCount {
  keys: number;
  /** How many of them can expire. */
  expiring: number;
  /** The average time to live of those, in milliseconds; it may be an estimate. 0 if there are none. */
  averageTtlMs: number;
}

/** A page of a space in key order. */
export interface ScanRange {
  /** Only keys with this prefix. @default {""} */
  prefix?: Key;
  /** Only keys greater than this one. */
  after?: Key;
  /** Maximum number of entries. */
  limit: number;
  /** Whether the caller ignores the values, so that the engine need not fetch them. */
  keysOnly?: boolean;
}

/** Metrics of a store. */
export interface StoreMetrics extends CommitMetrics {
  /** Bytes of keys and values; `undefined` if the engine does not count them. */
  bytes?: number;
  /** Keys in all spaces; `undefined` if the engine does not count them. */
  keys?: number;
  /** An estimate, from engines for which counting takes too long. */
  estimatedKeys?: number | undefined;
  maxBytes: number;
  /** Entries evicted so far; `undefined` if the engine never evicts. */
  evicted?: number;
  /** Metrics of the connections to the database, if there is one. */
  database?: DatabaseMetrics;
}

/** Thrown while the storage cannot be used. Clients see the message. */
export class StorageUnavailableError extends Error {
  override name = "StorageUnavailableError";
}

/** A {@linkcode StorageUnavailableError} whose message gives the reason, as clients see it. */
export function storageUnavailable(
  reason: string,
  options?: ErrorOptions,
): StorageUnavailableError {
  return new StorageUnavailableError(`storage unavailable: ${reason}`, options);
}

/** Thrown by a write that would exceed the memory limit. Nothing was written. */
export class OutOfMemoryError extends Error {
  override name = "OutOfMemoryError";
  /** How many bytes the write lacks room for; 0 if evicting entries would not help. */
  readonly neededBytes: number;

  constructor(message: string, options: ErrorOptions & { neededBytes?: number } = {}) {
    super(message, options);
    this.neededBytes = options.neededBytes ?? 0;
  }
}

/** Told of keys that a store removes by itself; see {@linkcode Store.watchRemovals}. */
export type RemovalListener = (
  places: readonly Place[],
  reason: "expired" | "evicted",
  durable: Promise<void> | undefined,
) => void;

/** A result now or later. Engines that hold their data in memory return it at once if they can. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * A key-value store. A method that returns its result without a promise also throws its errors
 * directly.
 *
 * Operations on the same key take effect in the order of the calls, so there is no need to await one
 * before the next. A scan or a transaction over spaces sees all operations called before it.
 */
export interface Store {
  /** Limit on the length of a key; writing a longer one throws {@linkcode StorageUnavailableError}. */
  readonly maxKeyBytes: number;
  /** The same data as ranges of bytes, from engines that hold it in memory. */
  readonly bytes?: ByteStore;
  /**
   * Gets the durable entry of a key: a transaction of one `get`, but cheaper.
   *
   * @throws {StorageUnavailableError}
   */
  get(space: number, key: Key): MaybePromise<Entry | undefined>;
  /**
   * Sets a key: a blind transaction of one `put`, but cheaper.
   *
   * @throws {StorageUnavailableError}
   * @throws {OutOfMemoryError}
   */
  put(space: number, key: Key, value: Value, expiresAtMs: number): MaybePromise<void>;
  /**
   * Runs a transaction atomically. The result is held back until everything that the function read
   * and wrote is durable, so no caller learns of a value that a crash could undo.
   *
   * @param places All places that the function may get, put or delete.
   * @param run The function. It may run more than once and must keep nothing between runs. If it
   * throws, nothing is written and the transaction fails with its error.
   * @param options Promises that let an engine work faster. `blind`: the function does not call
   * `get` and ignores the result of `delete`. `readOnly`: it calls neither `put` nor `delete`.
   * @throws {StorageUnavailableError}
   * @throws {OutOfMemoryError}
   */
  transact<T>(
    places: readonly Place[],
    run: (transaction: Transaction) => T,
    options?: { blind?: boolean; readOnly?: boolean },
  ): MaybePromise<T>;
  /**
   * Like `transact`, but over whole spaces. It excludes all other transactions while it runs, so the
   * function may await its transaction and nothing else. It too may run more than once.
   *
   * @param options `readOnly`: the function only reads, so others may write meanwhile.
   */
  transactSpaces<T>(
    run: (transaction: SpaceTransaction) => Promise<T>,
    options?: { readOnly?: boolean },
  ): Promise<T>;
  /**
   * Reads a page of a space in key order: the durable entries at one moment between the call and the
   * result. The first scan of a large space may take a while, but delays no other call.
   */
  scan(space: number, range: ScanRange): MaybePromise<[Key, Entry][]>;
  /** Changes the limits on memory, in engines that hold their data there. */
  setMemoryLimits?(limits: MemoryLimits): void;
  /**
   * How long a key has not been read or written, in milliseconds; `undefined` if it does not exist.
   * In engines that track it, approximately. Asking does not count as reading.
   */
  idleTimeMs?(space: number, key: Key): number | undefined;
  /**
   * Has a function called with the keys that the store removes by itself, because they have expired
   * or to make room; in engines that can tell. At most one function, `undefined` for none.
   *
   * @param listener Must be quick, and must not throw. Its last argument settles with the removal;
   * `undefined` if that is durable already.
   */
  watchRemovals?(listener: RemovalListener | undefined): void;
  /** Why the store cannot be used at the moment; `undefined` if it can. */
  problem(): string | undefined;
  /** The metrics at this moment. */
  metrics(): StoreMetrics;
  /** Finishes pending operations and closes. */
  close(): Promise<void>;
}
