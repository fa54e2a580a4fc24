import type { Log } from "../log.ts";
import type { Storage } from "../storage/open.ts";
import { SYSTEM_CLOCK } from "./clock.ts";
import { LogJournal } from "./memory/log_journal.ts";
import { MemoryQueue } from "./memory/queue.ts";
import { PostgresQueue } from "./postgres/queue.ts";
import type { Queue, QueueOptions } from "./queue.ts";

/**
 * Opens the queue that a storage holds. Close the queue before the storage.
 *
 * @throws {Error} If what the storage holds cannot be read.
 */
export async function openQueue(
  storage: Storage,
  { log, ...options }: QueueOptions & { log: Log },
): Promise<Queue> {
  if (storage.kind === "postgres") {
    return await PostgresQueue.open(storage.database, { options, log });
  }
  if (!storage.log.durable) return new MemoryQueue(SYSTEM_CLOCK, options);
  const journal = await LogJournal.open(storage.log);
  const queue = new MemoryQueue(SYSTEM_CLOCK, options, journal);
  await journal.load(queue.scheduler);
  return queue;
}
