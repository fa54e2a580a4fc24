/**
 * A copy of a log's tables, made while clients go on writing. It takes every piece from memory, one
 * after another, as a snapshot does, and all groups that have become durable since it began. A piece
 * shows its records as they were when it was copied; the groups bring all of them to the same moment,
 * the end of the last one. It stops at the first group that includes everything in the pieces.
 *
 * @module
 */

import type { LogCopy, LogSink } from "../commit_log.ts";
import { storageUnavailable } from "../store.ts";
import type { Directory } from "./connection.ts";
import type { Gathering } from "./gathering.ts";
import type { SnapshotTable } from "./snapshots.ts";
import type { TableNames } from "./table_names.ts";

/** Changes that may wait for the sink; beyond that it is too slow. */
export const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/** After so many bytes it pauses for as long as they took, so that clients have half of the time. */
const STEP_BYTES = 512 * 1024;

/** The longest pause. */
const MAX_PAUSE_MS = 1_000;

/** What a copy needs of the log. */
export interface CopiedLog {
  readonly nextVersion: number;
  /** Changes when a group fails. */
  readonly failures: number;
  /** Resolves when the collecting group is durable. */
  flushed(): Promise<void>;
}

/** Changes that are durable. */
interface Row {
  first: number;
  last: number;
  changes: Uint8Array;
}

/** The copies of a log that are being made. */
export class LogCopies {
  readonly #running = new Set<TableCopy>();

  /** Begins a copy. */
  begin(log: CopiedLog, names: TableNames): LogCopy {
    const copy = new TableCopy(log, names, () => this.#running.delete(copy));
    this.#running.add(copy);
    return copy;
  }

  /** Notes that a group is durable. */
  committed(group: Gathering): void {
    for (const copy of this.#running) copy.committed(group);
  }
}

class TableCopy implements LogCopy {
  readonly pieces: number;
  readonly #log: CopiedLog;
  readonly #names: TableNames;
  readonly #ended: () => void;
  readonly #failures: number;
  readonly #tables: readonly (readonly [SnapshotTable, readonly number[]])[];
  /** The names of these tables. Clearing and swapping moves them between tables, nothing more. */
  readonly #open: readonly string[];
  #waiting: Row[] = [];
  #waitingBytes = 0;
  #directory: Directory;
  #version = 0;
  #stopped = false;

  constructor(log: CopiedLog, names: TableNames, ended: () => void) {
    this.#log = log;
    this.#names = names;
    this.#ended = ended;
    this.#failures = log.failures;
    this.#directory = names.committedDirectory;
    // A record that comes into a new piece from now on is in one of the groups.
    this.#tables = names.opened.map((table) => [table, [...table.owner.pieces()]]);
    this.#open = names.openNames;
    this.pieces = this.#tables.reduce((sum, [, pieces]) => sum + pieces.length, 0);
  }

  /** Takes the changes of a group. They are copied where the next group uses the memory. */
  committed(group: Gathering): void {
    const { rows, directory } = group.parts();
    this.#version = group.last;
    if (directory !== undefined) this.#directory = directory;
    rows.forEach(({ first, last, bytes }, index) => {
      const reused = index === 0 && group.buffer.usesFirst;
      this.#waiting.push({ first, last, changes: reused ? bytes.slice() : bytes });
      this.#waitingBytes += bytes.length;
    });
    if (this.#waitingBytes <= MAX_WAITING_BYTES) return;
    this.#waiting = [];
    this.stop();
  }

  async write(sink: LogSink): Promise<{ tables: Record<string, number>; version: number }> {
    try {
      for (const [table, pieces] of this.#tables) await this.#writeTable(table, pieces, sink);
      // What the pieces show is durable from here on, with everything in the groups before.
      const shown = this.#log.nextVersion - 1;
      await this.#log.flushed();
      this.#check();
      const version = Math.max(shown, this.#version);
      const directory = this.#directory;
      const tables = Object.fromEntries(this.#open.map((name) => [name, directory[name]!]));
      // With this group in, the others are of no interest.
      this.#ended();
      await this.#writeRows(sink);
      return { tables, version };
    } finally {
      this.stop();
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#ended();
  }

  async #writeTable(
    table: SnapshotTable,
    pieces: readonly number[],
    sink: LogSink,
  ): Promise<void> {
    const { owner } = table;
    let startMs = performance.now();
    let bytes = 0;
    for (const piece of pieces) {
      for (let busy = owner.busy(); busy !== undefined; busy = owner.busy()) await busy;
      this.#check();
      // A table that was dropped, or cleared, has no name any more.
      if (!this.#names.opened.includes(table)) return;
      const version = this.#log.nextVersion - 1;
      const parts = owner.copyPiece(piece, (length) => new Uint8Array(length));
      if (parts.length > 0) await sink.piece({ table: table.id, piece, version }, parts);
      bytes += parts.reduce((sum, part) => sum + part.length, 0);
      await this.#writeRows(sink);
      if (bytes < STEP_BYTES) continue;
      await pause(performance.now() - startMs);
      startMs = performance.now();
      bytes = 0;
    }
  }

  async #writeRows(sink: LogSink): Promise<void> {
    while (this.#waiting.length > 0) {
      const rows = this.#waiting;
      this.#waiting = [];
      for (const { first, last, changes } of rows) {
        this.#check();
        await sink.row(first, last, changes);
        this.#waitingBytes -= changes.length;
      }
    }
  }

  #check(): void {
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      throw storageUnavailable("data changes faster than the copy is taken");
    }
    if (this.#log.failures !== this.#failures) {
      throw storageUnavailable("a write to the disk failed during the copy");
    }
    if (this.#stopped) throw storageUnavailable("the copy was stopped");
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.min(MAX_PAUSE_MS, ms)));
}
