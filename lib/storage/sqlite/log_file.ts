/**
 * The SQLite file of a commit log: opening, committing, loading, cleaning. connection.ts describes
 * what is in the file.
 *
 * @module
 */

import type { cleanFile, Cleaning } from "./clean_file.ts";
import type { Connection, connection, Directory, LogFileOptions, Modules } from "./connection.ts";
import type { reserve } from "./reserve.ts";
import type { LogRow, PieceRow, scanFile } from "./scan_file.ts";

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
  /** Bytes of the log's rows, and how many there are. */
  logBytes: number;
  logRows: number;
  /** Bytes of all pieces. */
  pieceBytes: number;
  /** SQLite's `PRAGMA synchronous`. */
  synchronous: number;
}

/** A page of pieces or rows. */
export interface Page<Row> {
  rows: Row[];
  /** Where the next page starts; `undefined` after the last one. */
  next: number | undefined;
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
  /** What a row costs in a page beside its bytes, so that pages of tiny rows stay small. */
  const rowOverheadBytes = 256;
  const file: Connection = parts.connection(modules, options);
  const { state, run, prepare, checksum, pass } = file;
  const reserve = parts.reserve(file, modules);

  function isFull(error: unknown): boolean {
    return ((error as { errcode?: number }).errcode ?? 0) % 256 === diskFull;
  }

  /**
   * Opens the file, creates it if necessary and checks all of it.
   *
   * @throws {Error} If it is damaged, has a newer schema or is not ours.
   */
  function open(): FileState {
    try {
      openAnyway();
      const sizes = { logBytes: 0, logRows: 0, pieceBytes: 0 };
      const damages: string[] = [];
      for (const found of parts.scanFile(file)) {
        if (found.kind === "damage") damages.push(`${found.place}: ${found.problem}`);
        else if (found.kind === "piece") sizes.pieceBytes += found.piece.bytes.length;
        else {
          sizes.logBytes += found.row.bytes.length;
          sizes.logRows++;
        }
      }
      if (damages.length > 0) throw new Error(damaged(damages));
      reserve.keep();
      const { head: { directory }, last: { version } } = state;
      return { ...sizes, version, directory, synchronous: file.number("PRAGMA synchronous") };
    } catch (error) {
      file.close();
      throw error;
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
      const head = file.readHead();
      const row = prepare("SELECT last, crc FROM log ORDER BY last DESC LIMIT 1").get();
      const version = Number(row?.last ?? head.version);
      const crc = Number(row?.crc ?? head.checksum);
      if (version !== state.last.version || crc !== state.last.checksum) {
        throw new Error("the file was replaced while it was in use; restart to use the new one");
      }
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Commits a group. */
  function commit(group: Group): void {
    if (!file.isOpen) reopen();
    if (!group.frees && !reserve.keep()) {
      throw Object.assign(new Error("database or disk is full"), { errcode: diskFull });
    }
    try {
      tryCommit(group);
    } catch (error) {
      if (!group.frees || !isFull(error) || !reserve.release()) throw error;
      tryCommit(group);
    }
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

  /** Reads pieces of a table, from a number on, until they exceed a size. */
  function loadPieces(table: number, from: number, maxBytes: number): Page<PieceRow> {
    const rows: PieceRow[] = [];
    let bytes = 0;
    // One by one: `iterate` of node:sqlite ends at an error as if there were no more rows.
    const select = prepare(
      "SELECT piece, version, records FROM pieces WHERE owner = ? AND piece >= ? ORDER BY piece " +
        "LIMIT 1",
    );
    for (let next = from; bytes < maxBytes;) {
      const row = select.get(table, next);
      if (row === undefined) return { rows, next: undefined };
      const [piece, version] = [Number(row.piece), Number(row.version)];
      rows.push({ table, piece, version, bytes: row.records as Uint8Array });
      bytes += rows.at(-1)!.bytes.length;
      next = piece + 1;
    }
    return { rows, next: rows.at(-1)!.piece + 1 };
  }

  /**
   * Reads rows from a version on, until they exceed a size.
   *
   * @param table The id of a table, for rows kept for it; `undefined` for the log.
   */
  function loadRows(table: number | undefined, from: number, maxBytes: number): Page<LogRow> {
    const rows: LogRow[] = [];
    let bytes = 0;
    const columns = "SELECT last, first, changes FROM";
    const kept = prepare(
      `${columns} kept WHERE last >= ? AND owner = ? ORDER BY owner, last LIMIT 1`,
    );
    const log = prepare(`${columns} log WHERE last >= ? ORDER BY last LIMIT 1`);
    for (let next = from; bytes < maxBytes;) {
      const row = table === undefined ? log.get(next) : kept.get(next, table);
      if (row === undefined) return { rows, next: undefined };
      const [first, last] = [Number(row.first), Number(row.last)];
      rows.push({ first, last, bytes: row.changes as Uint8Array });
      bytes += rows.at(-1)!.bytes.length + rowOverheadBytes;
      next = last + 1;
    }
    return { rows, next: rows.at(-1)!.last + 1 };
  }

  /** Does one step of removing what is needed no more; returns whether there is more to do. */
  function clean(cleaning: Cleaning): boolean {
    if (!file.isOpen) reopen();
    if (parts.cleanFile(file, cleaning)) return true;
    file.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    reserve.keep();
    return false;
  }

  return { open, commit, loadPieces, loadRows, clean, close: file.close };
}
