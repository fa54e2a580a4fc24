/**
 * Filling the empty tables of the queue from a backup.
 *
 * @module
 */

import type postgres from "postgres";
import { joinValues } from "../../storage/postgres/packed_values.ts";
import type { DatabaseTransaction } from "../../storage/database.ts";
import type { Value } from "../../storage/value.ts";
import { canExpire, encodeOptions, soleKey } from "../job_options.ts";
import type { Job } from "../memory/job.ts";
import type { QueueRecords } from "../memory/queue_records.ts";
import type { Result } from "../memory/results.ts";
import type { JobId } from "../queue.ts";
import { HOLDS } from "./put_job.ts";
import { query, STATE } from "./statements.ts";

/** The most rows of one statement, and about how many bytes their bodies may have. */
const BATCH_ROWS = 500;
const BATCH_BYTES = 4 * 1024 * 1024;

/** The tables that must be empty. */
const TABLES = ["task_jobs", "task_results", "task_schedules", "task_keys", "task_after"];

/** Inserts jobs: $1 in JSON, $2 the bytes that it refers to. */
const INSERT_JOBS = `
  INSERT INTO quartet.task_jobs (id, tube, state, priority, due_at, delay_ms, ttr_ms, created_at,
    reserves, timeouts, releases, buries, kicks, attempts, key, key_hold, key_until, expires_at,
    followed, options, dead_tube, dead_attempts, body, reason, dead_reason)
  SELECT id, tube, state, priority, due_at, delay_ms, ttr_ms, created_at,
    reserves, timeouts, releases, buries, kicks, attempts, key, key_hold, key_until, expires_at,
    followed, options, dead_tube, dead_attempts, substring($2::bytea FROM a FOR al),
    substring($2::bytea FROM b FOR bl),
    CASE WHEN dead_tube IS NOT NULL THEN substring($2::bytea FROM c FOR cl) END
  FROM json_to_recordset($1::text::json) AS j (id int8, tube text, state int2, priority int8,
    due_at int8, delay_ms int8, ttr_ms int8, created_at int8, reserves int4, timeouts int4,
    releases int4, buries int4, kicks int4, attempts int4, key text, key_hold int2, key_until int8,
    expires_at int8, followed bool, options text, dead_tube text, dead_attempts int4, a int4,
    al int4, b int4, bl int4, c int4, cl int4)`;

/** Inserts results, in the same way. */
const INSERT_RESULTS = `
  INSERT INTO quartet.task_results (id, expires_at, cancelled, body)
  SELECT id, expires_at, cancelled, substring($2::bytea FROM a FOR al)
  FROM json_to_recordset($1::text::json)
    AS r (id int8, expires_at int8, cancelled bool, a int4, al int4)`;

/**
 * Sets the last id that was given out; $2: whether there was any. The ids that an emptied database
 * has given out earlier are not given again.
 */
const SET_ID = `
  SELECT setval('quartet.task_ids', greatest($1::text::int8, last_value), is_called OR $2::text::bool)
  FROM quartet.task_ids`;

/** A row with bytes, which JSON does not hold. */
interface PackedRow {
  row: Record<string, unknown>;
  bytes: Value[];
}

/**
 * Fills the tables.
 *
 * @throws {Error} If they are not empty.
 */
export async function fillTables(
  transaction: DatabaseTransaction,
  queue: QueueRecords,
): Promise<void> {
  const { sql } = transaction;
  for (const table of TABLES) await transaction.lockEmpty(table);
  const waits = waitsOf(queue);
  const followed = new Set(waits.map(({ id }) => id));
  await insertPacked(sql, INSERT_JOBS, queue.jobs(), (job) => jobRow(job, followed.has(job.id)));
  await insertPacked(sql, INSERT_RESULTS, queue.results, resultRow);
  await insert(sql, "task_after", "id int8, job int8", waits);
  const lost = [...queue.lost].map((id) => ({ id, lost: true }));
  await insert(sql, "task_ended", "id int8, lost bool", lost);
  const keys = [...queue.keys].map(({ until, ...key }) => ({ ...key, expires_at: whole(until) }));
  const byUntil = keys.toSorted((a, b) => Number(a.expires_at) - Number(b.expires_at));
  // Two jobs may have had the same key one after the other; the later one holds it.
  const held = new Map(byUntil.map((key) => [`${key.tube} ${key.key}`, key]));
  await insert(sql, "task_keys", "tube text, key text, id int8, expires_at int8", held.values());
  const schedules = [...queue.schedules].map(([name, { timing, handledAt, ranAt, job }]) => {
    return { name, timing, handled_at: whole(handledAt), ran_at: whole(ranAt), job };
  });
  const columns = "name text, timing text, handled_at int8, ran_at int8, job int8";
  await insert(sql, "task_schedules", columns, schedules);
  const last = Math.max(0, queue.nextId - 1);
  await query(sql, SET_ID, [String(Math.max(1, last)), String(last > 0)]);
}

/** Which held job waits for which, among those that are not done. */
function waitsOf(queue: QueueRecords): { id: JobId; job: JobId }[] {
  const waits: { id: JobId; job: JobId }[] = [];
  for (const { id: job, state, options } of queue.jobs()) {
    if (state !== "held") continue;
    for (const id of options!.after) {
      if (queue.job(id) !== undefined || queue.lost.has(id)) waits.push({ id, job });
    }
  }
  return waits;
}

function jobRow(job: Job, followed: boolean): PackedRow {
  const { options, death, state } = job;
  const unique = options?.unique;
  return {
    row: {
      id: job.id,
      tube: job.tube.name,
      state: STATE[state],
      priority: job.priority,
      due_at: state === "delayed" || state === "buried" ? whole(job.dueAt) : null,
      delay_ms: whole(job.delayMs),
      ttr_ms: whole(job.ttrMs),
      created_at: whole(job.createdAt),
      reserves: job.reserves,
      timeouts: job.timeouts,
      releases: job.releases,
      buries: job.buries,
      kicks: job.kicks,
      attempts: job.attempts,
      key: unique?.key,
      key_hold: unique ? HOLDS[unique.hold] : null,
      key_until: unique ? whole(unique.until) : null,
      expires_at: options !== null && canExpire(job) ? whole(options.expiresAt) : null,
      followed,
      options: soleKey(options) === undefined ? encodeOptions(options!) : null,
      dead_tube: death?.tube,
      dead_attempts: death?.attempts,
    },
    bytes: [job.body, job.reason, death?.reason ?? ""],
  };
}

function resultRow({ id, expiresAt, state, body }: Result): PackedRow {
  return {
    row: { id, expires_at: whole(expiresAt), cancelled: state === "cancelled" },
    bytes: [body],
  };
}

/** Inserts rows with bytes, in batches. */
async function insertPacked<T>(
  sql: postgres.ISql,
  statement: string,
  items: Iterable<T>,
  pack: (item: T) => PackedRow,
): Promise<void> {
  let batch: PackedRow[] = [];
  let bytes = 0;
  const flush = async () => {
    if (batch.length === 0) return;
    const packed = joinValues(batch.flatMap((row) => row.bytes));
    let start = 1;
    for (const { row, bytes } of batch) {
      bytes.forEach(({ length }, index) => {
        const name = "abc"[index]!;
        row[name] = start;
        row[`${name}l`] = length;
        start += length;
      });
    }
    await query(sql, statement, [JSON.stringify(batch.map(({ row }) => row)), packed.bytes]);
    batch = [];
    bytes = 0;
  };
  for (const item of items) {
    const packed = pack(item);
    batch.push(packed);
    bytes += packed.bytes.reduce((sum, { length }) => sum + length, 0);
    if (batch.length >= BATCH_ROWS || bytes >= BATCH_BYTES) await flush();
  }
  await flush();
}

/** Inserts rows that JSON can hold, in batches. */
async function insert(
  sql: postgres.ISql,
  table: string,
  columns: string,
  rows: Iterable<object>,
): Promise<void> {
  const names = columns.split(", ").map((column) => column.split(" ")[0]).join();
  const all = [...rows];
  for (let at = 0; at < all.length; at += BATCH_ROWS) {
    const batch = JSON.stringify(all.slice(at, at + BATCH_ROWS));
    await query(
      sql,
      `INSERT INTO quartet.${table} (${names}) SELECT ${names}
        FROM json_to_recordset($1::text::json) AS r (${columns})`,
      [batch],
    );
  }
}

/** Rounds a time up to whole milliseconds; `Infinity` becomes `null`. */
function whole(ms: number): number | null {
  return ms === Infinity ? null : Math.ceil(ms);
}
