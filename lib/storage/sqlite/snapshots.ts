/**
 * Snapshots keep the log short. A snapshot is a pass over all pieces of all tables. Each piece that
 * has changed is copied from memory into the collecting group, so the piece and the state that it
 * shows become durable together or not at all. When the pass is complete, the changes from before
 * its start are in the pieces, and their rows are dropped.
 *
 * A crash in the middle does no harm: some pieces are newer than others then, and the log still has
 * all changes that the older ones lack.
 *
 * @module
 */

import type { LogTable, TableOwner } from "../commit_log.ts";
import type { Cleaning } from "./clean_file.ts";

/** The log is short as long as it takes no more than this, and no more than the pieces. */
const MIN_LOG_BYTES = 64 * 1024 * 1024;

/** What a row of the log counts beside its bytes: space in the file, and time at a start. */
export const ROW_OVERHEAD_BYTES = 256;

/**
 * A snapshot can take as much space as the log before any of that is free. So it begins when the log
 * exceeds the free space divided by this. When the log exceeds all of it, the disk counts as full.
 */
const FREE_FACTOR = 2;

/** The free space is looked at whenever the log has grown by this, and when it was short before. */
const LOOK_BYTES = 1024 * 1024;
const LOOK_MS = 100;

/** Pieces are written together until they exceed this size: a full slab alone, small ones together. */
const STEP_BYTES = 512 * 1024;

/** The shortest and the longest pause between two steps. A pause is as long as the step was. */
const MIN_PAUSE_MS = 1;
const MAX_PAUSE_MS = 1_000;

/** How long to wait after a snapshot has failed. */
const RETRY_MS = 1_000;

/** A table, and what has been written of it. */
export class SnapshotTable implements LogTable {
  readonly id: number;
  readonly vital: boolean;
  readonly owner: TableOwner;
  /** Bytes of all pieces. */
  bytes = 0;
  /** The pieces, and the version up to which each is complete. */
  readonly pieces = new Map<number, { version: number; bytes: number }>();

  constructor(id: number, owner: TableOwner) {
    this.id = id;
    this.vital = owner.vital ?? false;
    this.owner = owner;
  }

  /** Notes that a piece has been written; without bytes, that it has been removed. */
  wrote(piece: number, version: number, bytes: number): void {
    this.bytes += bytes - (this.pieces.get(piece)?.bytes ?? 0);
    if (bytes === 0) this.pieces.delete(piece);
    else this.pieces.set(piece, { version, bytes });
  }
}

/** What a snapshot needs of the log. */
export interface SnapshotLog {
  readonly nextVersion: number;
  /** Changes when a group fails. */
  readonly failures: number;
  /** Whether the disk is full, so that there is no time for pauses. */
  readonly full: boolean;
  /** The free space on the disk. */
  freeBytes(): number;
  /** The open tables that have a name. */
  tables(): SnapshotTable[];
  /** Adds a piece to the collecting group; returns its length. */
  putPiece(table: SnapshotTable, piece: number): number;
  /** Resolves when the collecting group is durable. */
  flushed(): Promise<void>;
  /** Removes some of what is needed no more; returns whether there is more. */
  clean(cleaning: Cleaning): Promise<boolean>;
}

/** Writes snapshots of a log. */
export class Snapshots {
  /** Bytes of the log's rows, with {@linkcode ROW_OVERHEAD_BYTES} each. */
  logBytes = 0;
  readonly #log: SnapshotLog;
  readonly #minLogBytes: number;
  #running: Promise<void> | undefined;
  /** The one after that, for those who have asked meanwhile. */
  #next: Promise<void> | undefined;
  #failedMs = -Infinity;
  /** The free space when it was looked at; the length of the log and the time then. */
  #seenFreeBytes = Infinity;
  #lookedBytes = 0;
  #lookedMs = 0;
  #closed = false;

  /** @param options `minLogBytes`: how long the log must be. @default {64 MiB} */
  constructor(log: SnapshotLog, { minLogBytes = MIN_LOG_BYTES }: { minLogBytes?: number } = {}) {
    this.#log = log;
    this.#minLogBytes = minLogBytes;
  }

  /** Starts a snapshot if the log has become too long, or space is short. */
  consider(): void {
    if (this.#running !== undefined || this.#closed) return;
    if (!this.#log.full && !this.#long) return;
    if (performance.now() - this.#failedMs < RETRY_MS) return;
    this.run().catch(() => {
      // The log has reported why it cannot be written. The next commit tries again.
    });
  }

  /** Writes a snapshot of everything written so far. One that is running comes first. */
  run(): Promise<void> {
    if (this.#running === undefined) {
      return this.#running = this.#run().finally(() => this.#running = undefined);
    }
    const next = () => {
      this.#next = undefined;
      return this.run();
    };
    return this.#next ??= this.#running.then(next, next);
  }

  /** Ends the running snapshot after the present step, and starts no more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([this.#running, this.#next]);
  }

  /** Whether the free space might not suffice for a snapshot if the log grew on. */
  get short(): boolean {
    return this.logBytes > this.#freeBytes();
  }

  get #long(): boolean {
    if (this.logBytes * FREE_FACTOR > this.#freeBytes()) return true;
    if (this.logBytes < this.#minLogBytes) return false;
    return this.logBytes > this.#log.tables().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The free space, looked at once in a while. */
  #freeBytes(): number {
    const grown = this.logBytes - this.#lookedBytes > LOOK_BYTES;
    const waited = this.logBytes > this.#seenFreeBytes &&
      performance.now() - this.#lookedMs > LOOK_MS;
    if (grown || waited) {
      this.#seenFreeBytes = this.#log.freeBytes();
      this.#lookedBytes = this.logBytes;
      this.#lookedMs = performance.now();
    }
    return this.#seenFreeBytes;
  }

  async #run(): Promise<void> {
    if (this.#closed) return;
    try {
      const { failures } = this.#log;
      const covered = this.#log.nextVersion - 1;
      // Rows are dropped as a whole, so none should have changes from before and after this moment.
      await this.#log.flushed();
      const tables = this.#log.tables();
      const logBytes = this.logBytes;
      for (const table of tables) await this.#write(table);
      // A table is left out once a group drops it. If that group fails, the table comes back.
      await this.#log.flushed();
      if (this.#log.failures !== failures) throw new Error("Cannot finish: a group has failed");
      if (this.#closed) return;
      this.logBytes -= logBytes;
      this.#lookedBytes -= logBytes;
      await this.#clean({ covered, tables: tables.map(({ id }) => id), full: this.#log.full });
    } catch (error) {
      this.#failedMs = performance.now();
      throw error;
    }
  }

  async #write(table: SnapshotTable): Promise<void> {
    const { owner, pieces } = table;
    let bytes = 0;
    for (const piece of new Set([...pieces.keys(), ...owner.pieces()])) {
      for (let busy = owner.busy(); busy !== undefined; busy = owner.busy()) await busy;
      if (this.#closed || !this.#log.tables().includes(table)) return;
      const written = pieces.get(piece);
      if (written !== undefined && !owner.pieceChangedSince(piece, written.version)) continue;
      bytes += this.#log.putPiece(table, piece);
      if (bytes < STEP_BYTES) continue;
      bytes = 0;
      await this.#step(() => this.#log.flushed());
    }
    if (bytes > 0) await this.#step(() => this.#log.flushed());
  }

  async #clean(cleaning: Cleaning): Promise<void> {
    let more = true;
    while (more && !this.#closed) {
      await this.#step(async () => {
        more = await this.#log.clean(cleaning);
      });
    }
  }

  /** Does a step, then pauses, so that the clients' commits go first. */
  async #step(work: () => Promise<void>): Promise<void> {
    const startMs = performance.now();
    await work();
    if (this.#log.full) return;
    const pauseMs = Math.max(MIN_PAUSE_MS, performance.now() - startMs);
    await new Promise((resolve) => setTimeout(resolve, Math.min(MAX_PAUSE_MS, pauseMs)));
  }
}
