import type { JobId } from "../queue.ts";
import type { DeleteRequest } from "./requests.ts";
import { numbers, type SqlParameter } from "./statements.ts";

/** A job that was deleted. */
export interface DeletedRow {
  id: JobId;
  tube: string;
}

/** The parameters of {@linkcode DELETE} for these requests of the clients of a daemon. */
export function deleteParameters(
  requests: readonly DeleteRequest[],
  daemon: number,
): SqlParameter[] {
  // All statements lock jobs in the order of their ids, so that no deadlock can occur.
  const sorted = requests.toSorted((a, b) => a.id - b.id);
  return [
    numbers(sorted.map(({ id }) => id)),
    numbers(sorted.map(({ client }) => client)),
    String(daemon),
  ];
}

/** Answers deletes with the tubes of the jobs that were deleted. */
export function answerDeletes(
  requests: readonly DeleteRequest[],
  rows: readonly DeletedRow[],
): void {
  const tubes = new Map(rows.map(({ id, tube }) => [id, tube]));
  for (const { id, done } of requests) {
    const tube = tubes.get(id) ?? null;
    // If two clients delete the same job, the first one did it.
    tubes.delete(id);
    done(tube);
  }
}
