/**
 * What a queue remembers of its schedules. The run of a schedule and its job are one commit, so that
 * a restart neither loses nor repeats a run, and of several daemons on one database only one makes
 * the job.
 *
 * @module
 */

import type { JobId, JobSpec, Queue, Refusal } from "../queue.ts";

/**
 * How far back the clock may be set before schedules start again from its time. Up to this, runs
 * that were made already are not repeated.
 */
export const MAX_SET_BACK_MS = 3_600_000;

/** What is remembered of a schedule. Times are milliseconds since the Unix epoch. */
export interface ScheduleRecord {
  /** When it runs, as text. If the configuration says something else, it starts anew. */
  readonly timing: string;
  /** No run up to this time is still to be made. */
  readonly handledAt: number;
  /** The time of the last run that made a job; 0 for none. */
  readonly ranAt: number;
  /** The job that it made; 0 for none. */
  readonly job: JobId;
}

/** A run that is due. */
export interface DueRun {
  /** The name of the schedule. */
  name: string;
  timing: string;
  /** When it was due; this identifies the run. */
  at: number;
  /** The job to put and its tube; `null` if the run was missed and none is wanted. */
  job: { tube: string; spec: JobSpec } | null;
  /** Whether to put it although the job of the last run is unfinished. */
  mayOverlap: boolean;
}

/**
 * What became of a run: its job was put; the job of the run before is unfinished; it was missed; or
 * it was handled before, perhaps by another daemon.
 */
export type RunOutcome = "put" | "overlap" | "missed" | "handled";

/** The memory of all schedules. Its calls may reject with `StorageUnavailableError`. */
export interface ScheduleBook {
  /** Whether the queue refuses jobs on request. Leave runs alone meanwhile. */
  readonly paused: boolean;
  /**
   * Starts with these schedules, and returns what is remembered of each, in the same order. A new
   * schedule, and one whose timing has changed, has no runs before `now`.
   */
  open(
    schedules: readonly { name: string; timing: string }[],
    now: number,
  ): Promise<ScheduleRecord[]>;
  /** Makes a run, unless it was handled before. Resolves when the outcome is durable. */
  run(run: DueRun): Promise<{ outcome: RunOutcome; record: ScheduleRecord } | Refusal>;
}

/** A queue that remembers schedules. */
export interface ScheduledQueue extends Queue {
  readonly schedules: ScheduleBook;
}

/** What is remembered of a schedule when a daemon starts with it. */
export function openedRecord(
  before: ScheduleRecord | undefined,
  timing: string,
  now: number,
): ScheduleRecord {
  if (before === undefined) return { timing, handledAt: now, ranAt: 0, job: 0 };
  if (before.timing === timing) return before;
  return { ...before, timing, handledAt: Math.max(before.handledAt, now) };
}

/**
 * Decides what becomes of a run. An engine that puts a job must do so in the same commit.
 *
 * @param unfinished Whether the job of the last run is in the schedule's tube, and not buried: a
 * buried job may stay for ever.
 */
export function decideRun(
  record: ScheduleRecord,
  run: DueRun,
  unfinished: boolean,
): RunOutcome {
  const { handledAt } = record;
  if (handledAt >= run.at && handledAt <= run.at + MAX_SET_BACK_MS) return "handled";
  if (run.job === null) return "missed";
  return unfinished && !run.mayOverlap ? "overlap" : "put";
}

/**
 * The record after a run.
 *
 * @param job The job that it put; 0 for none.
 */
export function recordAfter(record: ScheduleRecord, run: DueRun, job: JobId): ScheduleRecord {
  const after = { ...record, timing: run.timing, handledAt: run.at };
  return job === 0 ? after : { ...after, ranAt: run.at, job };
}
