/**
 * Reading a log file from beginning to end, and checking everything in it.
 *
 * @module
 */

import type { Connection } from "./connection.ts";

/** A row of the log. */
export interface LogRow {
  /** The versions of its first and its last change. */
  first: number;
  last: number;
  bytes: Uint8Array;
}

/** A piece of a table. */
export interface PieceRow {
  /** The id of the table. */
  table: number;
  piece: number;
  /** The version up to which it is complete. */
  version: number;
  /** Empty if the piece has no records any more. */
  bytes: Uint8Array;
}

/** A part of a file: something good, or something damaged. */
export type Found =
  /** `table`: the id, if it is in "kept". */
  | { kind: "row"; row: LogRow; table: number | undefined }
  | { kind: "piece"; piece: PieceRow }
  | { kind: "damage"; place: string; problem: string };

/**
 * Reads an open file: the pieces, then the rows kept, then the log, and checks everything. Does not
 * stop at damage. At its end the connection knows the head and the last row.
 *
 * Without `tables` it reads all of them, and nobody may write to the file meanwhile. With `tables`, a
 * list of ids, it passes over the pieces and the rows kept of others, and commits may go on.
 *
 * Runs in a worker thread from its source text; see connection.ts.
 */
export function* scanFile(connection: Connection, tables?: readonly number[]): Generator<Found> {
  const { state, checksum, prepare } = connection;
  // The sign makes SQLite go on from the last row, instead of through the rows of each owner again.
  const owned = tables === undefined ? "" : `+owner IN (${tables.join()}) AND`;
  type Row = Record<string, unknown>;

  function damage(place: string, problem: string): Found {
    return { kind: "damage", place, problem };
  }

  /** The rows of a table, in order; those behind damage come last, in reverse order. */
  function* rows(table: string, keys: string[], where = ""): Generator<Row | Error> {
    const keyOf = (row: Row) => keys.map((key) => Number(row[key]));
    let reached: number[] | undefined;
    for (const [than, order] of [[">", ""], ["<", "DESC"]] as const) {
      const sorted = keys.map((key) => `${key} ${order}`);
      const first = `SELECT * FROM ${table} WHERE ${where} true ORDER BY ${sorted} LIMIT 1`;
      const next = `SELECT * FROM ${table} WHERE ${where} (${keys}) ${than} (${
        keys.map(() => "?")
      }) ORDER BY ${sorted} LIMIT 1`;
      try {
        // One by one: `iterate` of node:sqlite ends at an error as if there were no more rows.
        let row = prepare(first).get();
        while (row !== undefined) {
          const key = keyOf(row);
          if (than === "<" && `${key}` === `${reached}`) return;
          if (than === ">") reached = key;
          yield row;
          // Prepared each time: the file may have been closed and opened again.
          row = prepare(next).get(...key);
        }
        return;
      } catch (error) {
        // The second error is the other end of the same damage.
        if (than === ">") yield error as Error;
      }
    }
  }

  let headIsGood = false;
  for (const table of connection.headTables) {
    try {
      const head = connection.readHead(table);
      if (!headIsGood) state.head = head;
      headIsGood = true;
    } catch (error) {
      yield damage(`"${table}"`, (error as Error).message);
    }
  }

  let pieces = 0;
  for (const row of rows("pieces", ["owner", "piece"], owned)) {
    if (row instanceof Error) {
      yield damage("the pieces", row.message);
      continue;
    }
    pieces++;
    const [table, piece, version] = [row.owner, row.piece, row.version] as [number, number, number];
    const bytes = row.records;
    if (bytes instanceof Uint8Array && checksum(table, piece, version, bytes) === row.crc) {
      yield { kind: "piece", piece: { table, piece, version, bytes } };
    } else yield damage(`piece ${piece} of table ${table}`, "its checksum is wrong");
  }
  if (headIsGood && tables === undefined && pieces !== state.head.pieces) {
    yield damage("the pieces", `there are ${pieces} instead of ${state.head.pieces}`);
  }

  for (const row of rows("kept", ["owner", "last"], owned)) {
    if (row instanceof Error) {
      yield damage(`the rows of "kept"`, row.message);
      continue;
    }
    const [table, last, first] = [row.owner, row.last, row.first] as [number, number, number];
    const bytes = row.changes;
    if (bytes instanceof Uint8Array && checksum(first, last, table, bytes) === row.crc) {
      yield { kind: "row", row: { first, last, bytes }, table };
    } else yield damage(`row ${last} of table ${table} in "kept"`, "its checksum is wrong");
  }

  let before = { version: state.head.version, checksum: state.head.checksum };
  let chained = headIsGood;
  for (const row of rows("log", ["last"])) {
    if (row instanceof Error) {
      yield damage(`the rows of "log"`, row.message);
      chained = false;
      continue;
    }
    const [first, last, previous] = [row.first, row.last, row.previous] as [number, number, number];
    const bytes = row.changes;
    const whole = bytes instanceof Uint8Array && checksum(first, last, previous, bytes) === row.crc;
    if (whole) yield { kind: "row", row: { first, last, bytes }, table: undefined };
    else yield damage(`row ${last} of "log"`, "its checksum is wrong");
    if (chained && whole && previous !== before.checksum) {
      yield damage(`row ${last} of "log"`, "the row before it is missing");
    }
    before = { version: last, checksum: Number(row.crc) };
    chained = whole;
  }
  state.last = before;
  const newest = headIsGood ? state.head.newest ?? 0 : 0;
  if (chained && before.version < newest) {
    yield damage(`the rows of "log"`, `row ${newest} is missing at their end`);
  }
}
