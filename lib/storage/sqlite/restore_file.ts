/**
 * Writing a log file from a copy of the tables of a log.
 *
 * @module
 */

import { logFileAt } from "./modules.ts";
import { lockFile } from "./lock_file.ts";
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

/**
 * Creates a log file with a copy of tables. It gets its name when it is complete. If the process dies
 * before, the next call begins again.
 *
 * @throws {Error} If there is such a file, a daemon uses it, or it cannot be written.
 */
export async function restoreFile(path: string, copy: TablesCopy): Promise<void> {
  using _lock = await lockFile(path);
  await expectNoFile(path);
  const unfinished = `${path}.restoring`;
  await removeFile(unfinished);
  try {
    await writeFile(unfinished, copy);
    await Deno.rename(unfinished, path);
  } catch (error) {
    await removeFile(unfinished);
    throw error;
  }
}

async function writeFile(path: string, copy: TablesCopy): Promise<void> {
  const { tables, pieces, rows, version } = copy;
  const file = logFileAt(path);
  file.open();
  try {
    let newest = version;
    for await (const batch of batches(pieces)) {
      newest = batch.reduce((max, piece) => Math.max(max, piece.version), newest);
      file.commit({ rows: [], pieces: batch, frees: true });
    }
    for await (const batch of batches(rows)) file.commit({ rows: batch, frees: true });
    file.commit({ rows: [emptyRow(newest + 1)], directory: tables, frees: true });
  } catch (error) {
    file.close();
    throw error;
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
