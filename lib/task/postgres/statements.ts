/**
 * The statements of the queue on its tables, which `schema.ts` defines. All times are milliseconds
 * since the Unix epoch by the clock of the database, the only clock that all daemons share.
 *
 * @module
 */

import type postgres from "postgres";
import type { JobState, SweptState } from "../queue.ts";

/** The states of jobs, indexed by their numbers in the table. */
export const STATES: readonly JobState[] = ["ready", "reserved", "delayed", "buried", "held"];

/** The number of each state in the table. */
export const STATE = { ready: 0, reserved: 1, delayed: 2, buried: 3, held: 4 } as const;

/** The time of the statement: the same for all rows, so that an index can be used with it. */
export const NOW = "(extract(epoch FROM statement_timestamp()) * 1000)::bigint";

/** Puts jobs; returns their ids, which ascend in the order of the jobs. */
export const PUT = `
  INSERT INTO quartet.task_jobs
    (id, tube, state, priority, due_at, delay_ms, ttr_ms, created_at, body)
  SELECT nextval('quartet.task_ids'), p.tube, CASE WHEN p.delay > 0 THEN 2 ELSE 0 END, p.priority,
    CASE WHEN p.delay > 0 THEN ${NOW} + p.delay END, p.delay, p.ttr, ${NOW},
    substring($7::bytea FROM p.start FOR p.length)
  FROM unnest($1::text::text[], $2::text::int8[], $3::text::int8[], $4::text::int8[],
    $5::text::int4[], $6::text::int4[]) AS p (tube, priority, delay, ttr, start, length)
  RETURNING id`;

/**
 * Reserves the first ready jobs of some tubes, one for each client. $1: the tubes, $2: the most jobs
 * of each, $3: the clients in order, $4: the daemon. Returns the jobs and the clients they are
 * reserved for.
 */
export const RESERVE = `
  WITH picked AS MATERIALIZED (
    SELECT s.id, row_number() OVER (ORDER BY s.priority, s.id) AS n
    FROM unnest($1::text::text[], $2::text::int8[]) AS t (name, room),
      LATERAL (
        SELECT j.id, j.priority FROM quartet.task_jobs AS j
        WHERE j.tube = t.name AND j.state = 0
          AND (j.expires_at IS NULL OR j.expires_at > ${NOW})
        ORDER BY j.priority, j.id LIMIT t.room FOR UPDATE SKIP LOCKED
      ) AS s
    WHERE NOT EXISTS (
      SELECT FROM quartet.task_tubes AS p WHERE p.name = t.name AND p.paused_until > ${NOW}
    )
  ), given AS (
    SELECT picked.id, c.client
    FROM picked JOIN unnest($3::text::int8[]) WITH ORDINALITY AS c (client, n) USING (n)
  )
  UPDATE quartet.task_jobs AS j
  SET state = 1, daemon = $4::text::int8, client = given.client, due_at = ${NOW} + j.ttr_ms,
    reserves = j.reserves + 1, expires_at = NULL, progress = ''
  FROM given WHERE j.id = given.id
  RETURNING j.id, j.tube, j.priority, j.client, j.ttr_ms, j.body`;

/**
 * Deletes jobs ($1) unless they are reserved by others than these clients ($2) of a daemon ($3). Leaves
 * jobs that are held or that others follow, since there is more to do than to delete those.
 */
export const DELETE = `
  DELETE FROM quartet.task_jobs AS j
  USING unnest($1::text::int8[], $2::text::int8[]) AS d (id, client)
  WHERE j.id = d.id AND (j.state <> 1 OR (j.client = d.client AND j.daemon = $3::text::int8))
    AND j.state <> 4 AND NOT j.followed
  RETURNING j.id, j.tube`;

/**
 * {@linkcode PUT} ($1 to $7) and {@linkcode DELETE} ($8 to $10) at once. Returns the rows of both;
 * `tube` is NULL for a job that was put.
 */
export const PUT_AND_DELETE = `
  WITH put AS (${PUT}), gone AS (${numberedFrom(8, DELETE)})
  SELECT id, NULL AS tube FROM put UNION ALL SELECT id, tube FROM gone`;

/** The columns that {@linkcode LOCK} and {@linkcode EXPIRED} return. */
export const LOCKED_COLUMNS = `id, tube, state, priority, due_at, daemon, client, delay_ms,
  ttr_ms, reserves, timeouts, releases, buries, kicks, attempts, reason, key, options, followed,
  dead_tube, dead_attempts, dead_reason,
  expires_at, ${NOW} AS now`;

/** Locks jobs, always in the same order, so that no deadlock can occur. */
export const LOCK = `
  SELECT ${LOCKED_COLUMNS} FROM quartet.task_jobs
  WHERE id = ANY ($1::text::int8[]) ORDER BY id FOR UPDATE`;

/** Locks jobs whose delay or time to run is over. */
export const EXPIRED = `
  SELECT ${LOCKED_COLUMNS} FROM quartet.task_jobs
  WHERE state IN (1, 2) AND due_at <= ${NOW}
  ORDER BY due_at LIMIT $1::text::int8 FOR UPDATE SKIP LOCKED`;

/** Locks jobs that were not started in time. */
export const OVERDUE = `
  SELECT ${LOCKED_COLUMNS} FROM quartet.task_jobs
  WHERE expires_at <= ${NOW}
  ORDER BY expires_at LIMIT $1::text::int8 FOR UPDATE SKIP LOCKED`;

/** The first $1 tubes whose pause ends, and the time until then. */
export const PAUSES = `
  SELECT name, paused_until - ${NOW} AS ms FROM quartet.task_tubes
  WHERE paused_until > ${NOW} ORDER BY paused_until LIMIT $1::text::int8`;

/** The time until the next delay, time to run or time to start ends. */
export const NEXT_DUE = `
  SELECT least(
    (SELECT min(due_at) FROM quartet.task_jobs WHERE state IN (1, 2)),
    (SELECT min(expires_at) FROM quartet.task_jobs WHERE expires_at IS NOT NULL)
  ) - ${NOW} AS ms`;

/** Writes the new facts about locked jobs. */
export const UPDATE = `
  UPDATE quartet.task_jobs AS j
  SET state = u.state, priority = u.priority, due_at = u.due_at, daemon = u.daemon,
    client = u.client, delay_ms = u.delay_ms, timeouts = u.timeouts, releases = u.releases,
    buries = u.buries, kicks = u.kicks, attempts = u.attempts,
    expires_at = CASE WHEN u.state <> 3 THEN j.expires_at END,
    reason = substring($15::bytea FROM u.start FOR u.length)
  FROM unnest($1::text::int8[], $2::text::int2[], $3::text::int8[], $4::text::int8[],
    $5::text::int8[], $6::text::int8[], $7::text::int8[], $8::text::int4[], $9::text::int4[],
    $10::text::int4[], $11::text::int4[], $12::text::int4[], $13::text::int4[],
    $14::text::int4[])
    AS u (id, state, priority, due_at, daemon, client, delay_ms, timeouts, releases, buries,
      kicks, attempts, start, length)
  WHERE j.id = u.id`;

/**
 * Moves jobs, after {@linkcode UPDATE}, to other tubes. $3 has the attempts of each job that becomes a
 * dead letter, and NULL for one that is moved by hand.
 */
export const MOVE = `
  UPDATE quartet.task_jobs AS j
  SET tube = u.tube, dead_attempts = u.attempts,
    dead_tube = CASE WHEN u.attempts IS NOT NULL THEN j.tube END,
    dead_reason = CASE WHEN u.attempts IS NOT NULL THEN j.reason END,
    expires_at = CASE WHEN u.attempts IS NULL THEN j.expires_at END
  FROM unnest($1::text::int8[], $2::text::text[], $3::text::int4[]) AS u (id, tube, attempts)
  WHERE j.id = u.id`;

/** Notes the progress of jobs. $1: ids, $2 and $3: start and length of each in the bytes of $4. */
export const PROGRESS = `
  UPDATE quartet.task_jobs AS j SET progress = substring($4::bytea FROM u.start FOR u.length)
  FROM unnest($1::text::int8[], $2::text::int4[], $3::text::int4[]) AS u (id, start, length)
  WHERE j.id = u.id`;

/** Deletes locked jobs. */
export const REMOVE = `DELETE FROM quartet.task_jobs WHERE id = ANY ($1::text::int8[])`;

/**
 * Keeps results. $1: ids, $2 and $3: start and length of each in the bytes of $4, $5: the TTL, $6: 1
 * for each job that was cancelled.
 */
export const KEEP = `
  INSERT INTO quartet.task_results (id, expires_at, body, cancelled)
  SELECT r.id, ${NOW} + $5::text::int8, substring($4::bytea FROM r.start FOR r.length),
    r.cancelled = 1
  FROM unnest($1::text::int8[], $2::text::int4[], $3::text::int4[], $6::text::int4[])
    AS r (id, start, length, cancelled)`;

/** Removes the keys whose time is over. */
export const FORGET_KEYS = `
  DELETE FROM quartet.task_keys WHERE (tube, key) IN (
    SELECT tube, key FROM quartet.task_keys WHERE expires_at <= ${NOW}
    ORDER BY expires_at LIMIT 1000
  )`;

/**
 * Removes tubes that are not paused, have a full token bucket and no jobs. One that has a limit comes
 * back with its next job.
 */
export const FORGET_TUBES = `
  DELETE FROM quartet.task_tubes WHERE name IN (
    SELECT name FROM quartet.task_tubes AS t
    WHERE paused_until <= ${NOW} AND full_at <= ${NOW}
      -- Each of these has an index.
      AND NOT EXISTS (SELECT FROM quartet.task_jobs AS j WHERE j.tube = t.name AND j.state = 0)
      AND NOT EXISTS (SELECT FROM quartet.task_jobs AS j WHERE j.tube = t.name AND j.state > 0)
    LIMIT 1000 FOR UPDATE SKIP LOCKED
  )`;

/** Removes expired results. */
export const FORGET = `
  DELETE FROM quartet.task_results WHERE id IN (
    SELECT id FROM quartet.task_results WHERE expires_at <= ${NOW} ORDER BY expires_at LIMIT 1000
  )`;

/** The first job of a tube in each state. */
export const FIRST_IN_STATE: Readonly<Record<"ready" | "delayed" | "buried", string>> = {
  ready: firstInState("state = 0", "priority, id"),
  delayed: firstInState("state = 2", "due_at, id"),
  buried: firstInState("state = 3", "due_at, id"),
};

/** Locks up to $2 jobs of a tube ($1) that can be kicked. */
export const KICKABLE: Readonly<Record<"buried" | "delayed", string>> = {
  buried: kickable("state = 3"),
  delayed: kickable("state = 2"),
};

/** Locks up to $3 jobs of a tube ($1) with ids up to $2, by their state. */
export const SWEPT: Readonly<Record<SweptState, string>> = {
  ready: swept("state = 0", "priority, id"),
  delayed: swept("state = 2", "due_at, id"),
  buried: swept("state = 3", "due_at, id"),
  held: swept("state = 4", "due_at, id"),
};

/** A statement whose first parameter is not $1 but $`first`. */
function numberedFrom(first: number, statement: string): string {
  return statement.replaceAll(/\$(\d+)/g, (_, number) => `$${Number(number) + first - 1}`);
}

function swept(state: string, order: string): string {
  return `SELECT ${LOCKED_COLUMNS} FROM quartet.task_jobs
    WHERE tube = $1::text AND ${state} AND id <= $2::text::int8
    ORDER BY ${order} LIMIT $3::text::int8 FOR UPDATE SKIP LOCKED`;
}

function firstInState(state: string, order: string): string {
  return `SELECT id, body FROM quartet.task_jobs
    WHERE tube = $1::text AND ${state} ORDER BY ${order} LIMIT 1`;
}

function kickable(state: string): string {
  return `SELECT ${LOCKED_COLUMNS} FROM quartet.task_jobs
    WHERE tube = $1::text AND ${state} ORDER BY due_at, id LIMIT $2::text::int8
    FOR UPDATE SKIP LOCKED`;
}

/** A parameter of one of these statements. */
export type SqlParameter = string | Uint8Array | null;

/** Runs a statement, which each connection prepares once. */
export async function query<Row extends object>(
  sql: postgres.ISql,
  statement: string,
  parameters: SqlParameter[],
): Promise<Row[]> {
  return await sql.unsafe<Row[]>(statement, parameters as string[], { prepare: true });
}

/** Formats numbers as an SQL array; `null` is NULL. */
export function numbers(list: readonly (number | null)[]): string {
  return `{${list.map((number) => number === null ? "NULL" : String(number)).join()}}`;
}

/** Formats names of tubes as an SQL array. No valid name needs escaping. */
export function names(list: readonly string[]): string {
  return `{${list.map((name) => `"${name}"`).join()}}`;
}
