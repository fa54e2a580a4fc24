import type { CommitMetrics } from "../../storage/commit_metrics.ts";
import type { JobId } from "../queue.ts";
import type { ScheduleRecord } from "../schedule/book.ts";
import type { Job } from "./job.ts";
import type { Result } from "./results.ts";
import type { TimedKey } from "./unique_keys.ts";

/**
 * Where a queue in memory writes what must outlive the process. Each write returns a ticket.
 * Tickets only grow, and once one is durable, so is every write up to it.
 */
export interface Journal {
  /** The ticket of the last write. */
  readonly last: number;
  /** Claims all ids up to this one: after a restart they must not be used again. */
  useIds(upTo: number): void;
  /** Writes a new job. */
  put(job: Job): number;
  /** Writes the state, priority and counters of a job that has changed. */
  move(job: Job): number;
  /** Removes a job, and frees it as soon as it cannot come back. */
  remove(job: Job): number;
  /** Writes a result. */
  keep(result: Result): number;
  /** Removes a result. */
  forget(result: Result): void;
  /**
   * Writes what is remembered of a schedule; `undefined` removes it.
   *
   * @param undo Called if it could not be written.
   */
  mark(name: string, record: ScheduleRecord | undefined, undo: () => void): number;
  /** Writes a unique key that is held for a fixed time. */
  keepKey(key: TimedKey): void;
  /** Removes such a key. */
  forgetKey(key: TimedKey): void;
  /** Writes that a job was deleted which others are held for. */
  keepLost(id: JobId): void;
  /** Removes that note. */
  forgetLost(id: JobId): void;
  /** Resolves when a ticket is durable; `undefined` if it already is. */
  settled(ticket: number): Promise<void> | undefined;
  /** Why it cannot write at the moment; `undefined` if it can. */
  problem(): string | undefined;
  /** Whether the disk is full, so that it takes no new jobs. What becomes of the others is written. */
  readonly full: boolean;
  /**
   * Whether the last write failed. What a worker makes of a job might not be written either, and
   * then another worker would do the job again.
   */
  readonly failing: boolean;
  /** Metrics of its commits; `undefined` if it is not durable. */
  commits(): CommitMetrics | undefined;
  /** Waits until all writes are durable and closes. */
  close(): Promise<void>;
}

/** The journal of a queue that is lost with the process. */
export const NO_JOURNAL: Journal = {
  last: 0,
  useIds: () => {},
  put: () => 0,
  move: () => 0,
  remove: (job) => {
    job.free();
    return 0;
  },
  keep: () => 0,
  forget: () => {},
  mark: () => 0,
  keepKey: () => {},
  forgetKey: () => {},
  keepLost: () => {},
  forgetLost: () => {},
  settled: () => undefined,
  problem: () => undefined,
  full: false,
  failing: false,
  commits: () => undefined,
  close: () => Promise.resolve(),
};
