/**
 * What can be read from the figures of two moments.
 *
 * @module
 */

import type { DaemonJson, SampleJson } from "./daemon_json.ts";

/** Picks samples by their labels. */
export type Labels = Record<string, string>;

/** Two moments of one process, one after the other. */
export class Interval {
  readonly #before: DaemonJson;
  readonly #after: DaemonJson;
  readonly #seconds: number;

  constructor(before: DaemonJson, after: DaemonJson) {
    this.#before = before;
    this.#after = after;
    this.#seconds = (after.nowMs - before.nowMs) / 1000;
  }

  /** A gauge at the end, summed over samples; `null` if it is not there. */
  gauge(name: string, labels: Labels = {}): number | null {
    return total(this.#after, name, labels);
  }

  /** How much a counter grew a second, summed over samples; `null` if one cannot tell. */
  rate(name: string, labels: Labels = {}): number | null {
    const [from, to] = [total(this.#before, name, labels), total(this.#after, name, labels)];
    // A counter that falls belongs to a service that has started again.
    if (to === null || this.#seconds <= 0 || to < (from ?? 0)) return null;
    return (to - (from ?? 0)) / this.#seconds;
  }

  /**
   * The value that a share of the observations in this time stayed below, as good as the buckets
   * tell; `null` if there were none.
   *
   * @param share From 0 to 1, such as 0.99.
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

/** The samples of a metric that have these labels. */
export function find(daemon: DaemonJson, name: string, labels: Labels = {}): SampleJson[] {
  return (daemon.metrics[name] ?? []).filter((sample) =>
    Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
  );
}

/** The sum of the samples of a metric; `null` if there is none. */
export function total(daemon: DaemonJson, name: string, labels: Labels = {}): number | null {
  const samples = find(daemon, name, labels);
  return samples.length === 0 ? null : samples.reduce((sum, { value }) => sum + value, 0);
}
