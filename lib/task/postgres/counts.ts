import type postgres from "postgres";
import { type JobCounts, type TubeStats, URGENT_PRIORITY } from "../queue.ts";
import type { LocalTube } from "./local_tube.ts";
import { NOW, STATE } from "./statements.ts";

const COUNTS = `
  count(*) FILTER (WHERE state = ${STATE.ready} AND priority < ${URGENT_PRIORITY}) AS urgent,
  count(*) FILTER (WHERE state = ${STATE.ready}) AS ready,
  count(*) FILTER (WHERE state = ${STATE.reserved}) AS reserved,
  count(*) FILTER (WHERE state = ${STATE.delayed}) AS delayed,
  count(*) FILTER (WHERE state = ${STATE.buried}) AS buried`;

/** Counts all jobs, and the results that are kept. */
export async function countJobs(
  sql: postgres.Sql,
): Promise<JobCounts & { results: number; tubes: number }> {
  const [row] = await sql<(JobCounts & { results: number; tubes: number })[]>`
    SELECT ${sql.unsafe(COUNTS)}, count(DISTINCT tube) AS tubes,
      (SELECT count(*) FROM quartet.task_results WHERE expires_at > ${sql.unsafe(NOW)}) AS results
    FROM quartet.task_jobs`;
  return row!;
}

/** Counts the jobs of a tube; what only a daemon knows is that of this one. */
export async function countTube(
  sql: postgres.Sql,
  name: string,
  local: LocalTube | undefined,
): Promise<TubeStats> {
  const [row] = await sql`
    SELECT ${sql.unsafe(COUNTS)},
      (SELECT ${sql.unsafe(NOW)} - created_at FROM quartet.task_jobs
       WHERE tube = ${name} AND state = ${STATE.ready} ORDER BY priority, id LIMIT 1) AS oldest,
      (SELECT pause_ms FROM quartet.task_tubes
       WHERE name = ${name} AND paused_until > ${sql.unsafe(NOW)}) AS pause_ms,
      (SELECT paused_until - ${sql.unsafe(NOW)} FROM quartet.task_tubes
       WHERE name = ${name} AND paused_until > ${sql.unsafe(NOW)}) AS pause_left_ms
    FROM quartet.task_jobs WHERE tube = ${name}`;
  const { urgent, ready, reserved, delayed, buried } = row!;
  return {
    name,
    urgent,
    ready,
    reserved,
    delayed,
    buried,
    totalJobs: local?.totalJobs ?? 0,
    using: local?.using ?? 0,
    watching: local?.watching ?? 0,
    waiting: local?.waiting.size ?? 0,
    deletes: local?.deletes ?? 0,
    pauses: local?.pauses ?? 0,
    pauseMs: row!.pause_ms ?? 0,
    pauseLeftMs: row!.pause_left_ms ?? 0,
    oldestReadyMs: row!.oldest ?? 0,
  };
}
