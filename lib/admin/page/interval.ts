/**
 * Values that charts and cards compute from metrics.
 *
 * @module
 */

import type { MetricsJson, SampleJson } from "./daemon_json.ts";

/** Labels that a sample must have to be selected. */
export type Labels = Record<string, string>;

/** The metrics at one moment. */
export interface Measured {
  /** In milliseconds, on any clock. */
  readonly nowMs: number;
  readonly metrics: MetricsJson;
}

/** The time between two states of the same process. */
export class Interval {
  readonly #before: Measured;
  readonly #after: Measured;
  readonly #seconds: number;

  constructor(before: Measured, after: Measured) {
    this.#before = before;
    this.#after = after;
    this.#seconds = (after.nowMs - before.nowMs) / 1000;
  }

  /** The value of a gauge at the end, summed over the samples; `null` if there is none. */
  gauge(name: string, labels: Labels = {}): number | null {
    return total(this.#after, name, labels);
  }

  /** The growth of a counter per second, summed over the samples; `null` if unknown. */
  rate(name: string, labels: Labels = {}): number | null {
    const [from, to] = [total(this.#before, name, labels), total(this.#after, name, labels)];
    // A counter that falls belongs to a service that was restarted.
    if (to === null || this.#seconds <= 0 || to < (from ?? 0)) return null;
    return (to - (from ?? 0)) / this.#seconds;
  }

  /**
   * A quantile of the observations in the interval, interpolated within a bucket of the histogram;
   * `null` if there were none.
   *
   * @param share The quantile, from 0 to 1, such as 0.99.
   */
  quantile(name: string, share: number, labels: Labels = {}): number | null {
    const after = find(this.#after, name, labels)[0];
    if (after?.counts === undefined || after.bounds === undefined) return null;
    const before = find(this.#before, name, labels)[0]?.counts ?? [];
    const counts = after.counts.map((count, i) => count - (before[i] ?? 0));
    const all = counts.reduce((sum, count) => sum + count, 0);
    if (all <= 0 || counts.some((count) => count < 0)) return null;
    let rank = share * all;
    for (const [i, count] of counts.entries()) {
      if (rank > count) {
        rank -= count;
        continue;
      }
      const [low, high] = [after.bounds[i - 1] ?? 0, after.bounds[i]];
      return high === undefined ? low : low + (high - low) * (count === 0 ? 0 : rank / count);
    }
    return after.bounds.at(-1)!;
  }
}

/** The samples of a metric with these labels. */
export function find(
  daemon: Pick<Measured, "metrics">,
  name: string,
  labels: Labels = {},
): SampleJson[] {
  return (daemon.metrics[name] ?? []).filter((sample) =>
    Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
  );
}

/** The sum of the samples of a metric with these labels; `null` if there are none. */
export function total(
  daemon: Pick<Measured, "metrics">,
  name: string,
  labels: Labels = {},
): number | null {
  const samples = find(daemon, name, labels);
  return samples.length === 0 ? null : samples.reduce((sum, { value }) => sum + value, 0);
}
