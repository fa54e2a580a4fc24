/**
 * Jobs that are held until others are done. `task_after` says which job waits for which. When a
 * followed job ends, one row in `task_ended` notes that, in the same transaction, however many jobs
 * follow it. The followers are released afterwards, in steps. After a crash, the next poll of any
 * daemon releases the rest.
 *
 * @module
 */

import type postgres from "postgres";
import { heldReason } from "../job_options.ts";
import type { JobId } from "../queue.ts";
import type { LockedJob, LockedRow } from "./locked_job.ts";
import { LOCK, numbers, query, STATE } from "./statements.ts";

/** Locks places in which a held job ($2 at most) waits for a job that is done. */
const OVER = `
  SELECT a.id, a.job FROM quartet.task_ended AS e JOIN quartet.task_after AS a ON a.id = e.id
  WHERE NOT e.lost LIMIT $1::text::int8 FOR UPDATE OF a SKIP LOCKED`;

const DROP_OVER = `
  DELETE FROM quartet.task_after AS a
  USING unnest($1::text::int8[], $2::text::int8[]) AS o (id, job)
  WHERE a.id = o.id AND a.job = o.job`;

const STILL_WAITING = `
  SELECT DISTINCT job FROM quartet.task_after WHERE job = ANY ($1::text::int8[])`;

/** Forgets ended jobs that no job is held for. */
const TIDY = `
  DELETE FROM quartet.task_ended AS e
  WHERE NOT EXISTS (SELECT FROM quartet.task_after AS a WHERE a.id = e.id)`;

/** Notes which followed jobs have ended, and which jobs are not held any more. */
export async function noteEnds(sql: postgres.ISql, jobs: readonly LockedJob[]): Promise<void> {
  const unheld = jobs.filter((job) => job.unheld);
  if (unheld.length > 0) await stopWaiting(sql, unheld.map(({ id }) => id));
  const followed = jobs.filter((job) => job.followed && job.removed);
  if (followed.length === 0) return;
  await query(
    sql,
    `INSERT INTO quartet.task_ended (id, lost)
      SELECT * FROM unnest($1::text::int8[], $2::text::bool[]) ON CONFLICT (id) DO NOTHING`,
    [
      numbers(followed.map(({ id }) => id)),
      `{${followed.map(({ ended }) => ended === "lost").join()}}`,
    ],
  );
}

/** Removes all places in which some jobs wait. */
async function stopWaiting(sql: postgres.ISql, jobs: readonly JobId[]): Promise<void> {
  await query(sql, "DELETE FROM quartet.task_after WHERE job = ANY ($1::text::int8[])", [
    numbers(jobs),
  ]);
}

/**
 * Takes the next step of releasing jobs: removes some of the places in which they wait for jobs that
 * are done.
 *
 * @param max The most places.
 * @returns The number of places, and the locked jobs that need not wait any more.
 */
export async function takeReleasable(
  sql: postgres.ISql,
  max: number,
  toJob: (row: LockedRow) => LockedJob,
): Promise<{ count: number; jobs: LockedJob[] }> {
  const over = await query<{ id: JobId; job: JobId }>(sql, OVER, [String(max)]);
  if (over.length === 0) {
    await query(sql, TIDY, []);
    return { count: 0, jobs: [] };
  }
  // Two daemons may remove the last places of one job at the same time: the lock on the job makes
  // the later one see that no place is left.
  const ids = numbers([...new Set(over.map(({ job }) => job))]);
  const rows = await query<LockedRow>(sql, LOCK, [ids]);
  await query(sql, DROP_OVER, [
    numbers(over.map(({ id }) => id)),
    numbers(over.map(({ job }) => job)),
  ]);
  const waiting = await query<{ job: JobId }>(sql, STILL_WAITING, [ids]);
  const isWaiting = new Set(waiting.map(({ job }) => job));
  const jobs = rows
    .filter(({ id, state }) => state === STATE.held && !isWaiting.has(id))
    .map(toJob);
  return { count: over.length, jobs };
}

/** A job that another one is held for, and what has become of it. */
interface HeldFor {
  id: JobId;
  /** `null` if it is gone. */
  state: number | null;
  dead_tube: string | null;
  lost: boolean | null;
}

/** Why a held job will not run as things are; empty if it only has to wait. */
export async function readHeldReason(sql: postgres.Sql, job: JobId): Promise<string> {
  const rows = await sql<HeldFor[]>`
    SELECT a.id, j.state, j.dead_tube, e.lost FROM quartet.task_after AS a
    LEFT JOIN quartet.task_jobs AS j ON j.id = a.id
    LEFT JOIN quartet.task_ended AS e ON e.id = a.id
    WHERE a.job = ${job} ORDER BY a.id`;
  return heldReason(rows.map(({ id, state, dead_tube, lost }) => {
    if (state === STATE.buried) return { id, became: "buried" };
    if (dead_tube !== null) return { id, became: "dead" };
    return { id, became: lost === true ? "lost" : "waiting" };
  }));
}
