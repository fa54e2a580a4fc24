import type { Value } from "../../storage/value.ts";
import { bytesOfOptions, canExpire, optionStats, type StoredOptions } from "../job_options.ts";
import type { JobFacts } from "../life_cycle.ts";
import type { EndState, JobDeath, JobId, JobState, JobStats, Outcome } from "../queue.ts";
import { COUNT, type JobMemory, TIME } from "./job_memory.ts";
import type { Timed } from "./timers.ts";
import type { QueuedJob, Tube, Watch, Worker } from "./tube.ts";

/**
 * The memory that a job needs besides its body, options and reason, in bytes. Measured with a million
 * jobs: 240 if they are ready, and some 60 more if they were buried.
 */
export const JOB_OVERHEAD_BYTES = 300;

/** About how much memory it takes to know how a job became a dead letter, besides the reason. */
const DEATH_OVERHEAD_BYTES = 100;

/** A tube of these jobs. */
export type JobTube = Tube<Job>;

/** A client that these jobs are reserved for. */
export type JobWorker = Worker<Job>;

/** A client's subscription to a tube of these jobs. */
export type TubeWatch = Watch<Job>;

/** A client that waits for the outcome of a job. */
export interface Watcher {
  /** The job has an outcome. */
  finished(job: Job, state: EndState, body: Value): void;
  /** Its worker said how far it is. */
  progressed(job: Job): void;
}

/** What most jobs never need, since they are just put, reserved and deleted. */
class JobDetails {
  reason = "";
  progress = "";
  death: JobDeath | null = null;
  strayed = false;
  revived = false;
  options: StoredOptions | null = null;
  watchers: Set<Watcher> | null = null;
}

const NO_DETAILS: Readonly<JobDetails> = new JobDetails();

/** The part of a job that is not in its record. */
export interface JobFields {
  id: JobId;
  tube: JobTube;
  priority: number;
  options: StoredOptions | null;
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

  /**
   * Creates a job that is ready.
   *
   * @param record The address of its record, where its times are.
   */
  constructor(memory: JobMemory, record: number, fields: JobFields) {
    this.id = fields.id;
    this.tube = fields.tube;
    this.#memory = memory;
    this.#record = record;
    this.#priority = fields.priority | 0;
    if (fields.options !== null) this.#noted.options = fields.options;
  }

  /** The length of its body. */
  get bodyLength(): number {
    return this.#memory.bodyLength(this.#record);
  }

  /** A copy of the start of its body. */
  bodyStart(maxBytes: number): Value {
    return this.#memory.body(this.#record, maxBytes);
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
    return this.#memory.count(this.#record, COUNT.reserves);
  }

  set reserves(reserves: number) {
    this.#memory.setCount(this.#record, COUNT.reserves, reserves);
  }

  get timeouts(): number {
    return this.#memory.count(this.#record, COUNT.timeouts);
  }

  get releases(): number {
    return this.#memory.count(this.#record, COUNT.releases);
  }

  get buries(): number {
    return this.#memory.count(this.#record, COUNT.buries);
  }

  get kicks(): number {
    return this.#memory.count(this.#record, COUNT.kicks);
  }

  get attempts(): number {
    return this.#memory.count(this.#record, COUNT.attempts);
  }

  /** Whether the journal holds a later state than the one it was put in. */
  get moved(): boolean {
    return this.#memory.count(this.#record, COUNT.moved) > 0;
  }

  set moved(moved: boolean) {
    this.#memory.setCount(this.#record, COUNT.moved, moved ? 1 : 0);
  }

  get reason(): string {
    return this.#known.reason;
  }

  /** What its last worker said about its progress; its journal does not know. */
  get progress(): string {
    return this.#known.progress;
  }

  set progress(progress: string) {
    if (progress !== this.progress) this.#noted.progress = progress;
  }

  get death(): JobDeath | null {
    return this.#known.death;
  }

  get options(): StoredOptions | null {
    return this.#known.options;
  }

  /** Whether its tube is another one than the journal's record of its put says. */
  get strayed(): boolean {
    return this.#known.strayed;
  }

  /** Whether it was a dead letter and is none any more: what has expired once must not do so again. */
  get revived(): boolean {
    return this.#known.revived;
  }

  /** Notes that it was a dead letter and is none any more. */
  revive(): void {
    this.#noted.revived = true;
  }

  /** Changes its tube. */
  stray(tube: JobTube): void {
    this.tube = tube;
    this.#noted.strayed = true;
  }

  /** About how many bytes of memory it takes. */
  get bytes(): number {
    const { options, reason, progress, death } = this.#known;
    const deathBytes = death === null ? 0 : death.reason.length + DEATH_OVERHEAD_BYTES;
    return this.bodyLength + reason.length + progress.length + JOB_OVERHEAD_BYTES +
      bytesOfOptions(options) + deathBytes;
  }

  /** Sets what an event has made of it. */
  set(facts: JobFacts): void {
    const memory = this.#memory;
    const record = this.#record;
    this.state = facts.state;
    this.#priority = facts.priority | 0;
    memory.setTime(record, TIME.delay, facts.delayMs);
    memory.setTime(record, TIME.due, facts.dueAt);
    memory.setCount(record, COUNT.timeouts, facts.timeouts);
    memory.setCount(record, COUNT.releases, facts.releases);
    memory.setCount(record, COUNT.buries, facts.buries);
    memory.setCount(record, COUNT.kicks, facts.kicks);
    memory.setCount(record, COUNT.attempts, facts.attempts);
    if (facts.reason !== this.reason) this.#noted.reason = facts.reason;
    if (facts.death === this.death) return;
    if (facts.death === null) this.revive();
    this.#noted.death = facts.death;
  }

  /** Adds a client that waits for its outcome. */
  watch(watcher: Watcher): void {
    (this.#noted.watchers ??= new Set()).add(watcher);
  }

  /** Removes a client that waits for its outcome. */
  unwatch(watcher: Watcher): void {
    this.#details?.watchers?.delete(watcher);
  }

  /** The clients that wait for its outcome. */
  get watchers(): Iterable<Watcher> {
    return this.#known.watchers ?? [];
  }

  /** Its outcome so far. */
  get outcome(): Outcome {
    const { state, death, progress } = this;
    if (death !== null) return { state: "dead", body: death.reason };
    if (state === "buried") return { state, body: this.reason };
    if (state !== "reserved" || progress === "") return { state, body: "" };
    return { state, body: progress, run: this.reserves };
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
      progress: this.progress,
      key: this.options?.unique?.key ?? "",
      death: this.death,
      ...optionStats(this.options, { now, expires: canExpire(this) }),
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
