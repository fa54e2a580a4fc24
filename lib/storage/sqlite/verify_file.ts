/**
 * Checking a log file, and saving what is good in a damaged one. Neither changes the file.
 *
 * @module
 */

import { Turn } from "../../turn.ts";
import type { Connection } from "./connection.ts";
import { refuseEmptied } from "./emptied_file.ts";
import { APPLICATION_ID } from "./format.ts";
import { CHUNK_BYTES, GroupBuffer } from "./group_buffer.ts";
import { isHeaderDamaged, mendHeader } from "./mend_header.ts";
import { connectionTo, logFileAt } from "./modules.ts";
import { type Found, type LogRow, scanFile } from "./scan_file.ts";

/** What a file contains. */
export interface FileContents {
  /** Good rows of the log and good pieces of the snapshot, and their bytes. */
  rows: number;
  pieces: number;
  bytes: number;
  /** What is damaged, one line each, without a full stop. */
  damages: string[];
}

/**
 * Checks everything in a file. A daemon may be using it.
 *
 * @throws {Error} If it cannot be opened, or is no file of this version.
 */
export async function verifyFile(path: string): Promise<FileContents> {
  const contents = newContents();
  for await (const found of readFile(path)) count(contents, found);
  return contents;
}

/**
 * Copies everything good from a file into a new one. Rows of the log are good or damaged as a whole,
 * and so are pieces. What is missing in the new file is the last state of the records in damaged
 * pieces, and the changes in damaged rows.
 *
 * @param path A file that no process uses.
 * @param into The path of the new file, which must not exist.
 * @returns What the new file contains, and what was damaged.
 * @throws {Error} If the file cannot be opened, or the new one cannot be written.
 */
export async function recoverFile(path: string, into: string): Promise<FileContents> {
  const contents = newContents();
  await Deno.stat(path);
  await refuseEmptied(path);
  (await Deno.open(into, { write: true, createNew: true })).close();
  const damaged = await isHeaderDamaged(path);
  const copy = `${into}.mended`;
  await using _ = damaged ? await mendHeader(path, copy) : undefined;
  if (damaged) contents.damages.push("the file: its header is damaged");
  const source = connectionTo(damaged ? copy : path);
  const target = logFileAt(into);
  try {
    openLog(source, damaged);
    target.open();
    const turn = new Turn();
    let newest = 0;
    for (const found of scanFile(source)) {
      count(contents, found);
      if (found.kind === "row") {
        target.commit({ rows: [found.row], kept: found.table, frees: true });
        newest = Math.max(newest, found.row.last);
      } else if (found.kind === "piece") {
        target.commit({ rows: [], pieces: [found.piece], frees: true });
        newest = Math.max(newest, found.piece.version);
      }
      if (turn.over) await turn.next();
    }
    // Versions go on after the newest one, whether or not its row was good.
    const { last, head } = source.state;
    newest = Math.max(newest, last.version, head.newest ?? 0) + 1;
    const { directory } = head;
    target.commit({ rows: [emptyRow(newest)], directory, frees: true });
  } finally {
    source.close();
    target.close();
  }
  return contents;
}

/** Reads everything in a file. */
async function* readFile(path: string): AsyncGenerator<Found> {
  await Deno.stat(path);
  await refuseEmptied(path);
  const file = connectionTo(path);
  try {
    file.openToRead();
    expectLog(file);
    for (const problem of checkPages(file)) yield { kind: "damage", place: "the file", problem };
    const turn = new Turn();
    for (const found of scanFile(file)) {
      yield found;
      if (turn.over) await turn.next();
    }
  } finally {
    file.close();
  }
}

/** Opens a file to read; with a new header, it may still be no database at all. */
function openLog(file: Connection, mended: boolean): void {
  try {
    file.openToRead();
    expectLog(file);
  } catch (cause) {
    if (mended) throw new Error("file is not a database", { cause });
    throw cause;
  }
}

/** @throws {Error} If this version did not write the file. */
function expectLog(file: Connection): void {
  const found = file.number("SELECT count(*) FROM sqlite_schema WHERE name IN ('log', 'pieces')");
  if (found === 2) return;
  if (file.number("PRAGMA page_count") === 0) throw new Error("it is empty");
  throw new Error(
    file.number("PRAGMA application_id") === APPLICATION_ID
      ? "a previous version wrote it; the next start of the daemon converts it"
      : "it is the database of another program",
  );
}

/** What SQLite itself finds wrong. */
function checkPages(file: Connection): string[] {
  try {
    const found = file.prepare("PRAGMA quick_check(10)").all();
    return found.map((row) => String(Object.values(row)[0])).filter((line) => line !== "ok");
  } catch (error) {
    return [(error as Error).message];
  }
}

/** A row with one change that is nothing. */
export function emptyRow(version: number): LogRow {
  const buffer = new GroupBuffer(new SharedArrayBuffer(CHUNK_BYTES));
  buffer.other();
  const { bytes, length } = buffer.chunks[0]!;
  return { first: version, last: version, bytes: bytes.subarray(0, length) };
}

function newContents(): FileContents {
  return { rows: 0, pieces: 0, bytes: 0, damages: [] };
}

function count(contents: FileContents, found: Found): void {
  if (found.kind === "damage") {
    contents.damages.push(`${found.place}: ${found.problem}`);
  } else if (found.kind === "row") {
    contents.rows++;
    contents.bytes += found.row.bytes.length;
  } else {
    contents.pieces++;
    contents.bytes += found.piece.bytes.length;
  }
}
