/**
 * Queries for a single job or tube. They are rare, so they are not batched.
 *
 * @module
 */

import type postgres from "postgres";
import { latin1From, valueFrom } from "../../storage/value.ts";
import { optionStats } from "../job_options.ts";
import type { EndState, JobBody, JobId, JobStats, Outcome, TubeRules } from "../queue.ts";
import { readHeldReason } from "./followers.ts";
import { type LockedRow, rowDeath, rowOptions } from "./locked_job.ts";
import type { ReservedRow } from "./requests.ts";
import { FIRST_IN_STATE, LOCKED_COLUMNS, NOW, query, STATE, STATES } from "./statements.ts";
import { isLimited, type LockedTube, lockTubes, takeTokens } from "./tube_limits.ts";

/** A job by its id. */
export async function readJob(sql: postgres.Sql, id: JobId): Promise<JobBody | null> {
  const [row] = await sql<{ body: Uint8Array }[]>`
    SELECT body FROM quartet.task_jobs WHERE id = ${id}`;
  return row === undefined ? null : { id, body: valueFrom(row.body) };
}

/** The first job of a tube in a state. */
export async function readFirst(
  sql: postgres.Sql,
  tube: string,
  state: "ready" | "delayed" | "buried",
): Promise<JobBody | null> {
  const [row] = await query<{ id: JobId; body: Uint8Array }>(sql, FIRST_IN_STATE[state], [tube]);
  return row === undefined ? null : { id: row.id, body: valueFrom(row.body) };
}

/** The outcome of a job as the database returns it. */
interface OutcomeRow {
  /** How it ended; `null` if it has not, or is buried. */
  ended: EndState | null;
  state: number;
  body: Uint8Array;
  reserves: number;
}

/** The outcome of a job so far; `null` if there is neither a job nor a result. */
export async function readOutcome(sql: postgres.Sql, id: JobId): Promise<Outcome | null> {
  const [row] = await sql<OutcomeRow[]>`
    SELECT CASE WHEN cancelled THEN 'cancelled' ELSE 'done' END AS ended, 0 AS state, body,
      0 AS reserves
    FROM quartet.task_results WHERE id = ${id} AND expires_at > ${sql.unsafe(NOW)}
    UNION ALL
    SELECT CASE WHEN dead_tube IS NOT NULL THEN 'dead' END, state,
      CASE WHEN dead_tube IS NOT NULL THEN dead_reason
        WHEN state = ${STATE.buried} THEN reason WHEN state = ${STATE.reserved} THEN progress
        ELSE '' END, reserves
    FROM quartet.task_jobs WHERE id = ${id}`;
  if (row === undefined) return null;
  const outcome = { state: row.ended ?? STATES[row.state]!, body: valueFrom(row.body) };
  const hasProgress = outcome.state === "reserved" && outcome.body.length > 0;
  return hasProgress ? { ...outcome, run: row.reserves } : outcome;
}

/** What `stats-job` reports about a job. */
export async function readJobStats(sql: postgres.Sql, id: JobId): Promise<JobStats | null> {
  const [row] = await sql<JobStatsRow[]>`
    SELECT ${sql.unsafe(LOCKED_COLUMNS)}, created_at, progress
    FROM quartet.task_jobs WHERE id = ${id}`;
  return row === undefined ? null : await statsOfRow(sql, row);
}

/** The row of a job with all that `stats-job` reports. */
export interface JobStatsRow extends LockedRow {
  reserves: number;
  expires_at: number | null;
  created_at: number;
  progress: Uint8Array;
}

/** What `stats-job` reports about a job, from its row. */
export async function statsOfRow(sql: postgres.Sql, row: JobStatsRow): Promise<JobStats> {
  const state = STATES[row.state]!;
  const timed = state === "reserved" || state === "delayed";
  return {
    id: row.id,
    tube: row.tube,
    state,
    priority: row.priority,
    ageMs: Math.max(0, row.now - row.created_at),
    delayMs: row.delay_ms,
    ttrMs: row.ttr_ms,
    leftMs: timed ? Math.max(0, row.due_at! - row.now) : 0,
    reserves: row.reserves,
    timeouts: row.timeouts,
    releases: row.releases,
    buries: row.buries,
    kicks: row.kicks,
    attempts: row.attempts,
    reason: state === "held" ? await readHeldReason(sql, row.id) : latin1From(row.reason),
    progress: latin1From(row.progress),
    key: row.key ?? "",
    death: rowDeath(row as unknown as LockedRow),
    ...optionStats(rowOptions({ key: row.key, options: row.options }), {
      now: row.now,
      expires: row.expires_at !== null,
    }),
  };
}

/** The tubes that have jobs. */
export async function readTubes(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ tube: string }[]>`
    SELECT DISTINCT tube FROM quartet.task_jobs ORDER BY tube`;
  return rows.map(({ tube }) => tube);
}

/** Whether a tube has jobs. */
export async function hasJobs(sql: postgres.Sql, tube: string): Promise<boolean> {
  // Each of the two has an index; for both together, the whole table would be read.
  const [row] = await sql<{ found: boolean }[]>`
    SELECT EXISTS (SELECT FROM quartet.task_jobs WHERE tube = ${tube} AND state = 0)
      OR EXISTS (SELECT FROM quartet.task_jobs WHERE tube = ${tube} AND state > 0) AS found`;
  return row!.found;
}

/** Pauses a tube; 0 resumes it. */
export async function writePause(
  sql: postgres.Sql,
  tube: string,
  pauseMs: number,
): Promise<void> {
  await sql`
    INSERT INTO quartet.task_tubes AS t (name, paused_until, pause_ms)
    VALUES (${tube}, ${sql.unsafe(NOW)} + ${pauseMs}::bigint, ${pauseMs}::bigint)
    ON CONFLICT (name) DO UPDATE
    SET paused_until = excluded.paused_until, pause_ms = excluded.pause_ms`;
}

/** Reserves a job by its id; `null` if it cannot be reserved now. */
export async function reserveOne(
  sql: postgres.Sql,
  id: JobId,
  holder: { daemon: number; client: number; rulesOf: (tube: string) => TubeRules },
): Promise<ReservedRow | null> {
  return await (sql.begin(async (sql) => {
    const [job] = await sql<{ tube: string }[]>`
      SELECT tube FROM quartet.task_jobs WHERE id = ${id} AND state <> ${STATE.reserved}
        AND state <> ${STATE.held} FOR UPDATE`;
    if (job === undefined) return null;
    const tube = { name: job.tube, rules: holder.rulesOf(job.tube) };
    const locked = isLimited(tube) ? await lockTubes(sql, [tube]) : new Map<string, LockedTube>();
    if (locked.get(tube.name)?.room === 0) {
      await takeTokens(sql, locked, new Map());
      return null;
    }
    const [row] = await sql<ReservedRow[]>`
      UPDATE quartet.task_jobs SET state = ${STATE.reserved}, daemon = ${holder.daemon},
        client = ${holder.client}, due_at = ${sql.unsafe(NOW)} + ttr_ms, reserves = reserves + 1,
        expires_at = NULL, progress = ''
      WHERE id = ${id} RETURNING id, tube, priority, client, ttr_ms, body`;
    await takeTokens(sql, locked, new Map([[tube.name, 1]]));
    return row!;
  }) as Promise<ReservedRow | null>);
}
