/**
 * The commit log in a SQLite file. A worker thread writes the file, so only the callers of pending
 * writes wait for the disk.
 *
 * One group is written at a time; meanwhile the next one collects writes, and follows when the first
 * has ended. When a group fails, the collecting one fails too, because it may build on it. The
 * callers get the error, and the next write tries again. Until a write has succeeded, the log also
 * commits empty groups at intervals, to find out when the cause is gone.
 *
 * @module
 */

import { fileErrorReason } from "../../file_error.ts";
import type { Log } from "../../log.ts";
import { CommitCounter, type CommitMetrics } from "../commit_metrics.ts";
import type { CommitLog, LogListener, LogRecord, LogTable } from "../commit_log.ts";
import { GroupBuffer } from "./group_buffer.ts";
import { type SqliteReply, type SqliteRequest, startSqliteWorker } from "./sqlite_worker.ts";
import { type Key, storageUnavailable, StorageUnavailableError } from "../store.ts";
import { latin1From, type Value } from "../value.ts";

/** Version of the schema in the file. Files with a newer one are refused. */
export const SCHEMA_VERSION = 1;

/** "qrtt" in ASCII marks a SQLite file as one of quartet's. */
const APPLICATION_ID = 0x71727474;

/** The value of SQLite's `PRAGMA synchronous` at which every commit in WAL mode is synced. */
const SYNCHRONOUS_FULL = 2;

/** How long a write waits while another process holds a lock on the file. */
const BUSY_TIMEOUT_MS = 2_000;

/** How often to check whether a failed file can be written again. */
const PROBE_INTERVAL_MS = 1_000;

/** Bytes of records to load at once; one more record may be added. */
const LOAD_PAGE_BYTES = 1024 * 1024;

/** SQLite's result codes, explained for operators. */
const CAUSES: Record<number, string> = {
  5: "another process has locked the file",
  6: "another process has locked the file",
  8: "the file cannot be written",
  10: "the disk has an error",
  11: "the file is damaged",
  13: "the disk is full",
  14: "the file cannot be opened",
  26: "the file is not a database, or damaged",
};

/** Options for {@linkcode SqliteLog.open}. */
export interface SqliteLogOptions {
  log: Log;
  /** @default {2000} */
  busyTimeoutMs?: number;
  /** Limit on the size of the file in pages; 0 for SQLite's own. @default {0} */
  maxPages?: number;
}

/** A group that is being written. */
interface Group {
  readonly number: number;
  readonly operations: number;
  readonly sentMs: number;
  readonly ended: PromiseWithResolvers<void>;
}

/** A commit log in a SQLite file. */
export class SqliteLog implements CommitLog {
  readonly durable = true;
  gathering: number;
  committed: number;
  readonly #path: string;
  readonly #log: Log;
  readonly #thread: SqliteThread;
  readonly #lock: Deno.FsFile;
  readonly #listeners = new Set<LogListener>();
  readonly #buffer = new GroupBuffer();
  /** The buffer of the previous group, for the next one to use. */
  #spare: ArrayBuffer | undefined;
  /** Outcome of the collecting group; `undefined` while that is empty. */
  #gathered: PromiseWithResolvers<void> | undefined;
  #flying: Group | undefined;
  #tables = 0;
  #problem: string | undefined;
  #probeTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  readonly #commits = new CommitCounter();

  private constructor(
    path: string,
    log: Log,
    { thread, lock, committed }: { thread: SqliteThread; lock: Deno.FsFile; committed: number },
  ) {
    this.#path = path;
    this.#log = log;
    this.#thread = thread;
    this.#lock = lock;
    this.committed = committed;
    this.gathering = committed + 1;
  }

  /**
   * Opens a file and creates it if necessary.
   *
   * @throws {Error} If another process uses the file, it is damaged, has a newer version or is not
   * ours; the message says which.
   */
  static async open(path: string, options: SqliteLogOptions): Promise<SqliteLog> {
    const { log, busyTimeoutMs = BUSY_TIMEOUT_MS, maxPages = 0 } = options;
    const lock = await lockFile(path);
    const thread = new SqliteThread();
    try {
      const reply = await thread.ask({
        kind: "open",
        options: {
          path,
          busyTimeoutMs,
          maxPages,
          schemaVersion: SCHEMA_VERSION,
          applicationId: APPLICATION_ID,
        },
      });
      if (reply.kind !== "opened") throw new Error(`Unexpected answer "${reply.kind}"`);
      if (reply.synchronous !== SYNCHRONOUS_FULL) {
        throw new Error("SQLite does not wait for the disk on every commit");
      }
      return new SqliteLog(path, log, { thread, lock, committed: reply.committed });
    } catch (error) {
      thread.end();
      lock.close();
      throw new Error(`Cannot open "${path}" as storage: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async openTable(name: string): Promise<LogTable> {
    const table = { name, id: this.#tables++ };
    await this.#ask({ kind: "table", id: table.id, name });
    return table;
  }

  async *load(table: LogTable): AsyncIterable<LogRecord[]> {
    let after: Uint8Array | undefined;
    for (;;) {
      const reply = await this.#ask({
        kind: "load",
        id: table.id,
        after,
        maxBytes: LOAD_PAGE_BYTES,
      });
      if (reply.kind !== "page" || reply.bytes.length === 0) return;
      const { records, lastKey } = unpackPage(reply.bytes);
      after = lastKey;
      yield records;
    }
  }

  put(table: LogTable, key: Key, record: Value, head?: Uint8Array): void {
    this.#buffer.put(table.id, key, record, head);
    if (this.#gathered === undefined) this.#gather();
  }

  delete(table: LogTable, key: Key): void {
    this.#buffer.delete(table.id, key);
    if (this.#gathered === undefined) this.#gather();
  }

  clear(table: LogTable): void {
    this.#buffer.clear(table.id);
    if (this.#gathered === undefined) this.#gather();
  }

  swap(a: LogTable, b: LogTable): void {
    this.#buffer.swap(a.id, b.id);
    if (this.#gathered === undefined) this.#gather();
  }

  flushed(group: number = this.gathering): Promise<void> {
    if (group === this.gathering && this.#gathered !== undefined) return this.#gathered.promise;
    if (group <= this.committed || this.#flying === undefined) return Promise.resolve();
    return this.#flying.ended.promise;
  }

  listen(listener: LogListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get gatheringBytes(): number {
    return this.#buffer.bytes;
  }

  problem(): string | undefined {
    return this.#problem;
  }

  metrics(): CommitMetrics {
    return this.#commits.metrics();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.flushed();
    } catch {
      // The callers of the writes got the error.
    }
    this.#closed = true;
    clearTimeout(this.#probeTimer);
    try {
      await this.#thread.ask({ kind: "close" });
    } catch (error) {
      this.#log.warn("Storage file not closed cleanly", { path: this.#path, error: String(error) });
    } finally {
      this.#thread.end();
      this.#lock.close();
    }
  }

  async #ask(request: SqliteRequest): Promise<SqliteReply> {
    try {
      return await this.#thread.ask(request);
    } catch (error) {
      throw new StorageUnavailableError((error as Error).message, { cause: error });
    }
  }

  /** Starts collecting a group, which is sent as soon as no other one is being written. */
  #gather(): void {
    this.#gathered = newOutcome();
    if (this.#flying === undefined) queueMicrotask(() => this.#send());
  }

  #send(): void {
    const group: Group = {
      number: this.gathering++,
      operations: this.#buffer.operations,
      sentMs: performance.now(),
      ended: this.#gathered ?? newOutcome(),
    };
    this.#flying = group;
    this.#gathered = undefined;
    const operations = this.#buffer.take();
    this.#thread.ask({ kind: "commit", group: group.number, operations }, [operations.buffer])
      .then((reply) => this.#succeed(group, reply), (error: Error) => this.#fail(group, error));
    this.#buffer.give(this.#spare);
    this.#spare = undefined;
  }

  #succeed(group: Group, reply: SqliteReply): void {
    if (reply.kind === "committed") this.#spare = reply.buffer;
    this.#flying = undefined;
    this.committed = group.number;
    this.#commits.count(group.operations, group.sentMs);
    if (this.#problem !== undefined) {
      this.#log.info("Storage works again", { path: this.#path });
      this.#problem = undefined;
    }
    for (const listener of this.#listeners) listener.committed(group.number);
    if (this.#gathered !== undefined) this.#send();
    group.ended.resolve();
  }

  #fail(group: Group, error: Error): void {
    this.#flying = undefined;
    this.#commits.fail();
    if (this.#problem !== error.message) {
      this.#log.error("Storage cannot be written", { path: this.#path, error: error.message });
    }
    this.#problem = error.message;
    // The collecting group may build on the failed one, so it fails too.
    this.#buffer.take();
    const gathered = this.#gathered;
    this.#gathered = undefined;
    this.gathering++;
    for (const listener of this.#listeners) listener.failed();
    const unavailable = storageUnavailable(error.message, {
      cause: error,
    });
    group.ended.reject(unavailable);
    gathered?.reject(unavailable);
    this.#probeLater();
  }

  #probeLater(): void {
    if (this.#closed || this.#probeTimer !== undefined) return;
    const timer = this.#probeTimer = setTimeout(() => {
      this.#probeTimer = undefined;
      if (this.#flying === undefined) this.#send();
    }, PROBE_INTERVAL_MS);
    Deno.unrefTimer(timer);
  }
}

/** The worker thread, which answers requests in order. */
class SqliteThread {
  readonly #worker = startSqliteWorker();
  readonly #asked: PromiseWithResolvers<SqliteReply>[] = [];
  #ended: Error | undefined;

  constructor() {
    this.#worker.onmessage = ({ data: reply }: MessageEvent<SqliteReply>) => {
      const asked = this.#asked.shift()!;
      if (reply.kind !== "failed") return asked.resolve(reply);
      const cause = reply.code === undefined ? undefined : CAUSES[reply.code];
      asked.reject(new Error(cause ?? reply.message));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.end(new Error(`the storage thread has ended (${event.message}); restart the daemon`));
    };
  }

  ask(request: SqliteRequest, transfer: Transferable[] = []): Promise<SqliteReply> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const asked = Promise.withResolvers<SqliteReply>();
    this.#asked.push(asked);
    this.#worker.postMessage(request, transfer);
    return asked.promise;
  }

  end(reason = new Error("the storage is closed")): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#worker.terminate();
    for (const asked of this.#asked.splice(0)) asked.reject(reason);
  }
}

/**
 * Takes the lock that keeps other processes out. It is on a separate file, because closing a lock on
 * the database itself would release SQLite's own locks.
 */
async function lockFile(path: string): Promise<Deno.FsFile> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(`${path}.lock`, { write: true, create: true });
  } catch (cause) {
    const reason = `cannot create its lock file: ${fileErrorReason(cause)}`;
    throw new Error(`Cannot open "${path}" as storage: ${reason}`, { cause });
  }
  if (await file.tryLock(true)) return file;
  file.close();
  throw new Error(`Cannot open "${path}" as storage: another process uses it`);
}

function unpackPage(bytes: Uint8Array): { records: LogRecord[]; lastKey: Uint8Array } {
  const view = new DataView(bytes.buffer);
  const records: LogRecord[] = [];
  let lastKey = bytes.subarray(0, 0);
  for (let at = 0; at < bytes.length;) {
    const keyEnd = at + 8 + view.getUint32(at, true);
    const end = keyEnd + view.getUint32(at + 4, true);
    records.push([latin1From(bytes, at + 8, keyEnd), bytes.subarray(keyEnd, end)]);
    if (end === bytes.length) lastKey = bytes.slice(at + 8, keyEnd);
    at = end;
  }
  return { records, lastKey };
}

function newOutcome(): PromiseWithResolvers<void> {
  const outcome = Promise.withResolvers<void>();
  outcome.promise.catch(() => {
    // Callers that wait get the error too. If none does, it is still in the log.
  });
  return outcome;
}
