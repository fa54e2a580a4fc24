/**
 * The commit log makes data in memory durable. It holds named tables of records. The owner of a
 * table reads it once at start; after that the log only takes writes, in groups. While one group is
 * being written to disk, the next one collects the writes of all clients.
 *
 * @module
 */

import type { CommitMetrics } from "./commit_metrics.ts";
import type { Key } from "./store.ts";
import type { Value } from "./value.ts";

/** A table of a log, opened with {@linkcode CommitLog.openTable}. */
export interface LogTable {
  readonly name: string;
  /** Its number in this run of the process. */
  readonly id: number;
}

/** A key of a table and its committed record. */
export type LogRecord = [key: Key, record: Uint8Array];

/** Callbacks for the end of a group. Both run before `flushed` settles for that group. */
export interface LogListener {
  /** All groups up to this one are durable. */
  committed(group: number): void;
  /**
   * The group being written has failed, and with it the one that was collecting. Nothing written
   * since the last `committed` is in the log: undo all of it, newest first.
   */
  failed(): void;
}

/**
 * A log of commits. Writes with no `await` between them are in the same group, and a group becomes
 * durable as a whole or not at all.
 */
export interface CommitLog {
  /** Whether the log keeps anything. If not, its owners may skip the writes altogether. */
  readonly durable: boolean;
  /** The number of the collecting group. Numbers only grow. */
  readonly gathering: number;
  /** Bytes in the collecting group. Callers that can wait should add no more once it is large. */
  readonly gatheringBytes: number;
  /** The newest durable group; all groups before it are durable too, or have failed. */
  readonly committed: number;

  /**
   * Opens a table and creates it if necessary.
   *
   * @param name Lower-case letters, digits and underscores.
   * @throws {StorageUnavailableError}
   */
  openTable(name: string): Promise<LogTable>;
  /** Reads all records of a table in pages. Only before the first write to it. */
  load(table: LogTable): AsyncIterable<LogRecord[]>;

  /**
   * Adds a record to the collecting group. Copies the bytes before it returns.
   *
   * @param head Bytes to put before `record`, which saves the caller joining them.
   */
  put(table: LogTable, key: Key, record: Value, head?: Uint8Array): void;
  /** Removes a record, as part of the collecting group. */
  delete(table: LogTable, key: Key): void;
  /** Removes all records of a table, as part of the collecting group. */
  clear(table: LogTable): void;
  /** Exchanges the records of two tables, as part of the collecting group. */
  swap(a: LogTable, b: LogTable): void;

  /**
   * Resolves when a group is durable. The default is the collecting group. Call before it ends.
   *
   * @throws {StorageUnavailableError} If the group failed; then none of it is written.
   */
  flushed(group?: number): Promise<void>;
  /** Adds a listener and returns a function that removes it. */
  listen(listener: LogListener): () => void;

  /** Why the log cannot be written at the moment; `undefined` if it can. */
  problem(): string | undefined;
  /** Groups and writes that became durable. */
  metrics(): CommitMetrics;
  /** Flushes pending writes and closes. */
  close(): Promise<void>;
}
