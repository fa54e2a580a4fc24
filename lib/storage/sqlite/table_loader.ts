/**
 * Hands the records in a file to the owners of their tables.
 *
 * The file is checked while it is read, so that a start reads it once. The first load checks all of
 * it, whatever the tables, and nothing is written before it has ended: a damaged file stays as it is.
 *
 * @module
 */

import { freeArray } from "../../free_array.ts";
import { Turn } from "../../turn.ts";
import type { Page } from "./log_file.ts";
import { replay } from "./replay.ts";
import { ROW_OVERHEAD_BYTES, type SnapshotTable } from "./snapshots.ts";
import type { SqliteThread } from "./sqlite_thread.ts";
import type { TableNames } from "./table_names.ts";

/** Bytes to read at once; one more row may be added. */
const PAGE_BYTES = 1024 * 1024;

/** Loads tables. */
export class TableLoader {
  readonly #thread: SqliteThread;
  readonly #names: TableNames;
  /** Whether the whole file has been read and is good. */
  #checked = false;
  /** Settles with the last load. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(thread: SqliteThread, names: TableNames) {
    this.#thread = thread;
    this.#names = names;
  }

  /**
   * Loads tables and opens their names. Loads follow one another.
   *
   * @returns The size of the log as {@linkcode Snapshots.logBytes} counts it, if this was the first
   * load; otherwise 0.
   * @throws {Error} If the file is damaged. Some of the records have been loaded then.
   */
  load(tables: readonly SnapshotTable[]): Promise<number> {
    const load = this.#last.then(() => this.#load(tables));
    this.#last = load.catch(() => {
      // The caller gets the error.
    });
    return load;
  }

  /** Resolves when no load is in progress. Meanwhile all rows must stay where they are. */
  async idle(): Promise<void> {
    for (let last; last !== this.#last;) await (last = this.#last);
  }

  async #load(tables: readonly SnapshotTable[]): Promise<number> {
    const ids = tables.map(({ id }) => id);
    await this.#thread.ask({ kind: "begin reading", tables: ids, whole: !this.#checked });
    const byId = new Map(tables.map((table) => [table.id, table]));
    const turn = new Turn();
    let logBytes = 0;
    for (let more = true; more;) {
      const page = await this.#read();
      more = page.more;
      for (const part of page.found) {
        logBytes += loadPart(part, byId);
        if (turn.over) await turn.next();
      }
    }
    for (const table of tables) this.#names.open(table);
    if (this.#checked) return 0;
    this.#checked = true;
    return logBytes;
  }

  async #read(): Promise<Page> {
    const reply = await this.#thread.ask({ kind: "read", maxBytes: PAGE_BYTES });
    if (reply.kind !== "read") throw new Error(`Unexpected answer "${reply.kind}"`);
    return reply.page;
  }
}

/** Loads a piece or a row; returns what it adds to the size of the log. */
function loadPart(
  part: Page["found"][number],
  tables: ReadonlyMap<number, SnapshotTable>,
): number {
  if (part.kind === "piece") {
    const { table: id, piece, version, bytes } = part.piece;
    const table = tables.get(id)!;
    table.wrote(piece, version, bytes.length);
    table.owner.loadPiece(piece, bytes, version);
    freeArray(bytes);
    return 0;
  }
  const { row, table: kept } = part;
  const size = row.bytes.length + ROW_OVERHEAD_BYTES;
  replay(row, (id) => tables.get(id)?.owner);
  freeArray(row.bytes);
  return kept === undefined ? size : 0;
}
