/**
 * What a producer says about a job.
 *
 * @module
 */

import type { Value } from "../storage/value.ts";
import type { JobId } from "./job_states.ts";

/** The highest limit on the attempts of a job. */
export const MAX_ATTEMPTS_LIMIT = 1_000_000;

/** The delay after a failed attempt: it doubles with each further one. */
export interface Backoff {
  /** The delay after the first one. */
  firstMs: number;
  /** The longest delay. If it is `firstMs`, the delay is the same after each attempt. */
  maxMs: number;
}

/** A key that no two jobs of a tube hold at the same time. */
export interface UniqueKey {
  /** Formed like the name of a tube. */
  key: string;
  /**
   * What ends the hold of a job on its key: it is reserved (`queued`), it is gone (`unfinished`), or
   * only `forMs` (`until`), even after the job is gone. A buried job holds none except with `until`.
   *
   * @default {"unfinished"}
   */
  while?: KeyHold | undefined;
  /** The longest time that the job holds the key, from its put on; needed for `until`. */
  forMs?: number | undefined;
}

/** See {@linkcode UniqueKey}. */
export type KeyHold = "queued" | "unfinished" | "until";

/** What a producer can ask for one job, beyond the protocol of beanstalkd. */
export interface JobOptions {
  /** It is buried after this many failed attempts, 0 for never, in place of its tube's rule. */
  attempts?: number | undefined;
  /** Replaces the backoff of its tube. */
  backoff?: Backoff | undefined;
  unique?: UniqueKey | undefined;
  /** It is buried unless it is reserved within this time of its put. */
  expiresMs?: number | undefined;
  /** It is held until these jobs are done; at most `MAX_DEPENDENCIES`. */
  after?: readonly JobId[] | undefined;
  /** How long `quartet work` lets the command for it run. The queue only keeps it. */
  timeoutMs?: number | undefined;
}

/** A job as its producer describes it. */
export interface JobSpec {
  /** 0 (most urgent) to 2^32 - 1. */
  priority: number;
  /** How long it stays delayed before it becomes ready. */
  delayMs: number;
  /** How long a worker may take: the time to run. */
  ttrMs: number;
  /** Owned by the queue from now on. */
  body: Value;
  options?: JobOptions | undefined;
}
