/**
 * Metrics of commits. Every engine makes writes durable in groups and counts them here.
 *
 * @module
 */

import { Histogram, type Metric } from "../metrics.ts";

/** Upper bounds of the histogram of writes per group: powers of four. */
const COMMIT_WRITES_BOUNDS = [1, 4, 16, 64, 256, 1024, 4096, 16384];

/** What an engine has made durable. */
export interface CommitMetrics {
  commitGroups: number;
  committedWrites: number;
  /** Groups that failed, or whose outcome is unknown. */
  commitFailures: number;
  /** Time until a group was durable, in seconds; `undefined` if the engine is not durable. */
  commitSeconds?: Histogram;
  /** Writes per group. */
  commitWrites?: Histogram;
}

/** Counts groups of writes that become durable together. */
export class CommitCounter {
  #failures = 0;
  readonly #seconds = new Histogram();
  readonly #writes = new Histogram(COMMIT_WRITES_BOUNDS);

  /**
   * Counts a group that became durable.
   *
   * @param writes The number of writes in it.
   * @param sinceMs When it was sent, by `performance.now()`.
   */
  count(writes: number, sinceMs: number): void {
    this.#seconds.observe((performance.now() - sinceMs) / 1000);
    this.#writes.observe(writes);
  }

  /** Counts a group that failed. */
  fail(): void {
    this.#failures++;
  }

  /** The totals so far. */
  metrics(): CommitMetrics {
    return {
      commitGroups: this.#writes.count,
      committedWrites: this.#writes.sum,
      commitFailures: this.#failures,
      commitSeconds: this.#seconds,
      commitWrites: this.#writes,
    };
  }
}

/**
 * The metrics in the form in which the daemon exports them.
 *
 * @param service The name of the service; it prefixes the names of the metrics.
 */
export function commitMetrics(service: string, metrics: CommitMetrics): Metric[] {
  const counter = (name: string, help: string, value: number): Metric => (
    { type: "counter", name: `${service}_${name}`, help, samples: [{ value }] }
  );
  const distribution = (name: string, help: string, histogram: Histogram | undefined): Metric[] =>
    histogram === undefined
      ? []
      : [{ type: "histogram", name: `${service}_${name}`, help, samples: [{ histogram }] }];
  return [
    counter("commit_groups_total", "Groups of writes made durable.", metrics.commitGroups),
    counter("committed_writes_total", "Writes made durable.", metrics.committedWrites),
    counter(
      "commit_failures_total",
      "Groups of writes that failed, or whose outcome is unknown.",
      metrics.commitFailures,
    ),
    ...distribution("commit_seconds", "Time until a group was durable.", metrics.commitSeconds),
    ...distribution("commit_writes", "Writes per group.", metrics.commitWrites),
  ];
}
