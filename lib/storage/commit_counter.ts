import { Histogram, type Metric } from "../metrics.ts";

/** How many writes groups have, for the figures: powers of four. */
const COMMIT_WRITES_BOUNDS = [1, 4, 16, 64, 256, 1024, 4096, 16384];

/** What an engine has made durable. */
export interface CommitStats {
  commitGroups: number;
  committedWrites: number;
  /** Groups that did not become durable, or of which that is not known. */
  commitFailures: number;
  /** How long a group took to become durable, in seconds; `undefined` where nothing does. */
  commitSeconds?: Histogram;
  /** How many writes a group had. */
  commitWrites?: Histogram;
}

/** Counts groups of writes that become durable together. */
export class CommitCounter {
  #failures = 0;
  readonly #seconds = new Histogram();
  readonly #writes = new Histogram(COMMIT_WRITES_BOUNDS);

  /**
   * Counts a group.
   *
   * @param writes How many writes it had.
   * @param sinceMs When it was sent, from `performance.now()`.
   */
  count(writes: number, sinceMs: number): void {
    this.#seconds.observe((performance.now() - sinceMs) / 1000);
    this.#writes.observe(writes);
  }

  /** Counts a group that failed. */
  fail(): void {
    this.#failures++;
  }

  /** What has been counted so far. */
  stats(): CommitStats {
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
 * The figures of what a service has made durable.
 *
 * @param service Its name, with which theirs begin.
 */
export function commitMetrics(service: string, stats: CommitStats): Metric[] {
  const counter = (name: string, help: string, value: number): Metric => (
    { type: "counter", name: `${service}_${name}`, help, samples: [{ value }] }
  );
  const distribution = (name: string, help: string, histogram: Histogram | undefined): Metric[] =>
    histogram === undefined
      ? []
      : [{ type: "histogram", name: `${service}_${name}`, help, samples: [{ histogram }] }];
  return [
    counter("commit_groups_total", "Groups of writes made durable.", stats.commitGroups),
    counter("committed_writes_total", "Writes made durable.", stats.committedWrites),
    counter(
      "commit_failures_total",
      "Groups of writes that did not become durable, or of which that is not known.",
      stats.commitFailures,
    ),
    ...distribution("commit_seconds", "How long a group took to be durable.", stats.commitSeconds),
    ...distribution("commit_writes", "How many writes a group had.", stats.commitWrites),
  ];
}
