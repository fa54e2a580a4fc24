/**
 * Conversion of files that version 1 wrote. There every table of the log was a table of SQLite,
 * `t_NAME`, with a row (`key`, `record`) per record.
 *
 * The records become the changes of a new file, which is read again and compared. Then the old file
 * gets a second name, and the new one takes its place in one step. So a crash leaves the old file or
 * the new one.
 *
 * @module
 */

import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import type { Log } from "../../log.ts";
import { Turn } from "../../turn.ts";
import { latin1From } from "../value.ts";
import type { Directory } from "./connection.ts";
import { APPLICATION_ID } from "./format.ts";
import { CHUNK_BYTES, GroupBuffer } from "./group_buffer.ts";
import type { LogFile } from "./log_file.ts";
import { connectionTo, freeBytes, logFileAt } from "./modules.ts";
import { replay } from "./replay.ts";
import { scanFile } from "./scan_file.ts";

/** The shortest record of kv in version 1: eight bytes for its expiry. */
const MIN_KV_RECORD_BYTES = 8;

/** Space that the new file takes beyond that of the old one. */
const EXTRA_BYTES = 8 * 1024 * 1024;

/** The records of a table: how many, and a checksum of them all in order. */
interface Sum {
  count: number;
  crc: number;
}

/**
 * Converts a file if version 1 wrote it. The old file remains as `PATH.v1`.
 *
 * @throws {Error} If that is not possible; then the old file is in its place.
 */
export async function convertFile(path: string, { log }: { log: Log }): Promise<void> {
  const old = await openOld(path);
  if (old === undefined) return;
  const target = `${path}.converting`;
  log.info("Converting a file of the previous version", { path });
  try {
    const sums = await writeNew(old, target, path);
    await verify(target, sums);
    old.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    old.close();
  }
  if (await exists(`${path}-wal`)) {
    throw new Error("it must be converted, and another process uses it");
  }
  await keepOld(path);
  await Deno.rename(target, path);
  syncDirectory(path);
  // Reading the new file has left empty ones beside it.
  await removeNew(target);
  log.info("Converted a file; the old one is kept", { path, old: `${path}.v1` });
}

/** The old file; `undefined` if there is none or another version wrote it. */
async function openOld(path: string): Promise<DatabaseSync | undefined> {
  if (!await exists(path)) return undefined;
  const database = new DatabaseSync(path);
  try {
    const number = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0];
    if (number("application_id") === APPLICATION_ID && number("user_version") === 1) {
      return database;
    }
  } catch {
    // It is damaged or locked. Opening it the usual way says so.
  }
  database.close();
}

async function writeNew(
  old: DatabaseSync,
  target: string,
  path: string,
): Promise<Map<string, Sum>> {
  const check = Object.values(old.prepare("PRAGMA quick_check(1)").get()!)[0];
  if (check !== "ok") throw new Error(`it is damaged: ${check}`);
  checkSpace(old, path);
  await removeNew(target);
  const tables = old.prepare(
    "SELECT substr(name, 3) AS name FROM sqlite_schema WHERE name GLOB 't_*' ORDER BY name",
  ).all().map(({ name }) => String(name));
  const file = logFileAt(target);
  file.open();
  try {
    return await copyRecords(old, file, tables);
  } finally {
    file.close();
  }
}

async function copyRecords(
  old: DatabaseSync,
  file: LogFile,
  tables: string[],
): Promise<Map<string, Sum>> {
  const sums = new Map<string, Sum>();
  const directory: Directory = {};
  const buffer = new GroupBuffer(new SharedArrayBuffer(CHUNK_BYTES));
  let next = 1;
  const flush = () => {
    while (buffer.copying) buffer.copyStep();
    const rows = buffer.chunks.map(({ bytes, length, changes }) => {
      next += changes;
      return { first: next - changes, last: next - 1, bytes: bytes.subarray(0, length) };
    });
    file.commit({ rows, directory, frees: true });
    buffer.clear();
  };
  for (const name of tables) {
    directory[name] = Object.keys(directory).length + 1;
    buffer.other();
  }
  const turn = new Turn();
  for (const name of tables) {
    const sum: Sum = { count: 0, crc: 0 };
    const from = `SELECT key, record FROM "t_${name}"`;
    const next = old.prepare(`${from} WHERE key > ? ORDER BY key LIMIT 1`);
    // One by one: `iterate` of node:sqlite ends at an error as if there were no more rows.
    let row = old.prepare(`${from} ORDER BY key LIMIT 1`).get();
    for (; row !== undefined; row = next.get(row.key as Uint8Array)) {
      const key = row.key as Uint8Array;
      const record = row.record as Uint8Array;
      if (name.startsWith("kv_") && record.length < MIN_KV_RECORD_BYTES) {
        throw new Error(`it is damaged: a record of "${name}" has ${record.length} bytes`);
      }
      add(sum, key, record);
      buffer.put(directory[name]!, latin1From(key), record);
      if (buffer.bytes >= CHUNK_BYTES) flush();
      if (turn.over) await turn.next();
    }
    sums.set(name, sum);
  }
  if (buffer.changes > 0) flush();
  return sums;
}

/** Compares what is in the new file with what was read from the old one. */
async function verify(target: string, expected: ReadonlyMap<string, Sum>): Promise<void> {
  const file = connectionTo(target);
  file.openToRead();
  try {
    const { directory } = file.readHead();
    const found = new Map<number, Sum>();
    for (const id of Object.values(directory)) found.set(id, { count: 0, crc: 0 });
    const owners = new Map([...found].map(([id, sum]) => [id, {
      busy: () => undefined,
      pieces: () => [],
      pieceChangedSince: () => false,
      copyPiece: () => [],
      loadPiece: () => {},
      loadDelete: () => {},
      loadPut: (bytes: Uint8Array, start: number, middle: number, end: number) =>
        add(sum, bytes.subarray(start, middle), bytes.subarray(middle, end)),
    }]));
    const turn = new Turn();
    for (const part of scanFile(file)) {
      if (part.kind === "damage") throw new Error(`the new file has damage in ${part.place}`);
      if (part.kind === "row") replay(part.row, (id) => owners.get(id));
      if (turn.over) await turn.next();
    }
    for (const [name, { count, crc }] of expected) {
      const sum = found.get(directory[name]!);
      if (sum?.count !== count || sum.crc !== crc) {
        throw new Error(`the new file does not have the same records in "${name}"`);
      }
    }
  } finally {
    file.close();
  }
}

function add(sum: Sum, key: Uint8Array, record: Uint8Array): void {
  sum.count++;
  sum.crc = crc32(record, crc32(key, sum.crc));
}

function checkSpace(old: DatabaseSync, path: string): void {
  const free = freeBytes(path);
  const pages = Number(Object.values(old.prepare("PRAGMA page_count").get()!)[0]);
  const pageBytes = Number(Object.values(old.prepare("PRAGMA page_size").get()!)[0]);
  const needed = pages * pageBytes + EXTRA_BYTES;
  if (free >= needed) return;
  throw new Error(
    `converting it to the new format takes ${Math.ceil(needed / 2 ** 20)} MiB, and there are ` +
      `${Math.floor(free / 2 ** 20)} MiB free`,
  );
}

async function removeNew(target: string): Promise<void> {
  for (const suffix of ["", "-wal", "-shm"]) {
    await Deno.remove(target + suffix).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/** Gives the old file its second name. After a crash it may have it already. */
async function keepOld(path: string): Promise<void> {
  const kept = `${path}.v1`;
  try {
    await Deno.link(path, kept);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    const [a, b] = [await Deno.stat(path), await Deno.stat(kept)];
    if (a.dev !== b.dev || a.ino !== b.ino) {
      throw new Error(`it must be converted, and "${kept}" is in the way; move it elsewhere`);
    }
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}

/** Makes the new name durable, where the system allows that. */
function syncDirectory(path: string): void {
  try {
    using directory = Deno.openSync(dirname(path));
    directory.syncSync();
  } catch {
    // Not on all systems can a directory be opened.
  }
}
