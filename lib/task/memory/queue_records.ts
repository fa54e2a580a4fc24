/**
 * A queue as the records of a commit log, for backups, and back.
 *
 * @module
 */

import type { RecordWriter } from "../../storage/backup/record_writer.ts";
import type { CommitLog } from "../../storage/commit_log.ts";
import type { JobId } from "../queue.ts";
import type { ScheduleRecord } from "../schedule/book.ts";
import { encodeKey, type KeyFields, LOST_RECORD } from "./condition_records.ts";
import { IdTable } from "./id_table.ts";
import type { Job, JobTube } from "./job.ts";
import { JobMemory } from "./job_memory.ts";
import { JournalTables } from "./journal_tables.ts";
import { NEXT_ID } from "./log_journal.ts";
import type { MemoryQueue } from "./queue.ts";
import { encodeId, encodeJobHead, encodeMove, encodeResultHead, idKey } from "./records.ts";
import type { Result } from "./results.ts";
import { encodeSchedule, ScheduleTable } from "./schedule_table.ts";
import type { TimedKey } from "./unique_keys.ts";

/** Writes the records of a queue. */
export class QueueRecordWriter {
  readonly #records: RecordWriter;

  constructor(records: RecordWriter) {
    this.#records = records;
  }

  /** Writes a job. @param moved Whether its present state is not the one it was put in. */
  async job(job: Job, moved: boolean): Promise<void> {
    const key = idKey(job.id);
    await this.#records.put("task_jobs", key, job.body, encodeJobHead(job));
    if (moved) await this.#records.put("task_moves", key, job.reason, encodeMove(job));
  }

  async result(result: Result): Promise<void> {
    const head = encodeResultHead(result);
    await this.#records.put("task_results", idKey(result.id), result.body, head);
  }

  async schedule(name: string, record: ScheduleRecord): Promise<void> {
    await this.#records.put("task_schedules", name, encodeSchedule(record));
  }

  async key(key: Pick<TimedKey, "id" | "tube" | "key" | "dueAt">): Promise<void> {
    await this.#records.put("task_keys", idKey(key.id), encodeKey(key));
  }

  async lost(id: JobId): Promise<void> {
    await this.#records.put("task_lost", idKey(id), LOST_RECORD);
  }

  async nextId(id: JobId): Promise<void> {
    await this.#records.put("task_meta", NEXT_ID, encodeId(id));
  }
}

/** Writes a queue in memory. Clients go on using it, so each record is of its own moment. */
export async function saveMemoryQueue(
  { scheduler, schedules }: MemoryQueue,
  records: RecordWriter,
): Promise<void> {
  const writer = new QueueRecordWriter(records);
  for (const job of scheduler.jobs.values()) await writer.job(job, true);
  for (const result of scheduler.results.all()) await writer.result(result);
  for (const [name, record] of schedules.records) await writer.schedule(name, record);
  for (const key of scheduler.conditions.keys.allTimed()) await writer.key(key);
  for (const id of scheduler.conditions.dependencies.allLost()) await writer.lost(id);
  await writer.nextId(scheduler.ids.last + 1);
}

/** Everything that a commit log has of a queue. */
export interface QueueRecords {
  jobs(): Iterable<Job>;
  /** A job by its id. */
  job(id: JobId): Job | undefined;
  results: Iterable<Result>;
  schedules: ReadonlyMap<string, ScheduleRecord>;
  keys: Iterable<KeyFields>;
  /** Jobs that were deleted without being done, while others are held for them. */
  lost: ReadonlySet<JobId>;
  /** All ids before this one may have been used. */
  nextId: JobId;
}

/** Loads the records of a queue from a commit log into memory. */
export async function loadQueueRecords(log: CommitLog): Promise<QueueRecords> {
  const jobs = new IdTable<Job>();
  const memory = new JobMemory();
  const schedules = new Map<string, ScheduleRecord>();
  const tubes = new Map<string, JobTube>();
  const owners = new JournalTables({
    jobs: () => jobs,
    result: () => undefined,
    key: () => undefined,
    isLost: () => false,
    tube: (name) => tubes.getOrInsertComputed(name, namedTube),
    memory: () => memory,
  });
  await log.openTables(owners.byName(new ScheduleTable(schedules)));
  return {
    jobs: () => jobs.values(),
    job: (id) => jobs.get(id),
    results: owners.loadedResults.values(),
    schedules,
    keys: owners.loadedKeys.values(),
    lost: owners.loadedLost,
    nextId: owners.nextId,
  };
}

/** A tube of which only the name is used: nobody reserves these jobs. */
export function namedTube(name: string): JobTube {
  return { name } as JobTube;
}
