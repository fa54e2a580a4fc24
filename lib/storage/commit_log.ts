/**
 * The commit log: what makes a key space in memory durable. It holds named tables of records,
 * is read once when its owner starts, and from then on only takes writes, in groups: while one
 * group is on its way to the disk, the next one gathers, and everybody's writes of that moment
 * share it.
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

/** A key of a table and its record, as they were committed. */
export type LogRecord = [key: Key, record: Uint8Array];

/** Hears how groups end. Both are called before anybody who waits for the group learns of it. */
export interface LogListener {
  /** All groups up to this one are durable. */
  committed(group: number): void;
  /**
   * The group on its way has failed, and with it all that gathered meanwhile: nothing that was
   * written since the last `committed` is in the log. Take all of it back, newest first.
   */
  failed(): void;
}

/**
 * A log of commits. Writes that are made without awaiting anything in between are in the same
 * group, and a group becomes durable as a whole or not at all.
 */
export interface CommitLog {
  /** Whether it keeps anything. Where it is false, the writes may be left out altogether. */
  readonly durable: boolean;
  /** The number of the group that gathers. Numbers only grow. */
  readonly gathering: number;
  /** How many bytes have gathered; whoever can wait is to add no more when they are many. */
  readonly gatheringBytes: number;
  /** The newest group that is durable, and with it all before that did not fail. */
  readonly committed: number;

  /**
   * Opens a table, and makes it where there is none.
   *
   * @param name Lower-case letters, digits and underscores.
   * @throws {StorageUnavailableError}
   */
  openTable(name: string): Promise<LogTable>;
  /** All records of a table in pages, before anything is written to it. */
  load(table: LogTable): AsyncIterable<LogRecord[]>;

  /**
   * Writes a record into the group that gathers. The bytes are copied before it returns
   * (`copyValue`).
   *
   * @param head Bytes that come before `record`, so that nobody has to join them.
   */
  put(table: LogTable, key: Key, record: Value, head?: Uint8Array): void;
  /** Removes a record in the group that gathers. */
  delete(table: LogTable, key: Key): void;
  /** Removes all records of a table in the group that gathers. */
  clear(table: LogTable): void;
  /** Exchanges the records of two tables in the group that gathers. */
  swap(a: LogTable, b: LogTable): void;

  /**
   * Resolves when a group is durable; the default is the one that gathers. Ask before it ends.
   *
   * @throws {StorageUnavailableError} If the group failed; then nothing of it is written.
   */
  flushed(group?: number): Promise<void>;
  /** Adds a listener; the function that is returned takes it away. */
  listen(listener: LogListener): () => void;

  /** Why it cannot do its work at the moment; `undefined` when it can. */
  problem(): string | undefined;
  /** Groups and single writes that became durable. */
  metrics(): CommitMetrics;
  /** Finishes what was taken, and closes. */
  close(): Promise<void>;
}
