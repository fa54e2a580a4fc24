/**
 * The main thread's side of the thread that writes the file.
 *
 * @module
 */

import { CHUNK_BYTES } from "./group_buffer.ts";
import type { LogFileOptions } from "./connection.ts";
import type { FileState } from "./log_file.ts";
import {
  SHARED,
  type SqliteReply,
  type SqliteRequest,
  startSqliteWorker,
} from "./sqlite_worker.ts";

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

/** The value of SQLite's `PRAGMA synchronous` at which every commit in WAL mode is synced. */
const SYNCHRONOUS_FULL = 2;

/** The code for a full disk. */
const DISK_FULL = 13;

/** An error of the thread. */
export class SqliteError extends Error {
  override name = "SqliteError";
  /** SQLite's result code, if SQLite reported it. */
  readonly code: number | undefined;

  constructor(message: string, code?: number) {
    super(message);
    this.code = code;
  }

  /** The error for a full disk. */
  static diskFull(): SqliteError {
    return new SqliteError(CAUSES[DISK_FULL]!, DISK_FULL);
  }

  /** Whether the disk is full. */
  get isFull(): boolean {
    return this.code === DISK_FULL;
  }
}

/** The thread, which answers requests in order. */
export class SqliteThread {
  /** The two buffers through which small groups are handed over. */
  readonly buffers = [new SharedArrayBuffer(CHUNK_BYTES), new SharedArrayBuffer(CHUNK_BYTES)];
  readonly #memory = new SharedArrayBuffer(SHARED.bytes);
  readonly #control = new Int32Array(this.#memory, 0, SHARED.groupAt / 4);
  readonly #group = new Float64Array(this.#memory, SHARED.groupAt, 4);
  readonly #worker = startSqliteWorker();
  readonly #asked: PromiseWithResolvers<SqliteReply>[] = [];
  /** The group in the shared memory. */
  #flying: PromiseWithResolvers<void> | undefined;
  #failure = Promise.withResolvers<SqliteError>();
  #ended: Error | undefined;

  constructor() {
    this.#worker.onmessage = ({ data: reply }: MessageEvent<SqliteReply>) => {
      if (reply.kind === "group failed") return this.#failure.resolve(errorOf(reply));
      const asked = this.#asked.shift()!;
      if (reply.kind === "failed") asked.reject(errorOf(reply));
      else asked.resolve(reply);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.end(new Error(`the storage thread has ended (${event.message}); restart the daemon`));
    };
  }

  /** Whether the space kept for a full disk is in use, as far as the thread knew last. */
  get short(): boolean {
    return Atomics.load(this.#control, SHARED.short) !== 0;
  }

  /**
   * Opens the file; the first request.
   *
   * @throws {Error} As `logFile(…).open`.
   */
  async open(options: LogFileOptions): Promise<FileState> {
    const shared = [this.#memory, ...this.buffers];
    const reply = await this.ask({ kind: "open", options, shared });
    if (reply.kind !== "opened") throw new Error(`Unexpected answer "${reply.kind}"`);
    if (reply.state.synchronous !== SYNCHRONOUS_FULL) {
      throw new Error("SQLite does not wait for the disk on every commit");
    }
    return reply.state;
  }

  /** @throws {SqliteError} */
  ask(request: SqliteRequest, transfer: Transferable[] = []): Promise<SqliteReply> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const asked = Promise.withResolvers<SqliteReply>();
    this.#asked.push(asked);
    // Announced before it is sent: a worker that had received it already would wait for another one.
    Atomics.add(this.#control, SHARED.messages, 1);
    this.#worker.postMessage(request, transfer);
    this.#wake();
    return asked.promise;
  }

  /**
   * Commits a group that fits into one of the buffers. Only one at a time.
   *
   * @param group The versions of its first and last change, the length of its changes and the
   * buffer they are in. `frees`: as in {@linkcode Group}.
   * @throws {SqliteError}
   */
  commit(
    { first, last, length, buffer, frees }: {
      first: number;
      last: number;
      length: number;
      buffer: number;
      frees: boolean;
    },
  ): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const flying = this.#flying = Promise.withResolvers<void>();
    const fields = this.#group;
    fields[0] = first;
    fields[1] = last;
    fields[2] = frees ? -length : length;
    fields[3] = buffer;
    const before = Atomics.add(this.#control, SHARED.groups, 1);
    this.#wake();
    const wait = Atomics.waitAsync(this.#control, SHARED.ended, before);
    if (wait.async) void wait.value.then(() => this.#land());
    else void this.#land();
    return flying.promise;
  }

  /** Ends the thread; requests not answered fail. */
  end(reason = new Error("the storage is closed")): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#worker.terminate();
    for (const asked of this.#asked.splice(0)) asked.reject(reason);
    this.#flying?.reject(reason);
  }

  async #land(): Promise<void> {
    const flying = this.#flying!;
    if (Atomics.load(this.#control, SHARED.failed) === 0) return flying.resolve();
    // The message that says why may come before or after.
    const error = await this.#failure.promise;
    this.#failure = Promise.withResolvers();
    flying.reject(error);
  }

  #wake(): void {
    Atomics.add(this.#control, SHARED.signal, 1);
    Atomics.notify(this.#control, SHARED.signal);
  }
}

/** The error for operators that stands for one of SQLite's. */
export function errorOf(
  { code, message }: { code: number | undefined; message: string },
): SqliteError {
  return new SqliteError(code === undefined ? message : CAUSES[code] ?? message, code);
}
