import type { Value } from "../../storage/value.ts";
import type { JobFacts } from "../life_cycle.ts";
import type { JobId, JobState, JobStats, KeptState } from "../queue.ts";
import { type JobMemory, TIME } from "./job_memory.ts";
import type { Timed } from "./timers.ts";
import type { QueuedJob, Tube, Watch, Worker } from "./tube.ts";

/**
 * The memory that a job needs besides its body, key and reason, in bytes. Measured with a million
 * jobs: 230 for jobs that are ready, 300 for jobs that were buried.
 */
export const JOB_OVERHEAD_BYTES = 300;

/** A tube of these jobs. */
export type JobTube = Tube<Job>;

/** A client that these jobs are reserved for. */
export type JobWorker = Worker<Job>;

/** A client's subscription to a tube of these jobs. */
export type TubeWatch = Watch<Job>;

/** A client that waits for the outcome of a job. */
export interface Watcher {
  /** The job is done, cancelled, deleted or buried. */
  finished(job: Job, state: KeptState | "deleted" | "buried", body: Value): void;
}

/** What most jobs have nothing of: they are put, reserved and deleted. */
class JobDetails {
  timeouts = 0;
  releases = 0;
  buries = 0;
  kicks = 0;
  attempts = 0;
  reason = "";
  key = "";
  watchers: Set<Watcher> | null = null;
}

const NO_DETAILS: Readonly<JobDetails> = new JobDetails();

/** The fields of a new job. */
export interface JobFields {
  priority: number;
  delayMs: number;
  ttrMs: number;
  body: Value;
  createdAt: number;
  key: string;
}

/**
 * A job in memory. It only holds the facts; its scheduler moves it from state to state. What is not
 * looked at all the time is in its record in a {@linkcode JobMemory}, or in its details if it has
 * any, so that a million jobs leave little to the garbage collector.
 */
export class Job implements JobFacts, QueuedJob<Job>, Timed {
  readonly id: JobId;
  tube: JobTube;
  state: JobState = "ready";
  /** The client that has it reserved. */
  holder: JobWorker | null = null;
  /** The ticket of the journal's write of its present state. */
  ticket = 0;
  /** Whether the journal holds a later state than the one it was put in. */
  moved = false;
  timerPlace = -1;
  place = -1;
  previous: Job | null = null;
  next: Job | null = null;
  readonly #memory: JobMemory;
  /** The address of its record; 0 when that is freed. */
  #record: number;
  /** The priority, from 2^31 on less 2^32: V8 boxes larger numbers. */
  #priority: number;
  #details: JobDetails | null = null;

  /** @throws {TableFullError} If there is no memory. */
  constructor(memory: JobMemory, id: JobId, tube: JobTube, fields: JobFields) {
    this.id = id;
    this.tube = tube;
    this.#memory = memory;
    this.#record = memory.add(fields.body);
    this.#priority = fields.priority | 0;
    memory.setTime(this.#record, TIME.created, fields.createdAt);
    memory.setTime(this.#record, TIME.due, 0);
    memory.setTime(this.#record, TIME.delay, fields.delayMs);
    memory.setTime(this.#record, TIME.ttr, fields.ttrMs);
    if (fields.key !== "") this.#noted.key = fields.key;
  }

  /** A copy of its body. */
  get body(): Value {
    return this.#memory.body(this.#record);
  }

  get priority(): number {
    return this.#priority >>> 0;
  }

  get delayMs(): number {
    return this.#memory.time(this.#record, TIME.delay);
  }

  get ttrMs(): number {
    return this.#memory.time(this.#record, TIME.ttr);
  }

  get dueAt(): number {
    return this.#memory.time(this.#record, TIME.due);
  }

  set dueAt(timeMs: number) {
    this.#memory.setTime(this.#record, TIME.due, timeMs);
  }

  /** By the queue's clock. */
  get createdAt(): number {
    return this.#memory.time(this.#record, TIME.created);
  }

  get reserves(): number {
    return this.#memory.reserves(this.#record);
  }

  set reserves(reserves: number) {
    this.#memory.setReserves(this.#record, reserves);
  }

  get timeouts(): number {
    return this.#known.timeouts;
  }

  get releases(): number {
    return this.#known.releases;
  }

  get buries(): number {
    return this.#known.buries;
  }

  get kicks(): number {
    return this.#known.kicks;
  }

  get attempts(): number {
    return this.#known.attempts;
  }

  get reason(): string {
    return this.#known.reason;
  }

  /** The key of `put-unique`; empty for none. */
  get key(): string {
    return this.#known.key;
  }

  /** About how many bytes of memory it takes. */
  get bytes(): number {
    const { key, reason } = this.#known;
    return this.#memory.bodyLength(this.#record) + key.length + reason.length + JOB_OVERHEAD_BYTES;
  }

  /** Sets what an event has made of it. */
  set(facts: JobFacts): void {
    this.state = facts.state;
    this.#priority = facts.priority | 0;
    this.#memory.setTime(this.#record, TIME.delay, facts.delayMs);
    this.dueAt = facts.dueAt;
    const { timeouts, releases, buries, kicks, attempts, reason } = facts;
    const notable = timeouts + releases + buries + kicks + attempts > 0 || reason !== "";
    if (!notable && this.#details === null) return;
    const noted = this.#noted;
    noted.timeouts = timeouts;
    noted.releases = releases;
    noted.buries = buries;
    noted.kicks = kicks;
    noted.attempts = attempts;
    noted.reason = reason;
  }

  /** Adds a client that waits for its outcome. */
  watch(watcher: Watcher): void {
    (this.#noted.watchers ??= new Set()).add(watcher);
  }

  /** Removes a client that waits for its outcome. */
  unwatch(watcher: Watcher): void {
    this.#details?.watchers?.delete(watcher);
  }

  /** Takes out the clients that wait for its outcome. */
  takeWatchers(): Iterable<Watcher> {
    const watchers = this.#details?.watchers;
    if (!watchers) return [];
    this.#details!.watchers = null;
    return watchers;
  }

  /** Returns its memory. After that, only its id, its tube and its ticket can be read. */
  free(): void {
    this.#memory.free(this.#record);
    this.#record = 0;
  }

  /** Its numbers for `stats-job`. */
  stats(now: number): JobStats {
    return {
      id: this.id,
      tube: this.tube.name,
      state: this.state,
      priority: this.priority,
      ageMs: now - this.createdAt,
      delayMs: this.delayMs,
      ttrMs: this.ttrMs,
      leftMs: this.timerPlace === -1 ? 0 : Math.max(0, this.dueAt - now),
      reserves: this.reserves,
      timeouts: this.timeouts,
      releases: this.releases,
      buries: this.buries,
      kicks: this.kicks,
      attempts: this.attempts,
      reason: this.reason,
      key: this.key,
    };
  }

  /** Its delay or its time to run is over. */
  due(now: number): void {
    this.tube.scheduler.jobDue(this, now);
  }

  get #known(): Readonly<JobDetails> {
    return this.#details ?? NO_DETAILS;
  }

  get #noted(): JobDetails {
    return this.#details ??= new JobDetails();
  }
}
