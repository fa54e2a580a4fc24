/**
 * How many tubes have figures of their own.
 *
 * @module
 */

import type { JobsByState, TubeMetrics } from "./queue.ts";

/** No more tubes than this have figures of their own, for each is a label; the rest have one. */
export const MAX_TUBE_METRICS = 100;

/** Stands for all tubes that have no figures of their own. No tube can have a name with a space. */
export const OTHER_TUBES = "other tubes";

/** How many jobs a tube has, in whatever state. */
export function jobsOf({ ready, reserved, delayed, buried }: JobsByState): number {
  return ready + reserved + delayed + buried;
}

/**
 * Tubes as they are shown: if there are more than {@linkcode MAX_TUBE_METRICS}, those with the most
 * jobs, and the sum of the rest as {@linkcode OTHER_TUBES}.
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
    oldestReadyMs: 0,
  };
  for (const tube of tubes) {
    for (const count of ["urgent", "ready", "reserved", "delayed", "buried"] as const) {
      sum[count] += tube[count];
    }
    sum.oldestReadyMs = Math.max(sum.oldestReadyMs, tube.oldestReadyMs);
  }
  return sum;
}
