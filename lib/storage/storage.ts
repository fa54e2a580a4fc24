/**
 * A storage: the place where services keep their data, opened from a URL. Services see this
 * interface and never learn which engine is behind it.
 *
 * @module
 */

import type { CommitLog } from "./commit_log.ts";
import type { Database } from "./database.ts";
import type { EvictionPolicy } from "./eviction_policy.ts";
import type { Store } from "./store.ts";

/** Options for {@linkcode Storage.openStore}: limits for engines that hold the data in memory. */
export interface StoreOptions {
  /** Limit on bytes of keys and values. */
  maxBytes: number;
  /** What a write beyond the limit evicts. @default {"noeviction"} */
  policy?: EvictionPolicy;
}

/** The two ways to keep data; a service says what it does with each. */
export interface StorageCases<T> {
  /** The service holds its data in memory and appends every change to this log. */
  log(log: CommitLog): T;
  /** The data lives in a database that several daemons may share. */
  database(database: Database): T;
}

/** An open storage. */
export interface Storage {
  /** The URL it was opened with, without the password. */
  readonly url: string;
  /** Whether its data outlives the process. */
  readonly durable: boolean;
  /**
   * Opens the key-value store. There is one in each storage: open it once.
   *
   * @throws {Error} If it cannot, or if the engine does not evict entries and the policy asks for it.
   */
  openStore(options: StoreOptions): Promise<Store>;
  /** Calls the case that applies, for services that keep more than a key-value store. */
  match<T>(cases: StorageCases<T>): T;
  /** Finishes pending writes and closes. Close its stores and queues first. */
  close(): Promise<void>;
}
