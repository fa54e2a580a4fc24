/**
 * Bounds the number of tubes in the metrics.
 *
 * @module
 */

import type { JobsByState, TubeMetrics } from "./queue.ts";

/** How many tubes have metrics of their own. Each one is a label, so the number is bounded. */
export const MAX_TUBE_METRICS = 100;

/** The name under which all other tubes are summed. No tube can have a space in its name. */
export const OTHER_TUBES = "other tubes";

/** How many jobs there are, in any state. */
export function jobsOf({ ready, reserved, delayed, buried, held }: JobsByState): number {
  return ready + reserved + delayed + buried + held;
}

/**
 * Bounds a list of tubes: if there are more than {@linkcode MAX_TUBE_METRICS}, keeps those with the
 * most jobs and sums the rest as {@linkcode OTHER_TUBES}.
 */
export function boundTubes(tubes: TubeMetrics[]): TubeMetrics[] {
  if (tubes.length <= MAX_TUBE_METRICS) return tubes;
  const sorted = tubes.toSorted((a, b) => jobsOf(b) - jobsOf(a) || (a.name < b.name ? -1 : 1));
  return [...sorted.slice(0, MAX_TUBE_METRICS), sumTubes(sorted.slice(MAX_TUBE_METRICS))];
}

function sumTubes(tubes: readonly TubeMetrics[]): TubeMetrics {
  const sum = {
    name: OTHER_TUBES,
    urgent: 0,
    ready: 0,
    reserved: 0,
    delayed: 0,
    buried: 0,
    held: 0,
    oldestReadyMs: 0,
  };
  for (const tube of tubes) {
    for (const count of ["urgent", "ready", "reserved", "delayed", "buried", "held"] as const) {
      sum[count] += tube[count];
    }
    sum.oldestReadyMs = Math.max(sum.oldestReadyMs, tube.oldestReadyMs);
  }
  return sum;
}
