/**
 * The commit log in a SQLite file. A worker thread writes the file, so only the callers of pending
 * changes wait for the disk.
 *
 * One group is written at a time; meanwhile the next one collects changes, and follows when the
 * first has ended. When a group fails, the collecting one fails too, because it may build on it. The
 * callers get the error, and the next change tries again. Until a group has succeeded, the log also
 * commits empty groups at intervals, to find out when the cause is gone.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Log } from "../../log.ts";
import { CommitCounter, type CommitMetrics } from "../commit_metrics.ts";
import type { CommitLog, LogCopy, LogListener, LogTable, TableOwner } from "../commit_log.ts";
import { type Key, storageUnavailable, StorageUnavailableError } from "../store.ts";
import type { Value } from "../value.ts";
import type { Cleaning } from "./clean_file.ts";
import { convertFile } from "./convert_file.ts";
import { refuseEmptied } from "./emptied_file.ts";
import type { Fault } from "./fault.ts";
import { FileHealth } from "./file_health.ts";
import { FileWatch } from "./file_watch.ts";
import { APPLICATION_ID, BUSY_TIMEOUT_MS, RESERVE_BYTES, SCHEMA_VERSION } from "./format.ts";
import { Gathering } from "./gathering.ts";
import { CHUNK_BYTES } from "./group_buffer.ts";
import { TableLoader } from "./table_loader.ts";
import { freeBytes } from "./modules.ts";
import { lockFile } from "./lock_file.ts";
import { LogCopies } from "./log_copy.ts";
import type { FileState } from "./log_file.ts";
import { ROW_OVERHEAD_BYTES, type SnapshotLog, Snapshots, SnapshotTable } from "./snapshots.ts";
import { SqliteError, SqliteThread } from "./sqlite_thread.ts";
import { TableNames } from "./table_names.ts";

/** Options for {@linkcode SqliteLog.open}. */
export interface SqliteLogOptions {
  log: Log;
  /** @default {2000} */
  busyTimeoutMs?: number;
  /** Limit on the size of the file in pages; 0 for SQLite's own. @default {0} */
  maxPages?: number;
  /** Size of the file that is given up when the disk is full. @default {4 MiB} */
  reserveBytes?: number;
  /** How long the log must be for a snapshot. @default {64 MiB} */
  minLogBytes?: number;
  /** A failure to simulate. */
  fault?: Fault;
}

/** A commit log in a SQLite file. */
export class SqliteLog implements CommitLog, SnapshotLog {
  readonly durable = true;
  nextVersion: number;
  committedVersion: number;
  failures = 0;
  readonly #path: string;
  readonly #log: Log;
  readonly #thread: SqliteThread;
  readonly #lock: Deno.FsFile;
  readonly #watch: FileWatch;
  readonly #health: FileHealth;
  readonly #names: TableNames;
  readonly #loader: TableLoader;
  readonly #snapshots: Snapshots;
  readonly #copies = new LogCopies();
  readonly #listeners = new Set<LogListener>();
  /** The collecting group, and the one that will be next. */
  #gathering: Gathering;
  #spare: Gathering;
  #flying: Gathering | undefined;
  #pausing = false;
  #closed = false;
  readonly #commits = new CommitCounter();

  private constructor(
    path: string,
    { log, minLogBytes }: SqliteLogOptions,
    { thread, lock, watch, state }: {
      thread: SqliteThread;
      lock: Deno.FsFile;
      watch: FileWatch;
      state: FileState;
    },
  ) {
    this.#path = path;
    this.#log = log;
    this.#thread = thread;
    this.#lock = lock;
    this.#watch = watch;
    this.#health = new FileHealth(path, { log, probe: () => this.#probe() });
    [this.#gathering, this.#spare] = Gathering.pair(thread.buffers);
    this.#names = new TableNames(state.directory);
    this.#loader = new TableLoader(thread, this.#names);
    this.#snapshots = new Snapshots(this, minLogBytes === undefined ? {} : { minLogBytes });
    this.committedVersion = state.version;
    this.nextVersion = state.version + 1;
    if (this.#short) this.#health.failed(SqliteError.diskFull());
  }

  /**
   * Opens a file and creates it if necessary. A file of an earlier version is converted first.
   *
   * @throws {Error} If another process uses the file, it is damaged, has a newer version or is not
   * ours; the message says which.
   */
  static async open(path: string, options: SqliteLogOptions): Promise<SqliteLog> {
    const lock = await lockFile(path);
    const thread = new SqliteThread();
    try {
      await refuseEmptied(path);
      await convertFile(path, { log: options.log });
      const state = await thread.open({
        path,
        schemaVersion: SCHEMA_VERSION,
        applicationId: APPLICATION_ID,
        busyTimeoutMs: options.busyTimeoutMs ?? BUSY_TIMEOUT_MS,
        maxPages: options.maxPages ?? 0,
        reserveBytes: options.reserveBytes ?? RESERVE_BYTES,
        fault: options.fault,
      });
      const watch = await FileWatch.start(path);
      return new SqliteLog(path, options, { thread, lock, watch, state });
    } catch (error) {
      thread.end();
      lock.close();
      throw new Error(`Cannot open "${path}" as storage: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async openTables(owners: Readonly<Record<string, TableOwner>>): Promise<LogTable[]> {
    const tables = this.#names.tablesOf(owners);
    try {
      const logBytes = await this.#loader.load(tables);
      this.#snapshots.logBytes += logBytes;
    } catch (error) {
      const reason = `Cannot open "${this.#path}" as storage: ${(error as Error).message}`;
      throw new StorageUnavailableError(reason, { cause: error });
    }
    return await Promise.all(
      Object.entries(owners).map(([name, owner]) =>
        tables.find((table) => table.owner === owner) ?? this.#create(name, owner)
      ),
    );
  }

  async #create(name: string, owner: TableOwner): Promise<SnapshotTable> {
    const table = new SnapshotTable(this.nextVersion, owner);
    this.#names.add(name, table.id);
    this.#change().buffer.other();
    await this.flushed();
    this.#names.open(table);
    return table;
  }

  put(table: LogTable, key: Key, record: Value, head?: Uint8Array): void {
    const group = this.#change();
    group.buffer.put(table.id, key, record, head);
    if (table.vital) group.vitalPuts++;
  }

  delete(table: LogTable, key: Key): void {
    this.#change().buffer.delete(table.id, key);
  }

  putRange(
    table: LogTable,
    bytes: Uint8Array,
    start: number,
    middle: number,
    end: number,
    head?: Uint8Array,
  ): void {
    const group = this.#change();
    group.buffer.putRange(table.id, bytes, start, middle, end, head);
    if (table.vital) group.vitalPuts++;
  }

  deleteRange(table: LogTable, bytes: Uint8Array, start: number, end: number): void {
    this.#change().buffer.deleteRange(table.id, bytes, start, end);
  }

  clear(table: LogTable, owner: TableOwner): LogTable {
    const cleared = new SnapshotTable(this.nextVersion, owner);
    this.#change().buffer.other();
    this.#names.replace(table, cleared);
    return cleared;
  }

  swap(a: LogTable, b: LogTable): void {
    this.#change().buffer.other();
    this.#names.swap(a, b);
  }

  tables(): SnapshotTable[] {
    return this.#names.opened;
  }

  putPiece(table: SnapshotTable, piece: number): number {
    const version = this.nextVersion - 1;
    const bytes = this.#change().putPiece(table, piece, version);
    this.#gathering.buffer.other();
    return bytes;
  }

  async clean(cleaning: Cleaning): Promise<boolean> {
    // It may move rows of tables that are not open to where a load in progress has been already.
    await this.#loader.idle();
    const reply = await this.#thread.ask({ kind: "clean", cleaning });
    return reply.kind === "cleaned" && reply.more;
  }

  get full(): boolean {
    return this.#health.full;
  }

  freeBytes(): number {
    return freeBytes(this.#path);
  }

  flushed(version: number = this.nextVersion - 1): Promise<void> {
    if (version <= this.committedVersion) return Promise.resolve();
    const { ended, first } = this.#gathering;
    if (ended !== undefined && version >= first) return ended.promise;
    return this.#flying?.ended?.promise ?? Promise.resolve();
  }

  listen(listener: LogListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get gatheringBytes(): number {
    return this.#gathering.buffer.bytes;
  }

  snapshot(): Promise<void> {
    return this.#snapshots.run().catch((error: Error) => {
      throw storageUnavailable(error.message, { cause: error });
    });
  }

  copyTables(): LogCopy {
    return this.#copies.begin(this, this.#names);
  }

  problem(): string | undefined {
    return this.#watch.problem ?? this.#health.problem;
  }

  putProblem(): string | undefined {
    return this.#short ? SqliteError.diskFull().message : undefined;
  }

  metrics(): CommitMetrics {
    return this.#commits.metrics();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#snapshots.close();
    try {
      await this.flushed();
    } catch {
      // The callers of the changes got the error.
    }
    this.#closed = true;
    this.#health.close();
    this.#watch.close();
    try {
      await this.#thread.ask({ kind: "close" });
    } catch (error) {
      const { message } = error as Error;
      this.#log.warn("Cannot close the storage", { path: this.#path, error: message });
    } finally {
      this.#thread.end();
      this.#lock.close();
    }
  }

  /** The collecting group, for one more change. If none is being written, it is sent after this. */
  #change(): Gathering {
    const gathering = this.#gathering;
    if (gathering.ended === undefined) {
      gathering.begin(this.nextVersion);
      if (this.#flying === undefined && !this.#pausing) queueMicrotask(() => this.#send());
    }
    this.nextVersion++;
    return gathering;
  }

  async #send(): Promise<void> {
    if (this.#flying !== undefined || this.#gathering.ended === undefined) return;
    const group = this.#flying = this.#gathering;
    this.#gathering = this.#spare;
    group.directory = this.#names.changed();
    group.sentMs = performance.now();
    try {
      if (group.buffer.copying) await group.copyAll();
      if (this.#watch.problem !== undefined) throw new Error(this.#watch.problem);
      await this.#write(group);
    } catch (error) {
      return this.#fail(group, error as Error);
    }
    this.#succeed(group);
  }

  /** Whether only what makes room can be written. */
  get #short(): boolean {
    return this.#thread.short || this.#snapshots.short;
  }

  #write(group: Gathering): Promise<unknown> {
    const frees = group.frees && !group.probes;
    // There would be no space for the snapshot that makes room. A small group still fits.
    if (!frees && group.buffer.bytes > CHUNK_BYTES && this.#snapshots.short) {
      return Promise.reject(SqliteError.diskFull());
    }
    if (group.isSmall) {
      const { first, last, index } = group;
      const { length } = group.buffer.chunks[0]!;
      return this.#thread.commit({ first, last, length, buffer: index, frees });
    }
    return this.#thread.ask({ kind: "commit", group: { ...group.parts(), frees } });
  }

  #succeed(group: Gathering): void {
    const { buffer } = group;
    const last = this.committedVersion = group.last;
    this.#commits.count(buffer.changes, group.sentMs);
    this.#snapshots.logBytes += buffer.bytes + buffer.chunks.length * ROW_OVERHEAD_BYTES;
    for (const { table, piece, version, bytes } of group.pieces) {
      table.wrote(piece, version, bytes.length);
    }
    if (group.directory !== undefined) this.#names.committed(group.directory);
    this.#copies.committed(group);
    if (this.#short) {
      if (!this.full || group.probes) this.#commits.fail();
      this.#health.failed(SqliteError.diskFull());
    } else if (this.full && group.frees && !group.probes) this.#health.probeLater();
    else this.#health.works();
    for (const listener of this.#listeners) listener.committed(last);
    this.#land(group).resolve();
    this.#pause();
    this.#snapshots.consider();
  }

  #fail(group: Gathering, error: Error): void {
    this.#health.failed(error);
    const unavailable = storageUnavailable(error.message, { cause: error });
    this.#commits.fail();
    if (group.probes) {
      // Nothing was lost, and nothing builds on it.
      this.#land(group).reject(unavailable);
      void this.#send();
      return;
    }
    this.failures++;
    this.#names.failed();
    // The collecting group may build on the failed one, so it fails too.
    const gathered = this.#gathering;
    const ended = this.#land(group);
    const next = gathered.ended;
    gathered.clear();
    for (const listener of this.#listeners) listener.failed();
    ended.reject(unavailable);
    next?.reject(unavailable);
    if (this.full) this.#snapshots.consider();
  }

  /**
   * Lets the clients whose changes have just become durable send the next ones before the group is
   * sent; otherwise only half of all clients are in each group. Costs a turn of the event loop.
   */
  #pause(): void {
    this.#pausing = true;
    setImmediate(() => {
      this.#pausing = false;
      void this.#send();
    });
  }

  /** A group has ended; its buffer can be used again. */
  #land(group: Gathering): PromiseWithResolvers<void> {
    const ended = group.ended!;
    this.#flying = undefined;
    group.clear();
    this.#spare = group;
    return ended;
  }

  /** Commits an empty group, to find out whether the file can be written again. */
  #probe(): void {
    if (this.#flying !== undefined || this.#gathering.ended !== undefined) return;
    this.#change().probe();
  }
}
