/**
 * The commit log makes data in memory durable. It holds named tables of records. The owner of a
 * table keeps all of its records in memory; the log writes every change to disk, in groups. While
 * one group is being written, the next one collects the changes of all clients.
 *
 * So that the log does not grow for ever, it asks the owners for *pieces* of their records now and
 * then, writes each piece in place of its predecessor, and drops the changes that the pieces cover.
 *
 * Each change has a version, a number that only grows. Everything that refers to a moment (what is
 * durable, what a piece contains) names the newest version that it includes.
 *
 * @module
 */

import type { CommitMetrics } from "./commit_metrics.ts";
import type { Key } from "./store.ts";
import type { Value } from "./value.ts";

/** A table of a log. It belongs to one owner for good, while its name can move to another table. */
export interface LogTable {
  /** Its number in the log, which no other table has ever had. */
  readonly id: number;
  /** As {@linkcode TableOwner.vital}. */
  readonly vital?: boolean;
}

/**
 * The owner of a table's records.
 *
 * It divides them into numbered pieces of about a mebibyte, so that a change of a record changes one
 * piece, or two when the record moves. Reading goes the other way: the log hands over the pieces,
 * then the changes in the order in which they were made. Among them may be changes that a piece
 * already includes. Applying them again does no harm, since the later ones follow.
 */
export interface TableOwner {
  /**
   * Whether records are put even on a full disk, as far as the space goes that is kept for it. For
   * tables whose puts lead to more free space, or note what has been done already.
   * @default {false}
   */
  readonly vital?: boolean;
  /**
   * Set while its records include changes that are not in the log yet; resolves when they are, or
   * are undone. Until then the log copies no piece.
   */
  busy(): Promise<void> | undefined;
  /** The numbers of all pieces that have records, or had some when they were last copied. */
  pieces(): Iterable<number>;
  /** Whether a piece may have changed after a version. */
  pieceChangedSince(piece: number, version: number): boolean;
  /**
   * The records of a piece as they are now: the parts of the array that `loadPiece` takes, or none
   * if there are no records. The log copies them, long ones in steps, so the bytes must not change
   * before the present group has ended.
   *
   * @param allocate Returns an array for bytes that exist only for this purpose.
   */
  copyPiece(piece: number, allocate: (length: number) => Uint8Array): readonly Uint8Array[];
  /**
   * Adds the records of a piece, as they were at a version. The bytes that this and the next two
   * methods are given are gone when they have returned.
   */
  loadPiece(piece: number, bytes: Uint8Array, version: number): void;
  /** Sets a record: the key is `bytes[start]` to `bytes[middle - 1]`; the record ends at `end`. */
  loadPut(bytes: Uint8Array, start: number, middle: number, end: number, version: number): void;
  /** Removes a record: the key is `bytes[start]` to `bytes[end - 1]`. */
  loadDelete(bytes: Uint8Array, start: number, end: number, version: number): void;
}

/** Callbacks for the end of a group. Both run before `flushed` settles for that group. */
export interface LogListener {
  /** All changes up to this version are durable. */
  committed(version: number): void;
  /**
   * The group being written has failed, and with it the one that was collecting. No change after
   * the last `committed` is in the log: undo all of them, newest first.
   */
  failed(): void;
}

/** Takes a copy of the tables; see {@linkcode CommitLog.copyTo}. */
export interface LogSink {
  /**
   * Takes a piece. Its bytes may change after the promise resolves.
   *
   * @param head The id of its table, its number, and the version up to which it is complete.
   */
  piece(
    head: { table: number; piece: number; version: number },
    parts: readonly Uint8Array[],
  ): Promise<void>;
  /** Takes changes: their first and last version, and their bytes, which stay as they are. */
  row(first: number, last: number, changes: Uint8Array): Promise<void>;
}

/** A copy of all open tables, as a log makes it. */
export interface LogCopy {
  /** How many pieces there are at its beginning. */
  readonly pieces: number;
  /**
   * Copies. Other clients take turns with it. What the sink has then taken is what the tables were
   * at the end of one commit group: load all pieces, then all rows.
   *
   * @returns The ids of the tables by name, and the version of that moment.
   * @throws {StorageUnavailableError} If a group fails meanwhile, or changes come in faster than the
   * sink takes them.
   */
  write(sink: LogSink): Promise<{ tables: Record<string, number>; version: number }>;
  /** Ends it early; does nothing afterwards. */
  stop(): void;
}

/**
 * A log of commits. Changes with no `await` between them are in the same group, and a group becomes
 * durable as a whole or not at all.
 */
export interface CommitLog {
  /** Whether the log keeps anything. If not, its owners may skip the changes altogether. */
  readonly durable: boolean;
  /** The version that the next change will get. Each `put`, `delete`, `clear` and `swap` is one. */
  readonly nextVersion: number;
  /** The newest durable version; all changes before it are durable too, or have failed. */
  readonly committedVersion: number;
  /** Bytes in the collecting group. Callers that can wait should add no more once it is large. */
  readonly gatheringBytes: number;

  /**
   * Opens tables, and hands their records to their owners. Tables that do not exist are created.
   *
   * @param owners The owners by the name of the table: lower-case letters, digits, underscores.
   * @returns The tables, in the same order.
   * @throws {StorageUnavailableError}
   */
  openTables(owners: Readonly<Record<string, TableOwner>>): Promise<LogTable[]>;

  /**
   * Sets a record.
   *
   * @param record Its bytes. A long array may be copied only later, so it must not change before
   * the group has ended.
   * @param head Bytes to put before `record`, which saves the caller joining them.
   */
  put(table: LogTable, key: Key, record: Value, head?: Uint8Array): void;
  /** Removes a record. */
  delete(table: LogTable, key: Key): void;
  /**
   * As `put`, from a range of bytes: the key is `bytes[start]` to `bytes[middle - 1]`, and the
   * record, after its head, is what follows up to `bytes[end - 1]`.
   */
  putRange(
    table: LogTable,
    bytes: Uint8Array,
    start: number,
    middle: number,
    end: number,
    head?: Uint8Array,
  ): void;
  /** As `delete`; the key is `bytes[start]` to `bytes[end - 1]`. */
  deleteRange(table: LogTable, bytes: Uint8Array, start: number, end: number): void;
  /**
   * Gives the name of a table to a new, empty one, and drops the records of the old one. If the
   * group fails, the old one has its name again.
   */
  clear(table: LogTable, owner: TableOwner): LogTable;
  /** Exchanges the names of two tables. If the group fails, each has its own again. */
  swap(a: LogTable, b: LogTable): void;

  /**
   * Resolves when a version is durable. The default is the last change. Call before its group ends.
   *
   * @throws {StorageUnavailableError} If the group failed; then none of it is written.
   */
  flushed(version?: number): Promise<void>;
  /** Adds a listener and returns a function that removes it. */
  listen(listener: LogListener): () => void;

  /** Writes a snapshot now, whether or not the log is long. Resolves when it is complete. */
  snapshot(): Promise<void>;
  /** Begins a copy of all open tables. A log that keeps nothing has none. */
  copyTables?(): LogCopy;
  /** Why the log cannot be written at the moment; `undefined` if it can. */
  problem(): string | undefined;
  /**
   * Why it takes no puts at the moment; `undefined` if it does. On a full disk there is space left
   * for deletions and for puts into vital tables. Any other put would take it, and fail with all
   * changes in its group.
   */
  putProblem(): string | undefined;
  /** Groups and changes that became durable. */
  metrics(): CommitMetrics;
  /** Flushes pending changes and closes. */
  close(): Promise<void>;
}
