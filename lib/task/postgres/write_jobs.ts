import type postgres from "postgres";
import { joinValues } from "../../storage/postgres/packed_values.ts";
import { noteEnds } from "./followers.ts";
import { type LockedJob, packMoves, packProgress, packUpdates } from "./locked_job.ts";
import { KEEP, MOVE, numbers, PROGRESS, query, REMOVE, UPDATE } from "./statements.ts";

/**
 * Writes the decisions about locked jobs.
 *
 * @param options How long results are kept.
 */
export async function writeJobs(
  sql: postgres.ISql,
  jobs: readonly LockedJob[],
  { resultTtlMs }: { resultTtlMs: number },
): Promise<void> {
  const removed = jobs.filter((job) => job.removed);
  const changed = jobs.filter((job) => job.changed && !job.removed);
  const progressed = changed.filter((job) => job.progress !== undefined);
  const moved = changed.filter((job) => job.moved);
  const kept = removed.filter((job) => job.outcome !== undefined);
  const bodies = joinValues(kept.map(({ outcome }) => outcome!.body));
  await Promise.all([
    changed.length > 0 && query(sql, UPDATE, packUpdates(changed)),
    progressed.length > 0 && query(sql, PROGRESS, packProgress(progressed)),
    moved.length > 0 && query(sql, MOVE, packMoves(moved)),
    removed.length > 0 && query(sql, REMOVE, [numbers(removed.map(({ id }) => id))]),
    kept.length > 0 && query(sql, KEEP, [
      numbers(kept.map(({ id }) => id)),
      bodies.starts,
      bodies.lengths,
      bodies.bytes,
      String(resultTtlMs),
      numbers(kept.map(({ outcome }) => outcome!.state === "cancelled" ? 1 : 0)),
    ]),
    noteEnds(sql, jobs),
  ]);
}
