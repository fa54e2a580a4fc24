/**
 * Hands the records of a log to the owners of its tables.
 *
 * @module
 */

import { Turn } from "../../turn.ts";
import { replay } from "./replay.ts";
import type { SnapshotTable } from "./snapshots.ts";
import type { SqliteThread } from "./sqlite_thread.ts";

/** Bytes to load at once; one more row may be added. */
const PAGE_BYTES = 1024 * 1024;

/** Loads tables: their pieces, then the changes made since. */
export async function loadTables(
  thread: SqliteThread,
  tables: readonly SnapshotTable[],
): Promise<void> {
  const turn = new Turn();
  for (const table of tables) {
    for (let from: number | undefined = 0; from !== undefined;) {
      const ask = { kind: "pieces", table: table.id, from, maxBytes: PAGE_BYTES } as const;
      const reply = await thread.ask(ask);
      if (reply.kind !== "pieces") return;
      for (const { piece, version, bytes } of reply.page.rows) {
        table.wrote(piece, version, bytes.length);
        table.owner.loadPiece(piece, bytes, version);
        if (turn.over) await turn.next();
      }
      from = reply.page.next;
    }
  }
  const byId = new Map(tables.map((table) => [table.id, table.owner]));
  for (const table of [...byId.keys(), undefined]) {
    for (let from: number | undefined = 0; from !== undefined;) {
      const reply = await thread.ask({ kind: "rows", table, from, maxBytes: PAGE_BYTES });
      if (reply.kind !== "rows") return;
      for (const row of reply.page.rows) {
        replay(row, (id) => byId.get(id));
        if (turn.over) await turn.next();
      }
      from = reply.page.next;
    }
  }
}
