import type { Log } from "../log.ts";
import type { CommitLog } from "../storage/commit_log.ts";
import type { Storage } from "../storage/storage.ts";
import { SYSTEM_CLOCK } from "./clock.ts";
import { LogJournal } from "./memory/log_journal.ts";
import { MemoryQueue } from "./memory/queue.ts";
import { PostgresQueue } from "./postgres/queue.ts";
import type { Queue, QueueOptions } from "./queue.ts";

/**
 * Opens the queue in a storage. Close the queue before the storage.
 *
 * @throws {Error} If the contents of the storage cannot be read.
 */
export function openQueue(
  storage: Storage,
  { log, ...options }: QueueOptions & { log: Log },
): Promise<Queue> {
  return storage.match<Promise<Queue>>({
    log: (commitLog) => openMemoryQueue(commitLog, options),
    database: (database) => PostgresQueue.open(database, { options, log }),
  });
}

async function openMemoryQueue(log: CommitLog, options: QueueOptions): Promise<Queue> {
  if (!log.durable) return new MemoryQueue(SYSTEM_CLOCK, options);
  const journal = new LogJournal(log);
  const queue = new MemoryQueue(SYSTEM_CLOCK, options, journal);
  await journal.load(queue.scheduler);
  return queue;
}
