import type postgres from "postgres";
import { joinValues } from "../../storage/postgres/packed_values.ts";
import { allowedTtrMs } from "../life_cycle.ts";
import type { JobId, JobSpec } from "../queue.ts";
import { names, numbers, PUT, query } from "./statements.ts";

/**
 * Puts jobs in one statement.
 *
 * @param tubes The tube of each job.
 * @returns Rows with their ids, which ascend in the order of the jobs once they are sorted.
 */
export function putJobs(
  sql: postgres.ISql,
  tubes: readonly string[],
  specs: readonly JobSpec[],
): Promise<{ id: JobId }[]> {
  const bodies = joinValues(specs.map(({ body }) => body));
  return query<{ id: JobId }>(sql, PUT, [
    names(tubes),
    numbers(specs.map(({ priority }) => priority)),
    numbers(specs.map(({ delayMs }) => Math.ceil(delayMs))),
    numbers(specs.map(({ ttrMs }) => Math.ceil(allowedTtrMs(ttrMs)))),
    bodies.starts,
    bodies.lengths,
    bodies.bytes,
  ]);
}
