/**
 * The states of a job, and what becomes of it in the end.
 *
 * @module
 */

/** The id of a job: 1 to 2^53 - 1, never used twice. */
export type JobId = number;

/** The states of a job. A finished job has none: it is gone. */
export const JOB_STATES = ["ready", "reserved", "delayed", "buried", "held"] as const;

/** The state of a job. */
export type JobState = typeof JOB_STATES[number];

/** The states in which jobs can be flushed and moved: nobody has them. */
export type SweptState = Exclude<JobState, "reserved">;

/**
 * These states, in the order of a sweep: jobs usually move towards the end of this list, so one
 * that moves during the sweep is met there.
 */
export const SWEPT_STATES: readonly SweptState[] = ["held", "delayed", "buried", "ready"];

/** How a job was given up for good: it is now in the `dead_letter` of the tube it came from. */
export interface JobDeath {
  /** The tube in which it was given up. */
  readonly tube: string;
  /** How many of its attempts had failed there. */
  readonly attempts: number;
  /** Why; one character a byte. */
  readonly reason: string;
}

/** What a client that waits for the outcome of a job may be told. */
export type EndState = KeptState | "deleted" | "buried" | "dead";

/** The outcomes that the queue keeps after the job itself is gone. */
export type KeptState = "done" | "cancelled";
