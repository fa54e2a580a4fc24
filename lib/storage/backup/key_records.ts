/**
 * The keys of a store in a backup.
 *
 * @module
 */

import { allPages, type Scan } from "../all_pages.ts";
import type { CommitLog } from "../commit_log.ts";
import type { Database, DatabaseTransaction } from "../database.ts";
import { recordHead, spaceTable } from "../memory/memory_space.ts";
import { MemoryStore } from "../memory/memory_store.ts";
import { KV_MIGRATIONS, KV_TUNING } from "../postgres/rows.ts";
import type { RecordWriter } from "./record_writer.ts";

/** Writes all keys of a store as records of a commit log. */
export async function saveKeys(scan: Scan, spaces: number, records: RecordWriter): Promise<void> {
  for await (const { space, page } of allPages(scan, spaces)) {
    for (const [key, { value, expiresAtMs }] of page) {
      await records.put(spaceTable(space), key, value, recordHead(expiresAtMs));
    }
  }
}

/** Creates the table of keys in a database, unless it is there. */
export async function prepareKeys(database: Database): Promise<void> {
  await database.migrate("kv", KV_MIGRATIONS, KV_TUNING);
}

/**
 * Puts the keys in a commit log into a database. All of them are in memory meanwhile.
 *
 * @throws {Error} If the store in the database has keys.
 */
export async function restoreKeys(
  log: CommitLog,
  spaces: number,
  transaction: DatabaseTransaction,
): Promise<void> {
  await transaction.lockKeys();
  const store = await MemoryStore.open(log, { spaces });
  try {
    const scan: Scan = (space, range) => store.scan(space, range);
    for await (const { space, page } of allPages(scan, spaces)) {
      await transaction.putKeys(space, page);
    }
  } finally {
    await store.close();
  }
}
