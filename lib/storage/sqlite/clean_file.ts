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
  /** The most that one step removes. One more row may be added. */
  const maxBytes = 4 * 1024 * 1024;
  const maxRows = 500;
  /** Free pages: so many are removed in one step, and so many remain in the file for new rows. */
  const stepPages = 1_024;
  const sparePages = full ? 0 : 1_024;
  const { state, number, prepare, run, transaction, pass } = connection;

  /** The ids of tables with a name that the snapshot does not include. */
  const others = Object.values(state.head.directory).filter((id) => !tables.includes(id));

  /** Whether changes belong to one of the `others`. The format is in group_buffer.ts. */
  function touchesOthers(bytes: Uint8Array): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length;) {
      if (view.getUint8(at) === 2) {
        if (others.includes(view.getFloat64(at + 1, true))) return true;
        at += 9;
      } else at += 9 + view.getUint32(at + 1, true) + view.getUint32(at + 5, true);
    }
    return false;
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
      if (others.length > 0) {
        for (const { last } of rows) {
          const changes = prepare("SELECT changes FROM log WHERE last = ?").get(Number(last))!
            .changes as Uint8Array;
          if (!touchesOthers(changes)) continue;
          run("INSERT INTO kept SELECT * FROM log WHERE last = ?", Number(last));
        }
      }
      run("DELETE FROM log WHERE last <= ?", Number(end.last));
      connection.writeHead({ version: Number(end.last), checksum: Number(end.crc) });
      pass("trimming");
    });
    return true;
  }

  function dropKept(): boolean {
    if (others.length > 0) return false;
    const rows = [
      ...step("SELECT last, length(changes) AS bytes FROM kept WHERE last <= ? LIMIT ?", covered),
    ];
    if (rows.length === 0) return false;
    transaction(() => {
      for (const { last } of rows) run("DELETE FROM kept WHERE last = ?", Number(last));
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
    connection.exec(`PRAGMA incremental_vacuum(${stepPages})`);
    return true;
  }

  return trim() || dropKept() || dropPieces() || shrink();
}
