/**
 * Puts of jobs with options. Each is a transaction of its own, unlike the puts of plain jobs, which
 * share statements.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type postgres from "postgres";
import { valueBytes } from "../../storage/value.ts";
import { encodeOptions, soleKey, type StoredOptions, storedOptions } from "../job_options.ts";
import { allowedTtrMs } from "../life_cycle.ts";
import type { JobId, JobSpec, JobState, KeyHold, PutJob } from "../queue.ts";
import { NOW, numbers, query, STATE } from "./statements.ts";

/** The class of advisory locks on unique keys: "qkey" in ASCII. Migrations use locks of one number. */
const KEY_LOCK_CLASS = 0x716b6579;

/** What ends the hold of a job on its key, as in the table. */
export const HOLDS: Readonly<Record<KeyHold, number | null>> = {
  unfinished: null,
  queued: 1,
  until: 2,
};

/** The job that holds a key. Jobs hold no key with `until`, which has a table of its own. */
const HOLDER = `
  SELECT id FROM quartet.task_jobs
  WHERE tube = $1::text AND key = $2::text AND state <> ${STATE.buried}
    AND (key_until IS NULL OR key_until > ${NOW})
    AND (key_hold IS NULL OR (key_hold = 1 AND state <> ${STATE.reserved}))
  UNION ALL
  SELECT id FROM quartet.task_keys
  WHERE tube = $1::text AND key = $2::text AND expires_at > ${NOW}
  LIMIT 1`;

const INSERT = `
  INSERT INTO quartet.task_jobs (id, tube, state, priority, due_at, delay_ms, ttr_ms, created_at,
    body, key, key_hold, key_until, expires_at, options)
  VALUES (nextval('quartet.task_ids'), $1::text, $2::text::int2, $3::text::int8, $4::text::int8,
    $5::text::int8, $6::text::int8, $7::text::int8, $8::bytea, $9::text, $10::text::int2,
    $11::text::int8, $12::text::int8, $13::text)
  RETURNING id`;

/** The id of the job that holds a key of a tube; it may be gone. */
export async function findKey(
  sql: postgres.ISql,
  tube: string,
  key: string,
): Promise<JobId | null> {
  const [row] = await query<{ id: JobId }>(sql, HOLDER, [tube, key]);
  return row?.id ?? null;
}

/** A job that was put, or the one that holds its key. */
export type PutInDatabase = PutJob & {
  /** The state of a new job. */
  state?: JobState;
};

/**
 * Puts a job with options.
 *
 * @returns `NOT_FOUND` if it is to run after a job that there never was.
 */
export async function putJob(
  sql: postgres.Sql,
  tube: string,
  spec: JobSpec,
): Promise<PutInDatabase | "NOT_FOUND"> {
  return await (sql.begin((sql) => putInTransaction(sql, tube, spec)) as Promise<
    PutInDatabase | "NOT_FOUND"
  >);
}

/** As {@linkcode putJob}, in a transaction that the caller has begun. */
export async function putInTransaction(
  sql: postgres.TransactionSql,
  tube: string,
  spec: JobSpec,
): Promise<PutInDatabase | "NOT_FOUND"> {
  const { unique, after = [] } = spec.options ?? {};
  if (unique !== undefined) {
    const lock = hashOf(`${tube} ${unique.key}`);
    await sql`SELECT pg_advisory_xact_lock(${KEY_LOCK_CLASS}::int, ${lock}::int)`;
    const id = await findKey(sql, tube, unique.key);
    if (id !== null) return { id, existed: true };
  }
  const [facts] = await query<{ now: number; last: number }>(
    sql,
    `SELECT ${NOW} AS now, CASE WHEN is_called THEN last_value ELSE 0 END AS last
      FROM quartet.task_ids`,
    [],
  );
  const { now, last } = facts!;
  if (after.some((id) => !(id >= 1 && id <= last))) return "NOT_FOUND";
  const unfinished = after.length === 0 ? [] : await follow(sql, after);
  const options = storedOptions(spec.options, { now, unfinished: () => unfinished });
  const { id, state } = await insert(sql, tube, { spec, options, now });
  if (unfinished.length > 0) await waitFor(sql, id, unfinished);
  const key = options?.unique;
  if (key?.hold === "until") await keepKey(sql, { id, tube, ...key });
  return { id, existed: false, state };
}

/** Locks the jobs among these that are not done, and notes that others follow them. */
async function follow(sql: postgres.ISql, ids: readonly JobId[]): Promise<JobId[]> {
  const rows = await query<{ id: JobId }>(
    sql,
    "SELECT id FROM quartet.task_jobs WHERE id = ANY ($1::text::int8[]) ORDER BY id FOR UPDATE",
    [numbers(ids)],
  );
  await query(
    sql,
    `UPDATE quartet.task_jobs SET followed = true
      WHERE id = ANY ($1::text::int8[]) AND NOT followed`,
    [numbers(rows.map(({ id }) => id))],
  );
  return rows.map(({ id }) => id);
}

async function insert(
  sql: postgres.ISql,
  tube: string,
  { spec, options, now }: { spec: JobSpec; options: StoredOptions | null; now: number },
): Promise<{ id: JobId; state: JobState }> {
  const delayMs = Math.ceil(spec.delayMs);
  const afterDelay: JobState = delayMs > 0 ? "delayed" : "ready";
  const state = options !== null && options.after.length > 0 ? "held" : afterDelay;
  const unique = options?.unique;
  const [row] = await query<{ id: JobId }>(sql, INSERT, [
    tube,
    String(STATE[state]),
    String(spec.priority),
    state === "delayed" ? String(now + delayMs) : null,
    String(delayMs),
    String(Math.ceil(allowedTtrMs(spec.ttrMs))),
    String(now),
    Buffer.from(valueBytes(spec.body)),
    unique?.key ?? null,
    unique ? numberOrNull(HOLDS[unique.hold]) : null,
    numberOrNull(unique?.until ?? null),
    numberOrNull(options?.expiresAt ?? null),
    soleKey(options) === undefined ? encodeOptions(options!) : null,
  ]);
  return { id: row!.id, state };
}

/** Formats a number; `Infinity` is NULL. */
function numberOrNull(number: number | null): string | null {
  return number === null || number === Infinity ? null : String(Math.ceil(number));
}

async function waitFor(sql: postgres.ISql, job: JobId, ids: readonly JobId[]): Promise<void> {
  await query(
    sql,
    `INSERT INTO quartet.task_after (id, job)
      SELECT id, $2::text::int8 FROM unnest($1::text::int8[]) AS id`,
    [numbers(ids), String(job)],
  );
}

async function keepKey(
  sql: postgres.ISql,
  key: { id: JobId; tube: string; key: string; until: number },
): Promise<void> {
  await query(
    sql,
    `INSERT INTO quartet.task_keys (tube, key, id, expires_at)
      VALUES ($1::text, $2::text, $3::text::int8, $4::text::int8)
      ON CONFLICT (tube, key) DO UPDATE SET id = excluded.id, expires_at = excluded.expires_at`,
    [key.tube, key.key, String(key.id), String(Math.ceil(key.until))],
  );
}

/** A hash of 32 bits (FNV-1a), for the number of a lock. Two keys with one lock only wait a little. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash | 0;
}
