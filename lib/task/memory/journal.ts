import type { CommitMetrics } from "../../storage/commit_metrics.ts";
import type { Job } from "./job.ts";
import type { Result } from "./results.ts";

/**
 * Where a queue in memory writes what has to outlive the process. A write gives back a ticket;
 * tickets grow, and all that was written up to one becomes durable together.
 */
export interface Journal {
  /** The ticket of the last write. */
  readonly last: number;
  /** Ids up to this one are about to be given out; they must not be given out again. */
  useIds(upTo: number): void;
  /** A new job. */
  put(job: Job): number;
  /** A job whose state, priority or counters have changed. */
  move(job: Job): number;
  /** A job that is gone. */
  remove(job: Job): number;
  /** A result to keep. */
  keep(result: Result): number;
  /** A result that is kept no longer. */
  forget(result: Result): void;
  /** Resolves when a ticket is durable; `undefined` if it is. */
  settled(ticket: number): Promise<void> | undefined;
  /** Why it cannot write at the moment. */
  problem(): string | undefined;
  /** What has become durable; `undefined` where nothing does. */
  commits(): CommitMetrics | undefined;
  /** Finishes what was written, and closes. */
  close(): Promise<void>;
}

/** The journal of a queue that does not outlive the process. */
export const NO_JOURNAL: Journal = {
  last: 0,
  useIds: () => {},
  put: () => 0,
  move: () => 0,
  remove: () => 0,
  keep: () => 0,
  forget: () => {},
  settled: () => undefined,
  problem: () => undefined,
  commits: () => undefined,
  close: () => Promise.resolve(),
};
