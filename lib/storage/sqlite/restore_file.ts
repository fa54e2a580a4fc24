/**
 * Writing a log file from a copy of the tables of a log.
 *
 * @module
 */

import { dirname } from "node:path";
import { logFileAt } from "./modules.ts";
import { lockFile } from "./lock_file.ts";
import { errorOf } from "./sqlite_thread.ts";
import type { LogRow, PieceRow } from "./scan_file.ts";
import { emptyRow } from "./verify_file.ts";

/** The bytes that one commit writes, about. */
const COMMIT_BYTES = 8 * 1024 * 1024;

/** What SQLite keeps beside a file while it is open. */
const SIDE_FILES = ["", "-wal", "-shm", "-journal"];

/** A copy of tables; see `LogCopy`. */
export interface TablesCopy {
  /** The ids of the tables by name. */
  tables: Record<string, number>;
  /** The newest version in it. */
  version: number;
  pieces: AsyncIterable<PieceRow>;
  rows: AsyncIterable<LogRow>;
}

/** A log file that is complete but not under its name yet, and its lock. */
export class RestoredFile implements AsyncDisposable {
  readonly #path: string;
  readonly #lock: Deno.FsFile;

  private constructor(path: string, lock: Deno.FsFile) {
    this.#path = path;
    this.#lock = lock;
  }

  /**
   * Writes a copy of tables beside `path`. What an earlier process has left there is replaced.
   *
   * @throws {Error} If the file exists, a daemon uses it, or it cannot be written.
   */
  static async write(path: string, copy: TablesCopy): Promise<RestoredFile> {
    const file = new RestoredFile(path, await lockFile(path));
    try {
      await expectNoFile(path);
      await removeFile(file.#unfinished);
      await writeFile(file.#unfinished, copy);
      return file;
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw error;
    }
  }

  get #unfinished(): string {
    return `${this.#path}.restoring`;
  }

  /**
   * Gives the file its name; resolves when that is on disk.
   *
   * @throws {Error} If it cannot be renamed.
   */
  async publish(): Promise<void> {
    await expectNoFile(this.#path);
    await Deno.rename(this.#unfinished, this.#path);
    using directory = await Deno.open(dirname(this.#path));
    await directory.sync();
  }

  /** Removes the file unless it has its name, and releases the lock. */
  async [Symbol.asyncDispose](): Promise<void> {
    await removeFile(this.#unfinished).catch(() => {
      // The reason why there was no file to publish matters more. The next try replaces this one.
    });
    this.#lock.close();
  }
}

async function writeFile(path: string, copy: TablesCopy): Promise<void> {
  const { tables, pieces, rows, version } = copy;
  const file = logFileAt(path);
  try {
    file.open();
    let newest = version;
    for await (const batch of batches(pieces)) {
      newest = batch.reduce((max, piece) => Math.max(max, piece.version), newest);
      file.commit({ rows: [], pieces: batch, frees: true });
    }
    for await (const batch of batches(rows)) file.commit({ rows: batch, frees: true });
    file.commit({ rows: [emptyRow(newest + 1)], directory: tables, frees: true });
  } catch (error) {
    file.close();
    const { errcode, message } = error as { errcode?: number; message: string };
    if (errcode === undefined) throw error;
    const code = errcode & 0xff;
    throw new Error(`cannot write "${path}": ${errorOf({ code, message }).message}`, {
      cause: error,
    });
  }
  file.finish();
}

/** Joins items until they are worth a commit. */
async function* batches<T extends { bytes: Uint8Array }>(
  items: AsyncIterable<T>,
): AsyncGenerator<T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for await (const item of items) {
    batch.push(item);
    bytes += item.bytes.length;
    if (bytes < COMMIT_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

async function removeFile(path: string): Promise<void> {
  for (const end of SIDE_FILES) {
    try {
      await Deno.remove(path + end);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** @throws {Error} If there is a file at a path. */
export async function expectNoFile(path: string): Promise<void> {
  try {
    await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  throw new Error(`"${path}" exists, and nothing is overwritten`);
}
