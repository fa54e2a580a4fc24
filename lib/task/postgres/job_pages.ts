import type postgres from "postgres";
import { valueFrom } from "../../storage/value.ts";
import {
  EXCERPT_BYTES,
  type JobPage,
  type JobState,
  type ListedJob,
  MAX_LISTED_JOBS,
} from "../queue.ts";
import { type JobStatsRow, statsOfRow } from "./job_queries.ts";
import { LOCKED_COLUMNS, query, STATE } from "./statements.ts";

/** The jobs of a tube ($1) in a state: $2 are skipped, $3 read. */
const PAGES: Readonly<Record<JobState, string>> = {
  ready: pageOf("state = 0", "priority, id"),
  reserved: pageOf(`state = ${STATE.reserved}`, "due_at, id"),
  delayed: pageOf(`state = ${STATE.delayed}`, "due_at, id"),
  buried: pageOf(`state = ${STATE.buried}`, "due_at, id"),
  held: pageOf(`state = ${STATE.held}`, "due_at, id"),
};

/** The jobs on a page, in the order in which they are due. */
export async function readPage(
  sql: postgres.Sql,
  { tube, state, from, count }: JobPage,
): Promise<ListedJob[]> {
  const read = Math.max(0, Math.min(count, MAX_LISTED_JOBS - from));
  const rows = await query<JobStatsRow & { body_bytes: number; excerpt: Uint8Array }>(
    sql,
    PAGES[state],
    [tube, String(from), String(read)],
  );
  const jobs: ListedJob[] = [];
  for (const row of rows) {
    const stats = await statsOfRow(sql, row);
    jobs.push({ ...stats, bodyBytes: row.body_bytes, excerpt: valueFrom(row.excerpt) });
  }
  return jobs;
}

/** Reads ids from an index first, so that the bodies of jobs that are skipped are not read. */
function pageOf(state: string, order: string): string {
  return `
    SELECT ${LOCKED_COLUMNS}, created_at, progress, octet_length(body) AS body_bytes,
      substring(body FROM 1 FOR ${EXCERPT_BYTES}) AS excerpt
    FROM quartet.task_jobs
    JOIN (
      SELECT id AS picked FROM quartet.task_jobs WHERE tube = $1::text AND ${state}
      ORDER BY ${order} OFFSET $2::text::int8 LIMIT $3::text::int8
    ) AS page ON id = picked
    ORDER BY ${order}`;
}
