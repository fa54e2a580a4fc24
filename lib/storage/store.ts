/**
 * The interface of the key-value store, which every engine implements.
 *
 * A store has numbered spaces (the databases of Redis), each a map from keys to values in key
 * order. All work is done in transactions: a function that sees the keys it named and says what
 * is to change. The function is pure and synchronous, so an engine may run it at once (the key
 * space in memory), run many of them together as one group, or run it again when another daemon
 * was faster.
 *
 * @module
 */

import type { CommitMetrics } from "./commit_metrics.ts";
import type { DatabaseMetrics } from "./database_metrics.ts";
import type { Value } from "./value.ts";

/** A key: one character a byte, 0 to 255, so that string order is byte order. */
export type Key = string;

/** A key and the space it is in. */
export interface Place {
  readonly space: number;
  readonly key: Key;
}

/** A value and what the store knows about it. Nobody may change the bytes. */
export interface Entry {
  readonly value: Value;
  /** Changes with every write of the key, and never comes back. Compare with `===` only. */
  readonly version: number | bigint;
  /** When it expires, in milliseconds since the Unix epoch; 0 for never. */
  readonly expiresAtMs: number;
}

/** What a transaction's function sees: the store as of one moment, and its own changes. */
export interface Transaction {
  /** The clock that decides what has expired, in milliseconds since the Unix epoch. */
  readonly nowMs: number;
  /** The entry at a place that the transaction named, unless it is absent or has expired. */
  get(space: number, key: Key): Entry | undefined;
  /**
   * Sets a value; `expiresAtMs` is 0 for never. The store keeps the value itself, so where it is
   * an array give it one of its own, not a view of a buffer.
   *
   * @throws {OutOfMemoryError} This put is then not done; what was done before it stands, unless
   * the function throws too.
   */
  put(space: number, key: Key, value: Value, expiresAtMs: number): void;
  /** Removes a key; whether there was one. In a blind transaction the answer is not to be used. */
  delete(space: number, key: Key): boolean;
}

/** A {@linkcode Transaction} over whole spaces; its questions may have to wait for the engine. */
export interface SpaceTransaction {
  readonly nowMs: number;
  get(space: number, key: Key): Promise<Entry | undefined>;
  put(space: number, key: Key, value: Value, expiresAtMs: number): Promise<void>;
  delete(space: number, key: Key): Promise<boolean>;
  /** How many keys a space holds, and how many of them can expire. */
  count(space: number): Promise<{ keys: number; expiring: number }>;
  /** As {@linkcode Store.scan}. */
  scan(space: number, range: ScanRange): Promise<[Key, Entry][]>;
  /** Any key of a space, each about as likely as the others. */
  randomKey(space: number): Promise<Key | undefined>;
  /** Removes all keys of a space. */
  clear(space: number): Promise<void>;
  /** Exchanges two spaces. */
  swap(a: number, b: number): Promise<void>;
}

/** A page of a space in key order. */
export interface ScanRange {
  /** Only keys that start with this. @default {""} */
  prefix?: Key;
  /** Only keys greater than this one. */
  after?: Key;
  /** At most so many entries. */
  limit: number;
  /** Whether the values do not matter: then an engine that would have to fetch them does not. */
  keysOnly?: boolean;
}

/** What a store holds and does, for the metrics. */
export interface StoreMetrics extends CommitMetrics {
  /** Bytes of keys and values; `undefined` where the engine does not keep count. */
  bytes?: number;
  /** How many keys there are, in all spaces; as `bytes`. */
  keys?: number;
  /** About how many rows of keys there are, where it would take too long to count them. */
  estimatedKeys?: number | undefined;
  maxBytes: number;
  /** The connections to the database, where there is one. */
  database?: DatabaseMetrics;
}

/** Thrown when the store cannot do its work now; the message is for the client. */
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

/** Thrown by a write that would take the store beyond its memory limit. Nothing was written. */
export class OutOfMemoryError extends Error {
  override name = "OutOfMemoryError";
}

/** Either now or later. Engines that hold the key space in memory answer now where they can. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * A key-value store. What answers now also throws now, where a promise would be rejected.
 *
 * Operations on the same key take effect in the order in which they were called, so nobody has to
 * await one before the next. A scan or a transaction over spaces comes after all that were called
 * before it.
 */
export interface Store {
  /** How long a key may be, in bytes; writing a longer one is a {@linkcode StorageUnavailableError}. */
  readonly maxKeyBytes: number;
  /**
   * The durable entry of a key: a transaction of one `get`, without its cost.
   *
   * @throws {StorageUnavailableError}
   */
  get(space: number, key: Key): MaybePromise<Entry | undefined>;
  /**
   * Sets a key whatever it was: a blind transaction of one `put`, without its cost.
   *
   * @throws {StorageUnavailableError}
   * @throws {OutOfMemoryError}
   */
  put(space: number, key: Key, value: Value, expiresAtMs: number): MaybePromise<void>;
  /**
   * Runs a transaction atomically. What it returns is handed out only when everything that the
   * function saw and wrote is durable: no caller learns of a value that a crash could take back.
   *
   * @param places All places that the function may get, put or delete.
   * @param run The work; it may run more than once, and must not keep anything between runs. What
   * it throws rejects the transaction, and nothing of it is written.
   * @param options What an engine can do it faster for. `blind`: the function calls neither `get`
   * nor uses what `delete` returns. `readOnly`: it calls neither `put` nor `delete`.
   * @throws {StorageUnavailableError}
   * @throws {OutOfMemoryError}
   */
  transact<T>(
    places: readonly Place[],
    run: (transaction: Transaction) => T,
    options?: { blind?: boolean; readOnly?: boolean },
  ): MaybePromise<T>;
  /**
   * As `transact`, for work on whole spaces. It excludes every other transaction meanwhile, so it
   * may await its transaction and nothing else. What it does may run more than once too.
   *
   * @param options `readOnly`: it only asks. Then it need not keep others from writing.
   */
  transactSpaces<T>(
    run: (transaction: SpaceTransaction) => Promise<T>,
    options?: { readOnly?: boolean },
  ): Promise<T>;
  /**
   * A page of a space in key order, as of one moment between the call and the answer; only
   * durable entries. The first one of a large space may take a while; nobody else has to wait.
   */
  scan(space: number, range: ScanRange): MaybePromise<[Key, Entry][]>;
  /** Why it cannot do its work at the moment; `undefined` when it can. */
  problem(): string | undefined;
  metrics(): StoreMetrics;
  /** Finishes what was taken, and closes. */
  close(): Promise<void>;
}
