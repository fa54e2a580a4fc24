import type postgres from "postgres";
import { MAX_TUBE_METRICS, OTHER_TUBES } from "../tube_metrics.ts";
import { type JobsByState, type TubeMetrics, type TubeStats, URGENT_PRIORITY } from "../queue.ts";
import type { LocalTube } from "./local_tube.ts";
import { NOW, query, STATE } from "./statements.ts";

const COUNTS = `
  count(*) FILTER (WHERE state = ${STATE.ready} AND priority < ${URGENT_PRIORITY}) AS urgent,
  count(*) FILTER (WHERE state = ${STATE.ready}) AS ready,
  count(*) FILTER (WHERE state = ${STATE.reserved}) AS reserved,
  count(*) FILTER (WHERE state = ${STATE.delayed}) AS delayed,
  count(*) FILTER (WHERE state = ${STATE.buried}) AS buried,
  count(*) FILTER (WHERE state = ${STATE.held}) AS held`;

const RESULTS = `SELECT count(*) AS results FROM quartet.task_results WHERE expires_at > ${NOW}`;

/** Counts all jobs by state, the tubes that have jobs, and the results. */
export async function countJobs(
  sql: postgres.Sql,
): Promise<JobsByState & { results: number; tubes: number }> {
  const [row] = await sql<(JobsByState & { results: number; tubes: number })[]>`
    SELECT ${sql.unsafe(COUNTS)}, count(DISTINCT tube) AS tubes,
      (${sql.unsafe(RESULTS)}) AS results
    FROM quartet.task_jobs`;
  return row!;
}

/**
 * Counts all jobs by tube. Between them, two indexes hold every job by tube and state, so the table
 * is not read. The number of rows is bounded as `boundTubes` does it.
 */
const COUNT_TUBES = `
  WITH parts AS (
    SELECT tube, count(*) FILTER (WHERE priority < ${URGENT_PRIORITY}) AS urgent,
      count(*) AS ready, 0 AS reserved, 0 AS delayed, 0 AS buried, 0 AS held
    FROM quartet.task_jobs WHERE state = 0 GROUP BY tube
    UNION ALL
    SELECT tube, 0, 0, count(*) FILTER (WHERE state = ${STATE.reserved}),
      count(*) FILTER (WHERE state = ${STATE.delayed}),
      count(*) FILTER (WHERE state = ${STATE.buried}),
      count(*) FILTER (WHERE state = ${STATE.held})
    FROM quartet.task_jobs WHERE state > 0 GROUP BY tube
  ), counted AS (
    SELECT tube, sum(urgent) AS urgent, sum(ready) AS ready, sum(reserved) AS reserved,
      sum(delayed) AS delayed, sum(buried) AS buried, sum(held) AS held
    FROM parts GROUP BY tube
  ), ranked AS (
    SELECT *, row_number() OVER (
      ORDER BY ready + reserved + delayed + buried + held DESC, tube
    ) <= ${MAX_TUBE_METRICS} AS shown
    FROM counted
  )
  SELECT CASE WHEN shown THEN tube ELSE '${OTHER_TUBES}' END AS name, count(*) AS tubes,
    sum(urgent)::bigint AS urgent, sum(ready)::bigint AS ready,
    sum(reserved)::bigint AS reserved, sum(delayed)::bigint AS delayed,
    sum(buried)::bigint AS buried, sum(held)::bigint AS held,
    coalesce(max(CASE WHEN ready > 0 THEN (
      SELECT ${NOW} - created_at FROM quartet.task_jobs AS j
      WHERE j.tube = ranked.tube AND state = 0 ORDER BY priority, id LIMIT 1
    ) END), 0) AS "oldestReadyMs"
  FROM ranked GROUP BY 1 ORDER BY 1`;

/** Counts all jobs by tube and state, and the results. */
export async function countTubes(sql: postgres.Sql): Promise<{
  tubes: (TubeMetrics & { tubes: number })[];
  results: number;
}> {
  const tubes = await query<TubeMetrics & { tubes: number }>(sql, COUNT_TUBES, []);
  const [row] = await query<{ results: number }>(sql, RESULTS, []);
  return { tubes, results: row!.results };
}

/** Counts the jobs of a tube. Numbers that no table holds are those of this daemon alone. */
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
  const { urgent, ready, reserved, delayed, buried, held } = row!;
  return {
    name,
    urgent,
    ready,
    reserved,
    delayed,
    buried,
    held,
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
