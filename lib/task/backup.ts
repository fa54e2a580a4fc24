/**
 * The queue in a backup.
 *
 * @module
 */

import type { RecordWriter } from "../storage/backup/record_writer.ts";
import type { CommitLog } from "../storage/commit_log.ts";
import type { Database, DatabaseTransaction } from "../storage/database.ts";
import { MemoryQueue } from "./memory/queue.ts";
import { loadQueueRecords, saveMemoryQueue } from "./memory/queue_records.ts";
import { fillTables } from "./postgres/fill_tables.ts";
import { TASK_MIGRATIONS, TASK_TUNING } from "./postgres/schema.ts";
import { saveQueueRows } from "./postgres/queue_rows.ts";
import type { Queue } from "./queue.ts";

/** Creates the tables of the queue in a database, unless they are there. */
export async function prepareQueueTables(database: Database): Promise<void> {
  await database.migrate("task", TASK_MIGRATIONS, TASK_TUNING);
}

/**
 * Writes a queue as records of a commit log.
 *
 * @param transaction For a queue in a database.
 */
export async function saveQueue(
  queue: Queue,
  records: RecordWriter,
  transaction: DatabaseTransaction | undefined,
): Promise<void> {
  if (transaction !== undefined) await saveQueueRows(transaction, records);
  else if (queue instanceof MemoryQueue) await saveMemoryQueue(queue, records);
}

/**
 * Puts the queue in a commit log into a database. All of it is in memory meanwhile.
 *
 * @throws {Error} If the database has a queue already.
 */
export async function restoreQueue(
  log: CommitLog,
  transaction: DatabaseTransaction,
): Promise<void> {
  await fillTables(transaction, await loadQueueRecords(log));
}
