/**
 * What a queue is: jobs in tubes, given to one client at a time. Two engines stand behind this
 * interface: one keeps the queue in the memory of this process (and, if it is to be durable, on
 * disk), the other shares it with other daemons through a database.
 *
 * @module
 */

import type { CommitMetrics } from "../storage/commit_metrics.ts";
import type { DatabaseMetrics } from "../storage/database_metrics.ts";
import type { MaybePromise } from "../storage/store.ts";
import type { Value } from "../storage/value.ts";

/** The number of a job: from 1, never given out twice, at most 2^53 - 1. */
export type JobId = number;

/** Where a job is in its life. A job that is finished is none of these, and gone. */
export type JobState = "ready" | "reserved" | "delayed" | "buried";

/** A job as a producer describes it. */
export interface JobSpec {
  /** 0 (most urgent) to 2^32 - 1. */
  priority: number;
  /** How long it is not ready at first. */
  delayMs: number;
  /** How long a worker may take. */
  ttrMs: number;
  /** Belongs to the queue from now on. */
  body: Value;
}

/** A job as a worker sees it. */
export interface JobBody {
  readonly id: JobId;
  /** Nobody may change the bytes. */
  readonly body: Value;
}

/** Why a job was not taken: the words of the protocol. */
export type Refusal = "DRAINING" | "OUT_OF_MEMORY";

/** Why a reserve came back without a job. */
export type NoJob = "TIMED_OUT" | "DEADLINE_SOON";

/** What became of a job that was given back. */
export type GivenBack = "RELEASED" | "BURIED" | "NOT_FOUND";

/** What is known of a job that somebody asks the result of. */
export interface Outcome {
  /** `done` and `deleted` are final, `buried` is until somebody kicks it. */
  readonly state: JobState | "done" | "deleted";
  /** The result of a job that is done, the reason of one that is buried; else empty. */
  readonly body: Value;
}

/** The figures of a job, for `stats-job`. */
export interface JobStats {
  id: JobId;
  tube: string;
  state: JobState;
  priority: number;
  ageMs: number;
  delayMs: number;
  ttrMs: number;
  /** Until it is ready by itself; 0 unless it is reserved or delayed. */
  leftMs: number;
  reserves: number;
  timeouts: number;
  releases: number;
  buries: number;
  kicks: number;
  /** Runs that came to nothing: releases, time-outs, lost workers. */
  attempts: number;
  /** Why the last of them did, or why it was buried; one character a byte. */
  reason: string;
  /** The key of `put-unique`; empty for none. */
  key: string;
}

/** How many jobs there are by state. */
export interface JobsByState {
  /** Ready ones with a priority below 1024. */
  urgent: number;
  ready: number;
  reserved: number;
  delayed: number;
  buried: number;
}

/** The figures of a tube, for `stats-tube`. */
export interface TubeStats extends JobsByState {
  name: string;
  totalJobs: number;
  using: number;
  watching: number;
  waiting: number;
  deletes: number;
  pauses: number;
  /** How long the pause that is on was to take. */
  pauseMs: number;
  pauseLeftMs: number;
  /** Since when the oldest ready job has been there; 0 for none. */
  oldestReadyMs: number;
}

/** The figures of a whole queue, for `stats`. */
export interface QueueStats extends JobsByState {
  totalJobs: number;
  timeouts: number;
  tubes: number;
  waiting: number;
  /** Results that are kept. */
  results: number;
  /** Bytes of the jobs and results that this process holds. */
  bytes: number;
}

/** What the metrics say about a tube. */
export interface TubeMetrics extends JobsByState {
  name: string;
  /** Since when the ready job that is to be given out next has been there; 0 for none. */
  oldestReadyMs: number;
}

/** What the metrics say about a queue. */
export interface QueueMetrics {
  total: QueueStats;
  /** If there are too many, the last is the sum of those that are left out. */
  tubes: TubeMetrics[];
  /** What it has made durable, where it makes anything durable. */
  commits?: CommitMetrics;
  /** The connections to the database, where there is one. */
  database?: DatabaseMetrics;
}

/** How a tube treats its jobs beyond what the protocol says. */
export interface TubeRules {
  /** A job is buried after so many runs that came to nothing; 0 for never. */
  maxAttempts: number;
  /** The delay after the first such run, doubled with every further one; 0 for none. */
  backoffMs: number;
  /** The longest such delay. */
  maxBackoffMs: number;
  /** How many jobs of the tube may run at once; 0 for any number. */
  maxReserved: number;
}

/** The bounds of a queue. */
export interface QueueLimits {
  maxJobs: number;
  /** Of jobs and results together, with what the queue needs for each. */
  maxBytes: number;
  maxTubes: number;
  maxResults: number;
  resultTtlMs: number;
}

/** What a queue needs to be told. */
export interface QueueOptions {
  limits: QueueLimits;
  /** The rules of a tube; called once when the tube comes to be. */
  rulesOf(tube: string): TubeRules;
}

/**
 * One client of a queue: what it uses, watches and has reserved. Its calls come one after another,
 * but several puts, or several deletes, may be under way at once: they are done and answered in
 * their order. Only `cancel` and `close` may come while a `reserve` or `wait` is pending.
 *
 * Where a call fails because the engine cannot work at present, it throws or rejects with
 * `StorageUnavailableError`.
 */
export interface QueueClient {
  /** The tube that it puts into. */
  readonly used: string;
  /** The tubes that it reserves from. */
  readonly watched: string[];
  /** Whether the tube may be used; `false` if there are too many tubes. */
  use(tube: string): boolean;
  /** Whether the tube may be watched; `false` if there are too many tubes. */
  watch(tube: string): boolean;
  /** `false` if it is the last one that is watched. */
  ignore(tube: string): boolean;

  put(spec: JobSpec): MaybePromise<JobId | Refusal>;
  /** All of them or none. */
  putBatch(specs: readonly JobSpec[]): MaybePromise<JobId[] | Refusal>;
  /** As `put`, unless the used tube has an unfinished job with this key: then the id of that. */
  putUnique(
    key: string,
    spec: JobSpec,
  ): MaybePromise<{ id: JobId; existed: boolean } | Refusal>;

  /**
   * Reserves the first ready job of the watched tubes, and waits for one if need be.
   *
   * @param timeoutMs How long to wait; `Infinity` for as long as it takes.
   */
  reserve(timeoutMs: number): MaybePromise<JobBody | NoJob>;
  /** As `reserve`, and as many more jobs as are ready at that moment, `max` in all. */
  reserveBatch(max: number, timeoutMs: number): MaybePromise<JobBody[] | NoJob>;
  /** Reserves this very job, unless it is reserved already or its tube is at its limit. */
  reserveJob(id: JobId): MaybePromise<JobBody | null>;

  /** Whether there was such a job that this client may delete. */
  delete(id: JobId): MaybePromise<boolean>;
  /** Finishes a job that this client has reserved. */
  done(id: JobId, result: Value): MaybePromise<boolean | "OUT_OF_MEMORY">;
  release(id: JobId, priority: number, delayMs: number): MaybePromise<GivenBack>;
  /** Gives a job back that this client failed to do; its tube's rules say when it is ready again. */
  fail(id: JobId, reason: Value): MaybePromise<GivenBack>;
  bury(id: JobId, priority: number, reason?: string): MaybePromise<boolean>;
  touch(id: JobId): MaybePromise<boolean>;

  kick(bound: number): MaybePromise<number>;
  kickJob(id: JobId): MaybePromise<boolean>;
  peek(id: JobId): MaybePromise<JobBody | null>;
  /** The next job of the used tube in this state. */
  peekState(state: "ready" | "delayed" | "buried"): MaybePromise<JobBody | null>;
  pauseTube(tube: string, pauseMs: number): MaybePromise<boolean>;

  /** What is known of a job; `null` for nothing. */
  result(id: JobId): MaybePromise<Outcome | null>;
  /** As `result`, but waits until the job is done, deleted or buried. */
  wait(id: JobId, timeoutMs: number): MaybePromise<Outcome | "TIMED_OUT" | null>;

  statsJob(id: JobId): MaybePromise<JobStats | null>;
  statsTube(tube: string): MaybePromise<TubeStats | null>;
  listTubes(): MaybePromise<string[]>;
  stats(): MaybePromise<QueueStats>;

  /**
   * Resolves when all that this client was told is durable; `undefined` if it is already. What it
   * was told must not reach it before.
   */
  settled(): Promise<void> | undefined;
  /** Ends the `reserve` or `wait` that is pending with `TIMED_OUT`. */
  cancel(): void;
  /** Gives back all that it has reserved. */
  close(): void;
}

/** A queue. */
export interface Queue {
  /** A new client, which uses and watches the tube "default". */
  connect(): QueueClient;
  /** Takes no more jobs and gives none out; those that are reserved can be finished. */
  drain(): void;
  /** Whether it is draining. */
  readonly draining: boolean;
  /** Resolves when no client of this process has a job reserved. */
  idle(): Promise<void>;
  /** Why it cannot do its work at the moment; `undefined` when it can. */
  problem(): string | undefined;
  /** The figures of this moment, as far as this process knows them without asking anybody. */
  metrics(): QueueMetrics;
  /** Finishes what was taken, and closes. */
  close(): Promise<void>;
}

/** The tube of those who did not ask for another. */
export const DEFAULT_TUBE = "default";

/** Ready jobs with a priority below this are urgent. */
export const URGENT_PRIORITY = 1024;

/** How long before its deadline a worker is no longer made to wait for another job. */
export const SAFETY_MARGIN_MS = 1000;
