import type { Log } from "../log.ts";
import type { CommitLog } from "../storage/commit_log.ts";
import type { Storage } from "../storage/storage.ts";
import { SYSTEM_CLOCK } from "./clock.ts";
import { LogJournal } from "./memory/log_journal.ts";
import { MemoryQueue } from "./memory/queue.ts";
import { PostgresQueue } from "./postgres/queue.ts";
import type { QueueOptions } from "./queue.ts";
import type { ScheduledQueue } from "./schedule/book.ts";

/**
 * Opens the queue in a storage. Close the queue before the storage.
 *
 * @throws {Error} If the contents of the storage cannot be read.
 */
export function openQueue(
  storage: Storage,
  { log, ...options }: QueueOptions & { log: Log },
): Promise<ScheduledQueue> {
  return storage.match<Promise<ScheduledQueue>>({
    log: (commitLog) => openMemoryQueue(commitLog, options),
    database: (database) => PostgresQueue.open(database, { options, log }),
  });
}

async function openMemoryQueue(log: CommitLog, options: QueueOptions): Promise<ScheduledQueue> {
  if (!log.durable) return new MemoryQueue(SYSTEM_CLOCK, options);
  const journal = new LogJournal(log);
  const queue = new MemoryQueue(SYSTEM_CLOCK, options, journal);
  await journal.load(queue.scheduler, queue.schedules.records);
  return queue;
}
