/**
 * The interface of a queue: jobs in tubes, each reserved for one client at a time. An engine may
 * keep its jobs in the memory of this process, or share them with other daemons; callers cannot
 * tell.
 *
 * @module
 */

import type { CommitMetrics } from "../storage/commit_metrics.ts";
import type { DatabaseMetrics } from "../storage/database_metrics.ts";
import type { MaybePromise } from "../storage/store.ts";
import type { Value } from "../storage/value.ts";
import type { Backoff, JobSpec } from "./job_spec.ts";
import type { EndState, JobDeath, JobId, JobState, SweptState } from "./job_states.ts";
import type { ReportJob } from "./reports.ts";
import type { Rate } from "../token_bucket.ts";
import type { Peer, Workers } from "./workers.ts";

export type * from "./job_spec.ts";
export * from "./job_states.ts";

/** A job as a worker sees it. */
export interface JobBody {
  readonly id: JobId;
  /** Must not be changed. Read it at once: it is gone when the job is. */
  readonly body: Value;
}

/**
 * Why a job was refused, in the words of the beanstalk protocol: `NOT_FOUND` if it is to run after a
 * job that there never was.
 */
export type Refusal = "DRAINING" | "OUT_OF_MEMORY" | "NOT_FOUND";

/** The answer to a put: the id of the new job, or of the one that holds its key. */
export interface PutJob {
  id: JobId;
  existed: boolean;
}

/** Why a reserve returned no job. */
export type NoJob = "TIMED_OUT" | "DEADLINE_SOON";

/** What became of a job that its worker gave back. */
export type GivenBack = "RELEASED" | "BURIED" | "DEAD_LETTER" | "NOT_FOUND";

/** The outcome of a job, or its state if it has none yet. */
export interface Outcome {
  /**
   * `done`, `cancelled` and `deleted` are final; `buried` lasts until the job is kicked, and `dead`,
   * for a dead letter, until it is moved by hand or done after all.
   */
  readonly state: JobState | EndState;
  /** The result of a done job, the reason of a buried or dead one, the progress of a reserved one. */
  readonly body: Value;
  /** Which run of a reserved job reported the progress, counted from 1; only with a progress. */
  readonly run?: number;
}

/** What `stats-job` reports about a job. */
export interface JobStats {
  id: JobId;
  tube: string;
  state: JobState;
  priority: number;
  ageMs: number;
  delayMs: number;
  ttrMs: number;
  /** Time until it becomes ready by itself; 0 unless it is reserved or delayed. */
  leftMs: number;
  reserves: number;
  timeouts: number;
  releases: number;
  buries: number;
  kicks: number;
  /** Runs that did not finish it: releases, failures, time-outs, lost workers. */
  attempts: number;
  /**
   * Why the last of them failed, or why the job was buried, or if it is held, which of the jobs it
   * waits for will not be done as things are; one character a byte.
   */
  reason: string;
  /** What its last worker said about its progress, one character a byte; empty for nothing. */
  progress: string;
  /** Its unique key; empty for none. */
  key: string;
  /** How it became a dead letter; `null` if it is none. */
  death: JobDeath | null;
  /** Its other options, if it has any. */
  options?: {
    attempts: number | undefined;
    backoff: Backoff | undefined;
    timeoutMs: number | undefined;
    /** Time until it expires, unless it is started; `undefined` if it does not. */
    expiresInMs: number | undefined;
    /** The jobs that it was to run after. */
    after: readonly JobId[];
  };
}

/** A page of the list of a tube's jobs in one state. */
export interface JobPage {
  readonly tube: string;
  readonly state: JobState;
  /** How many jobs to skip. */
  readonly from: number;
  /** How many jobs to list. */
  readonly count: number;
}

/** A job in a list. */
export interface ListedJob extends JobStats {
  /** The length of its body. */
  bodyBytes: number;
  /** The start of its body, at most {@linkcode EXCERPT_BYTES}. */
  excerpt: Value;
}

/** The number of jobs in each state. */
export interface JobsByState {
  /** Ready jobs with a priority below 1024. */
  urgent: number;
  ready: number;
  reserved: number;
  delayed: number;
  buried: number;
  held: number;
}

/** What `stats-tube` reports about a tube. */
export interface TubeStats extends JobsByState {
  name: string;
  totalJobs: number;
  using: number;
  watching: number;
  waiting: number;
  deletes: number;
  pauses: number;
  /** The full length of the current pause; 0 if the tube is not paused. */
  pauseMs: number;
  pauseLeftMs: number;
  /** Age of the next ready job; 0 if there is none. */
  oldestReadyMs: number;
}

/** What `stats` reports about a whole queue. */
export interface QueueStats extends JobsByState {
  totalJobs: number;
  timeouts: number;
  tubes: number;
  waiting: number;
  /** Results kept. */
  results: number;
  /** Bytes of the jobs and results that this process holds. */
  bytes: number;
}

/** The metrics of a tube. */
export interface TubeMetrics extends JobsByState {
  name: string;
  /** Age of the next ready job; 0 if there is none. */
  oldestReadyMs: number;
}

/** The metrics of a queue. */
export interface QueueMetrics {
  total: QueueStats;
  /** If there are too many, the last entry is the sum of those left out. */
  tubes: TubeMetrics[];
  /** Its commits, if the engine is durable. */
  commits?: CommitMetrics;
  /** Its connections to the database, if there is one. */
  database?: DatabaseMetrics;
}

/** How a tube treats its jobs, beyond what the protocol says. */
export interface TubeRules {
  /** A job is buried after this many failed attempts; 0 for never. */
  maxAttempts: number;
  /** The delay after the first failed attempt; it doubles with each further one. 0 for none. */
  backoffMs: number;
  /** The longest such delay. */
  maxBackoffMs: number;
  /** How many of its jobs may be reserved at once; 0 for any number. */
  maxReserved: number;
  /** How often one of its jobs may be reserved; `null` for no limit. */
  rate: Rate | null;
  /** The tube that receives its jobs instead of their burial after the last attempt; "" for none. */
  deadLetter: string;
}

/** The limits of a queue. */
export interface QueueLimits {
  maxJobs: number;
  /** For jobs and results together, the overhead of each included. */
  maxBytes: number;
  maxTubes: number;
  maxResults: number;
  resultTtlMs: number;
}

/** Options of a queue; {@linkcode Queue.setOptions} changes them. */
export interface QueueOptions {
  limits: QueueLimits;
  /** The rules of a tube. Engines ask for them often. */
  rulesOf(tube: string): TubeRules;
  /** Told of everything that happens to jobs in this process; see `reports.ts`. */
  report?: ReportJob | undefined;
}

/**
 * A client of a queue: the tubes it uses and watches, and the jobs it has reserved. A caller awaits
 * each call before the next, with two exceptions: several puts, or several deletes, may be pending
 * at once and take effect in order; `cancel` and `close` may be called while a `reserve` or `wait`
 * is pending.
 *
 * A call throws or rejects with `StorageUnavailableError` if the engine cannot work at the moment.
 */
export interface QueueClient {
  /** The tube it puts into. */
  readonly used: string;
  /** The tubes it reserves from. */
  readonly watched: string[];
  /** Puts into this tube from now on; `false` if there are too many tubes. */
  use(tube: string): boolean;
  /** Reserves from this tube as well; `false` if there are too many tubes. */
  watch(tube: string): boolean;
  /** Stops watching a tube; `false` if it is the only one watched. */
  ignore(tube: string): boolean;

  /** Puts a job. If another one holds its unique key, nothing is put: returns the id of that one. */
  put(spec: JobSpec): MaybePromise<JobId | Refusal>;
  /** As `put`, and tells whether another job holds the key. */
  putJob(spec: JobSpec): MaybePromise<PutJob | Refusal>;
  /** Puts all of these jobs or none. They must not have options. */
  putBatch(specs: readonly JobSpec[]): MaybePromise<JobId[] | Refusal>;

  /**
   * Reserves the first ready job of the watched tubes. Waits for one if there is none.
   *
   * @param timeoutMs The longest wait; `Infinity` for no limit.
   */
  reserve(timeoutMs: number): MaybePromise<JobBody | NoJob>;
  /** As `reserve`, but takes all jobs that are ready at that moment, up to `max`. */
  reserveBatch(max: number, timeoutMs: number): MaybePromise<JobBody[] | NoJob>;
  /** Reserves this job, unless it is reserved or held or the limits of its tube do not allow it. */
  reserveJob(id: JobId): MaybePromise<JobBody | null>;

  /** Deletes a job; `false` if it does not exist or another client has it reserved. */
  delete(id: JobId): MaybePromise<boolean>;
  /**
   * Removes a job, even one that another client has, and keeps the outcome `cancelled`; `false` if
   * there is no such job. Its worker finds at its next command that it no longer has it.
   */
  cancelJob(id: JobId): MaybePromise<boolean>;
  /** Finishes a job that this client has reserved, and keeps its result. */
  done(id: JobId, result: Value): MaybePromise<boolean | "OUT_OF_MEMORY">;
  release(id: JobId, priority: number, delayMs: number): MaybePromise<GivenBack>;
  /** Gives back a job that this client could not do; its tube's rules say when it is retried. */
  fail(id: JobId, reason: Value): MaybePromise<GivenBack>;
  bury(id: JobId, priority: number, reason?: string): MaybePromise<boolean>;
  /**
   * Restarts the time to run of a job that this client has reserved.
   *
   * @param progress How far it is; the first {@linkcode MAX_PROGRESS_BYTES} are kept, in memory or,
   * if daemons share the queue, in the database, until the job is reserved again.
   */
  touch(id: JobId, progress?: Value): MaybePromise<boolean>;

  kick(bound: number): MaybePromise<number>;
  kickJob(id: JobId): MaybePromise<boolean>;
  /** Releases a held job without waiting for others; `false` if it is not held. */
  releaseHeld(id: JobId): MaybePromise<boolean>;
  peek(id: JobId): MaybePromise<JobBody | null>;
  /** The next job of the used tube in this state. */
  peekState(state: "ready" | "delayed" | "buried"): MaybePromise<JobBody | null>;
  pauseTube(tube: string, pauseMs: number): MaybePromise<boolean>;
  /**
   * Deletes the jobs that a tube has at this moment in one state, or in all; reserved ones stay.
   *
   * @returns How many there were; `null` if there is no such tube.
   */
  flushTube(tube: string, state?: SweptState): MaybePromise<number | null>;
  /** As `flushTube`, but moves the jobs, all but reserved ones, to another tube. */
  moveTube(tube: string, to: string): MaybePromise<number | null | "OUT_OF_MEMORY">;
  /**
   * Moves a job that nobody has reserved to another tube, in its state. Its attempts count from 0
   * again, and it is no dead letter any more.
   */
  moveJob(id: JobId, to: string): MaybePromise<boolean | "OUT_OF_MEMORY">;

  /** The outcome of a job so far; `null` if the queue knows nothing of it. */
  result(id: JobId): MaybePromise<Outcome | null>;
  /**
   * As `result`, but waits until the job is done, cancelled, deleted, buried or a dead letter.
   *
   * @param options With `progress`, progress that this client has not been told yet ends the wait
   * as well.
   */
  wait(
    id: JobId,
    timeoutMs: number,
    options?: { progress?: boolean },
  ): MaybePromise<Outcome | "TIMED_OUT" | null>;

  statsJob(id: JobId): MaybePromise<JobStats | null>;
  /**
   * The jobs of a tube in one state, in the order in which they are due: by priority and age if
   * they are ready, otherwise by the end of their delay or time to run, or by the time of their
   * burial.
   *
   * @param page Its end is cut at {@linkcode MAX_LISTED_JOBS}.
   * @returns `null` if there is no such tube.
   */
  listJobs(page: JobPage): MaybePromise<ListedJob[] | null>;
  statsTube(tube: string): MaybePromise<TubeStats | null>;
  listTubes(): MaybePromise<string[]>;
  stats(): MaybePromise<QueueStats>;

  /**
   * Resolves when everything this client was told is durable; `undefined` if it already is. Do not
   * send it any answer before.
   */
  settled(): Promise<void> | undefined;
  /** Ends a pending `reserve` or `wait` with `TIMED_OUT`. */
  cancel(): void;
  /** Gives back all jobs it has reserved. */
  close(): void;
}

/** A queue. */
export interface Queue {
  /**
   * Creates a client. It uses and watches the tube "default".
   *
   * @param peer Where it comes from; without it, the client is never among the {@linkcode workers}.
   */
  connect(peer?: Peer): QueueClient;
  /** The clients of this process that have asked for jobs. */
  readonly workers: Workers;
  /**
   * Goes by other options from now on. Jobs that are there stay, even if there are more of them than
   * a lower limit allows, and so do reservations; results beyond a limit are dropped, oldest first.
   */
  setOptions(options: QueueOptions): void;
  /** Takes no more jobs, but hands out those that it has: the drain mode of beanstalkd. */
  refusePuts(): void;
  /** Stops taking and handing out jobs. Jobs that are reserved can still be finished. */
  drain(): void;
  /** Whether it takes no more jobs. */
  readonly draining: boolean;
  /** Resolves when no client of this process has a job reserved. */
  idle(): Promise<void>;
  /** Why it cannot work at the moment; `undefined` if it can. */
  problem(): string | undefined;
  /** Its present metrics, as far as this process knows them without asking another. */
  metrics(): QueueMetrics;
  /** Finishes pending writes and closes. */
  close(): Promise<void>;
}

/** The most jobs on one page of a list. */
export const MAX_JOBS_PER_PAGE = 100;

/** How many jobs of a tube and state can be listed. Finding the last of them takes about 1 ms. */
export const MAX_LISTED_JOBS = 1000;

/** How much of a body a list contains. */
export const EXCERPT_BYTES = 256;

/** The tube that clients use and watch at first. */
export const DEFAULT_TUBE = "default";

/** Ready jobs with a priority below this count as urgent. */
export const URGENT_PRIORITY = 1024;

/** A worker does not wait for another job when one of its own is this close to its deadline. */
export const SAFETY_MARGIN_MS = 1000;

/** The longest progress of a job. */
export const MAX_PROGRESS_BYTES = 1024;

/** The most jobs that another one can be put after. */
export const MAX_DEPENDENCIES = 64;
