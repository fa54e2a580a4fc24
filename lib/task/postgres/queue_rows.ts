/**
 * The tables of the queue as the records of a commit log, for backups. The reservations of workers are
 * left out, and so are pauses of tubes: a queue that keeps its jobs in memory forgets both when it
 * restarts.
 *
 * @module
 */

import type postgres from "postgres";
import type { DatabaseTransaction } from "../../storage/database.ts";
import type { RecordWriter } from "../../storage/backup/record_writer.ts";
import { latin1From, valueFrom } from "../../storage/value.ts";
import { canExpire } from "../job_options.ts";
import { Job } from "../memory/job.ts";
import { JobMemory, TIME } from "../memory/job_memory.ts";
import { namedTube, QueueRecordWriter } from "../memory/queue_records.ts";
import { Result } from "../memory/results.ts";
import type { JobId } from "../queue.ts";
import { type LockedRow, rowDeath, rowOptions } from "./locked_job.ts";
import { query, STATE, STATES } from "./statements.ts";

/** Rows of a page. */
const PAGE_ROWS = 200;

/** A row of the table of jobs. */
type JobRow = Omit<LockedRow, "now"> & {
  created_at: number;
  reserves: number;
  expires_at: number | null;
  body: Uint8Array;
};

const READ_JOBS = `
  SELECT id, tube, state, priority, due_at, daemon, client, delay_ms, ttr_ms, created_at, reserves,
    timeouts, releases, buries, kicks, attempts, reason, key, options, followed, expires_at,
    dead_tube, dead_attempts, dead_reason, body
  FROM quartet.task_jobs WHERE id > $1::text::int8 ORDER BY id LIMIT ${PAGE_ROWS}`;

const READ_RESULTS = `
  SELECT id, expires_at, body, cancelled FROM quartet.task_results
  WHERE id > $1::text::int8 ORDER BY id LIMIT ${PAGE_ROWS}`;

/** Writes the tables as they are in a transaction. */
export async function saveQueueRows(
  { sql }: DatabaseTransaction,
  records: RecordWriter,
): Promise<void> {
  const writer = new QueueRecordWriter(records);
  const memory = new JobMemory();
  for await (const row of pages<JobRow>(sql, READ_JOBS)) {
    const job = jobOf(row, memory);
    await writer.job(job, hasMoved(job));
    job.free();
  }
  type ResultRow = { id: JobId; expires_at: number; body: Uint8Array; cancelled: boolean };
  for await (const row of pages<ResultRow>(sql, READ_RESULTS)) {
    const state = row.cancelled ? "cancelled" : "done";
    const body = valueFrom(row.body);
    await writer.result(new Result(row.id, { state, body, expiresAt: row.expires_at }));
  }
  const schedules = await sql<
    { name: string; timing: string; handled_at: number; ran_at: number; job: JobId }[]
  >`SELECT name, timing, handled_at, ran_at, job FROM quartet.task_schedules`;
  for (const { name, timing, handled_at: handledAt, ran_at: ranAt, job } of schedules) {
    await writer.schedule(name, { timing, handledAt, ranAt, job });
  }
  const keys = await sql<{ tube: string; key: string; id: JobId; expires_at: number }[]>`
    SELECT tube, key, id, expires_at FROM quartet.task_keys`;
  for (const { expires_at: dueAt, ...key } of keys) await writer.key({ ...key, dueAt });
  const lost = await sql<{ id: JobId }[]>`SELECT id FROM quartet.task_ended WHERE lost`;
  for (const { id } of lost) await writer.lost(id);
  const [ids] = await sql<{ next: JobId }[]>`
    SELECT CASE WHEN is_called THEN last_value + 1 ELSE 1 END AS next FROM quartet.task_ids`;
  await writer.nextId(ids!.next);
}

/** Reads all rows of a statement that takes the last id, and returns the next rows. */
async function* pages<Row extends { id: JobId }>(
  sql: postgres.ISql,
  statement: string,
): AsyncGenerator<Row> {
  for (let last: JobId = 0;;) {
    const rows = await query<Row>(sql, statement, [String(last)]);
    yield* rows;
    if (rows.length < PAGE_ROWS) return;
    last = rows.at(-1)!.id;
  }
}

function jobOf(row: JobRow, memory: JobMemory): Job {
  const record = memory.add(row.body);
  memory.setTime(record, TIME.delay, row.delay_ms);
  memory.setTime(record, TIME.ttr, row.ttr_ms);
  memory.setTime(record, TIME.created, row.created_at);
  const options = rowOptions(row);
  const tube = namedTube(row.tube);
  const job = new Job(memory, record, { id: row.id, tube, priority: row.priority, options });
  const isReserved = row.state === STATE.reserved;
  const death = rowDeath(row);
  job.reserves = row.reserves;
  job.set({
    state: isReserved ? "ready" : STATES[row.state]!,
    priority: row.priority,
    delayMs: row.delay_ms,
    ttrMs: row.ttr_ms,
    dueAt: isReserved ? 0 : row.due_at ?? 0,
    timeouts: row.timeouts,
    releases: row.releases,
    buries: row.buries,
    kicks: row.kicks,
    attempts: row.attempts,
    reason: latin1From(row.reason),
    death,
  });
  if (death !== null) job.stray(tube);
  const expires = options !== null && options.expiresAt < Infinity;
  if (expires && row.expires_at === null && canExpire(job)) {
    job.revive();
    job.stray(tube);
  }
  return job;
}

/** Whether what a job was put with does not say all. */
function hasMoved(job: Job): boolean {
  const { reserves, timeouts, releases, buries, kicks, attempts, options } = job;
  const counts = reserves + timeouts + releases + buries + kicks + attempts;
  const waits = options !== null && options.after.length > 0;
  return counts > 0 || job.strayed || job.state === "buried" || waits !== (job.state === "held");
}
