/**
 * The SQLite file of a commit log: opening, committing, loading, cleaning. connection.ts describes
 * what is in the file.
 *
 * @module
 */

import type { cleanFile, Cleaning } from "./clean_file.ts";
import type { Connection, connection, Directory, LogFileOptions, Modules } from "./connection.ts";
import type { reserve } from "./reserve.ts";
import type { Found, LogRow, PieceRow, scanFile } from "./scan_file.ts";

/** The functions that {@linkcode logFile} is made of. */
export interface Parts {
  connection: typeof connection;
  scanFile: typeof scanFile;
  cleanFile: typeof cleanFile;
  reserve: typeof reserve;
}

/** A commit group. */
export interface Group {
  rows: readonly LogRow[];
  pieces?: readonly PieceRow[];
  /** The tables by name, if that has changed. */
  directory?: Directory | undefined;
  /** The id of a table, if the rows are kept for it instead of belonging to the log. */
  kept?: number | undefined;
  /** Whether it may use the space that is kept for a full disk, because it leads to more space. */
  frees: boolean;
}

/** The state of a file. */
export interface FileState {
  /** The last version in it. */
  version: number;
  directory: Directory;
  /** SQLite's `PRAGMA synchronous`. */
  synchronous: number;
}

/** What of a file to read. */
export interface Reading {
  /** The ids of the tables to hand over. */
  tables: readonly number[];
  /** Whether to check the others, too. Nobody may write to the file meanwhile. */
  whole: boolean;
}

/** Some of what was read. */
export interface Page {
  found: Exclude<Found, { kind: "damage" }>[];
  more: boolean;
}

/** A log file. Errors of SQLite have an `errcode`. */
export type LogFile = ReturnType<typeof logFile>;

/**
 * Creates the functions on a file, which is not open yet. Runs in a worker thread from its source
 * text; see connection.ts.
 */
export function logFile(parts: Parts, modules: Modules, options: LogFileOptions) {
  const diskFull = 13;
  const maxDamagesNamed = 3;
  /**
   * Which part of the space kept for a full disk one group may use at most. Of the groups that do not
   * make room there may be two on their way when the disk turns out to be full.
   */
  const freeingPart = 1 / 2;
  const otherPart = 1 / 4;
  /** What a row costs in a page beside its bytes, so that pages of tiny rows stay small. */
  const rowOverheadBytes = 256;
  /** See {@linkcode keepFreedMemory}: four times a row. */
  const keptBytes = 4 * 1024 * 1024;
  const file: Connection = parts.connection(modules, options);
  const { state, run, checksum, pass } = file;
  const reserve = parts.reserve(file, modules);
  /** Whether anything was added to the log. A damaged file, which no one writes to, stays as it is. */
  let written = false;
  let reading: { scan: Generator<Found>; tables: Set<number>; damages: string[] } | undefined;

  function isFull(error: unknown): boolean {
    return ((error as { errcode?: number }).errcode ?? 0) % 256 === diskFull;
  }

  /**
   * Opens the file and creates it if necessary. What is in it is checked when it is read.
   *
   * @throws {Error} If it has a newer schema or is not ours, or if its head is damaged.
   */
  function open(): FileState {
    try {
      openAnyway();
      const damages: string[] = [];
      for (const table of file.headTables.toReversed()) {
        attempt(`"${table}"`, damages, () => state.head = file.readHead(table));
      }
      attempt(`the rows of "log"`, damages, () => state.last = file.readLast(state.head));
      if (damages.length > 0) throw new Error(damaged(damages));
      reserve.keep();
      const { head: { directory }, last: { version } } = state;
      return { version, directory, synchronous: file.number("PRAGMA synchronous") };
    } catch (error) {
      file.close();
      throw error;
    }
  }

  function attempt(place: string, damages: string[], read: () => void): void {
    try {
      read();
    } catch (error) {
      damages.push(`${place}: ${(error as Error).message}`);
    }
  }

  /** Opens the file. That needs some space, too. */
  function openAnyway(): void {
    try {
      file.open();
    } catch (error) {
      if (!isFull(error) || !reserve.release()) throw error;
      file.close();
      file.open();
    }
  }

  function damaged(damages: string[]): string {
    const more = damages.length - maxDamagesNamed;
    return `it is damaged: ${damages.slice(0, maxDamagesNamed).join("; ")}` +
      `${more > 0 ? `; and ${more} more` : ""}. "quartet check --storage" lists all damage, and ` +
      `"quartet storage recover" saves what can be saved`;
  }

  /** Opens the file again after an error. A file with another last row is not the same one. */
  function reopen(): void {
    pass("reopen");
    try {
      file.open();
      const { version, checksum } = file.readLast(file.readHead());
      if (version !== state.last.version || checksum !== state.last.checksum) {
        throw new Error("the file was replaced while it was in use; restart to use the new one");
      }
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /**
   * Commits a group. When the disk is full, a small group is written with the space kept for that,
   * whatever is in it: a deletion must not fail because it shares the group with a put. The caller
   * learns that the space is in use, and makes no more puts.
   */
  function commit(group: Group): void {
    if (!file.isOpen) reopen();
    const part = group.frees ? freeingPart : otherPart;
    const mayUseReserve = sizeOf(group) <= part * options.reserveBytes;
    if (!reserve.keep() && !mayUseReserve && !group.frees) {
      throw Object.assign(new Error("database or disk is full"), { errcode: diskFull });
    }
    try {
      tryCommit(group);
    } catch (error) {
      if (!mayUseReserve || !isFull(error) || !reserve.release()) throw error;
      tryCommit(group);
    }
    if (!reserve.kept && group.pieces !== undefined) file.truncateWal();
  }

  function sizeOf({ rows, pieces = [] }: Group): number {
    return [...rows, ...pieces].reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  function tryCommit({ rows, pieces = [], directory, kept }: Group): void {
    pass("commit");
    if (kept !== undefined) {
      for (const row of rows) keep(kept, row);
    } else if (rows.length === 1 && pieces.length === 0 && directory === undefined) {
      // A single statement is a transaction by itself, in one call instead of three.
      const { last } = state;
      try {
        append(rows[0]!);
      } catch (error) {
        state.last = last;
        throw error;
      }
    } else {
      file.transaction(() => {
        for (const row of rows) append(row);
        let count = state.head.pieces;
        for (const piece of pieces) count += replace(piece);
        if (directory !== undefined || count !== state.head.pieces) {
          file.writeHead({ pieces: count, directory: directory ?? state.head.directory });
        }
        if (pieces.length > 0) pass("piece");
      });
    }
    pass("committed");
  }

  function append({ first, last, bytes }: LogRow): void {
    const previous = state.last.checksum;
    const crc = checksum(first, last, previous, bytes);
    state.last = { version: last, checksum: crc };
    written = true;
    run("INSERT INTO log VALUES (?, ?, ?, ?, ?)", last, first, previous, crc, bytes);
  }

  function keep(table: number, { first, last, bytes }: LogRow): void {
    const crc = checksum(first, last, table, bytes);
    run("INSERT INTO kept VALUES (?, ?, ?, ?, ?)", table, last, first, crc, bytes);
  }

  /** Writes a piece in place of its predecessor; returns by how many the pieces grow. */
  function replace({ table, piece, version, bytes }: PieceRow): number {
    const where = "WHERE owner = ? AND piece = ?";
    const existed = file.number(`SELECT count(*) FROM pieces ${where}`, table, piece);
    if (bytes.length === 0) {
      run(`DELETE FROM pieces ${where}`, table, piece);
      return -existed;
    }
    run(
      `INSERT INTO pieces VALUES (?, ?, ?, ?, ?) ON CONFLICT (owner, piece) DO UPDATE
       SET version = excluded.version, crc = excluded.crc, records = excluded.records`,
      table,
      piece,
      version,
      checksum(table, piece, version, bytes),
      bytes,
    );
    return 1 - existed;
  }

  /** Begins to read the file; {@linkcode read} goes on. */
  function beginReading({ tables, whole }: Reading): void {
    if (!file.isOpen) reopen();
    keepFreedMemory();
    reading = {
      scan: parts.scanFile(file, whole ? undefined : tables),
      tables: new Set(tables),
      damages: [],
    };
  }

  /**
   * Reading allocates and frees a megabyte again and again. The allocator of glibc returns that to the
   * system each time, unless an array that was larger has been freed before; clearing the pages for the
   * next one took four fifths of the time to read (204 MB in 170 ms instead of 910).
   */
  function keepFreedMemory(): void {
    new ArrayBuffer(keptBytes).transfer(0);
  }

  /**
   * Reads on until what it has found exceeds a size. Pieces come first, then what was kept, then the
   * log. After damage it only checks the rest.
   *
   * @throws {Error} At the end, if the file is damaged. The message names the places.
   */
  function read(maxBytes: number): Page {
    if (!file.isOpen) reopen();
    const { scan, tables, damages } = reading!;
    const found: Page["found"] = [];
    let bytes = 0;
    while (bytes < maxBytes) {
      const next = scan.next();
      if (next.done === true) {
        reading = undefined;
        if (damages.length > 0) throw new Error(damaged(damages));
        return { found, more: false };
      }
      const part = next.value;
      if (part.kind === "damage") {
        damages.push(`${part.place}: ${part.problem}`);
        continue;
      }
      const table = part.kind === "piece" ? part.piece.table : part.table;
      bytes += (part.kind === "piece" ? part.piece : part.row).bytes.length + rowOverheadBytes;
      if (damages.length === 0 && (table === undefined || tables.has(table))) found.push(part);
    }
    return { found, more: true };
  }

  /** Does one step of removing what is needed no more; returns whether there is more to do. */
  function clean(cleaning: Cleaning): boolean {
    if (!file.isOpen) reopen();
    const more = parts.cleanFile(file, cleaning);
    // On a full disk the next step may need the space.
    if (!more || cleaning.full) file.truncateWal();
    if (!more) reserve.keep();
    return more;
  }

  /** Closes the file, after noting in it where its log ends. */
  function finish(): void {
    try {
      if (file.isOpen && written) {
        file.transaction(() => file.writeHead({}));
      }
    } catch {
      // It cannot be written. Then rows missing at the end would go unnoticed, and nothing else.
    }
    file.close();
  }

  return {
    open,
    commit,
    beginReading,
    read,
    clean,
    finish,
    close: file.close,
    /** Whether the space kept for a full disk is in use. */
    get short() {
      return !reserve.kept;
    },
  };
}
