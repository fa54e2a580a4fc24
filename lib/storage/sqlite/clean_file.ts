/**
 * Removing what a log file needs no more: rows that a snapshot covers, and pieces of dropped tables.
 *
 * @module
 */

import type { Connection } from "./connection.ts";

/** What may be removed. */
export interface Cleaning {
  /** The version that the snapshot covers. */
  covered: number;
  /** The ids of the tables that it includes. Changes of other tables are kept. */
  tables: number[];
  /** Whether the disk is full, so that the file must become as small as it can. */
  full: boolean;
}

/**
 * Does one step of the work in an open file; returns whether there is more to do. The steps are
 * small, since commits wait for them.
 *
 * Runs in a worker thread from its source text; see connection.ts.
 */
export function cleanFile(connection: Connection, { covered, tables, full }: Cleaning): boolean {
  /**
   * The most that one step removes, and one more row; little if there is hardly any space for it in
   * the write-ahead log.
   */
  const maxBytes = full ? 256 * 1024 : 4 * 1024 * 1024;
  const maxRows = 500;
  /** Free pages: so many are removed in one step, and so many remain in the file for new rows. */
  const stepPages = full ? 64 : 1_024;
  const sparePages = full ? 0 : 1_024;
  const { state, number, prepare, run, transaction, pass } = connection;

  /** The ids of tables with a name that the snapshot does not include. */
  const others = Object.values(state.head.directory).filter((id) => !tables.includes(id));

  /**
   * The changes of a table in a row; the others become changes that are nothing, since they have
   * versions. `undefined` if the table has none. The format is in group_buffer.ts.
   */
  function changesOf(table: number, bytes: Uint8Array): Uint8Array | undefined {
    const headBytes = 9;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const kept = new Uint8Array(bytes.length);
    let length = 0;
    let current = -1;
    let found = false;
    for (let at = 0; at < bytes.length;) {
      const isTable = view.getUint8(at) === 2;
      const end = at + headBytes +
        (isTable ? 0 : view.getUint32(at + 1, true) + view.getUint32(at + 5, true));
      if (isTable) current = view.getFloat64(at + 1, true);
      if (current === table) {
        kept.set(bytes.subarray(at, end), length);
        length += end - at;
        found ||= !isTable;
      } else if (!isTable) {
        kept[length] = 3;
        length += headBytes;
      }
      at = end;
    }
    return found ? kept.subarray(0, length) : undefined;
  }

  /** Keeps what the snapshot does not include of a row of the log. */
  function keep(last: number): void {
    const { first, changes } = prepare("SELECT first, changes FROM log WHERE last = ?").get(last)!;
    for (const table of others) {
      const bytes = changesOf(table, changes as Uint8Array);
      if (bytes === undefined) continue;
      const crc = connection.checksum(Number(first), last, table, bytes);
      run("INSERT INTO kept VALUES (?, ?, ?, ?, ?)", table, last, Number(first), crc, bytes);
    }
  }

  /** Rows up to the limits of a step. */
  function* step(sql: string, value: number | string): Generator<Record<string, unknown>> {
    let bytes = 0;
    let rows = 0;
    for (const row of prepare(sql).all(value, maxRows)) {
      yield row;
      bytes += Number(row.bytes);
      if (++rows === maxRows || bytes >= maxBytes) return;
    }
  }

  function trim(): boolean {
    const rows = [
      ...step(
        "SELECT last, crc, length(changes) AS bytes FROM log WHERE last <= ? ORDER BY last LIMIT ?",
        covered,
      ),
    ];
    const end = rows.at(-1);
    if (end === undefined) return false;
    pass("trim");
    transaction(() => {
      if (others.length > 0) { for (const { last } of rows) keep(Number(last)); }
      run("DELETE FROM log WHERE last <= ?", Number(end.last));
      connection.writeHead({ version: Number(end.last), checksum: Number(end.crc) });
      pass("trimming");
    });
    return true;
  }

  /** Drops what was kept of tables that the snapshot includes, or that have no name any more. */
  function dropKept(): boolean {
    const rows = [
      ...step(
        `SELECT owner, last, length(changes) AS bytes FROM kept
         WHERE owner NOT IN (SELECT value FROM json_each(?)) LIMIT ?`,
        JSON.stringify(others),
      ),
    ];
    if (rows.length === 0) return false;
    transaction(() => {
      for (const { owner, last } of rows) {
        run("DELETE FROM kept WHERE owner = ? AND last = ?", Number(owner), Number(last));
      }
    });
    return true;
  }

  function dropPieces(): boolean {
    const rows = [
      ...step(
        `SELECT owner, piece, length(records) AS bytes FROM pieces
         WHERE owner NOT IN (SELECT value FROM json_each(?)) LIMIT ?`,
        JSON.stringify(Object.values(state.head.directory)),
      ),
    ];
    if (rows.length === 0) return false;
    transaction(() => {
      for (const { owner, piece } of rows) {
        run("DELETE FROM pieces WHERE owner = ? AND piece = ?", Number(owner), Number(piece));
      }
      connection.writeHead({ pieces: state.head.pieces - rows.length });
    });
    return true;
  }

  function shrink(): boolean {
    if (number("PRAGMA freelist_count") <= sparePages) return false;
    // It removes one page per step of the statement, and `exec` does only one.
    prepare(`PRAGMA incremental_vacuum(${stepPages})`).all();
    return true;
  }

  return trim() || dropKept() || dropPieces() || shrink();
}
