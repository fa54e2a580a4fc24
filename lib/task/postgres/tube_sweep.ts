import { SWEPT_STATES, type SweptState } from "../queue.ts";
import type { LockedJob } from "./locked_job.ts";
import type { SharedScheduler } from "./scheduler.ts";
import { query, SWEPT } from "./statements.ts";

/** The most jobs visited in one transaction. */
const SWEEP_STEP = 500;

/**
 * Visits the jobs that a tube has at this moment in some state, or in all but `reserved`, in one
 * transaction after another. A job that another transaction is changing is left to that one.
 *
 * @param visit Decides about a job; it must leave its tube.
 * @returns How many there were.
 */
export async function sweepTube(
  scheduler: SharedScheduler,
  tube: string,
  { state, visit }: { state?: SweptState | undefined; visit: (job: LockedJob) => void },
): Promise<number> {
  const [row] = await scheduler.ask((sql) =>
    query<{ last: number }>(sql, "SELECT last_value AS last FROM quartet.task_ids", [])
  );
  const parameters = [tube, String(row!.last), String(SWEEP_STEP)];
  let total = 0;
  for (const each of state === undefined ? SWEPT_STATES : [state]) {
    for (let count = SWEEP_STEP; count === SWEEP_STEP; total += count) {
      count = await scheduler.workOn(SWEPT[each], parameters, visit);
    }
  }
  return total;
}
