import { joinValues } from "../../storage/postgres/packed_values.ts";
import { allowedTtrMs } from "../life_cycle.ts";
import type { JobId } from "../queue.ts";
import type { PutRequest } from "./requests.ts";
import { names, numbers, type SqlParameter } from "./statements.ts";

/** The parameters of {@linkcode PUT} for these requests. */
export function putParameters(requests: readonly PutRequest[]): SqlParameter[] {
  const tubes = requests.flatMap(({ tube, specs }) => specs.map(() => tube));
  const specs = requests.flatMap(({ specs }) => specs);
  const bodies = joinValues(specs.map(({ body }) => body));
  return [
    names(tubes),
    numbers(specs.map(({ priority }) => priority)),
    numbers(specs.map(({ delayMs }) => Math.ceil(delayMs))),
    numbers(specs.map(({ ttrMs }) => Math.ceil(allowedTtrMs(ttrMs)))),
    bodies.starts,
    bodies.lengths,
    bodies.bytes,
  ];
}

/** Answers puts with the ids of all their jobs, which ascend in the order of the jobs. */
export function answerPuts(
  requests: readonly PutRequest[],
  rows: readonly { id: JobId }[],
): void {
  const ids = rows.map(({ id }) => id).sort((a, b) => a - b);
  let first = 0;
  for (const { specs, done } of requests) done(ids.slice(first, first += specs.length));
}
