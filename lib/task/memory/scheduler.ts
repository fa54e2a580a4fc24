import type { Value } from "../../storage/value.ts";
import type { Clock } from "../clock.ts";
import {
  backoffDelayMs,
  DEFAULT_TUBE,
  type GivenBack,
  type JobId,
  type JobSpec,
  MIN_TTR_MS,
  type QueueOptions,
  type QueueStats,
  reasonText,
  type Refusal,
  URGENT_PRIORITY,
} from "../queue.ts";
import { Job, JOB_OVERHEAD_BYTES, type Worker } from "./job.ts";
import type { Journal } from "./journal.ts";
import { Result, Results } from "./results.ts";
import { Timers } from "./timers.ts";
import { Tube, type TubeScheduler } from "./tube.ts";

/** Ids are taken from the journal in blocks of so many. */
const ID_BLOCK = 10_000;

/**
 * Where the jobs of a queue in memory are, and where they go. Its calls are done when they return.
 *
 * A job is at any time in one place only: in the ready or delayed heap or the buried list of its
 * tube, or in the list of the client that has it reserved. `take` gets it out of there, and one
 * of `enqueue`, `buryJob`, `reserveFor` and `drop` decides where it goes.
 */
export class Scheduler implements TubeScheduler {
  readonly timers: Timers;
  readonly tubes = new Map<string, Tube>();
  readonly jobs = new Map<JobId, Job>();
  readonly results: Results;
  readonly journal: Journal;
  draining = false;
  /** Clients that wait for a job. */
  waiting = 0;

  readonly #clock: Clock;
  readonly #options: QueueOptions;
  #nextId: JobId = 1;
  #usableId: JobId = 0;
  #bytes = 0;
  #reserved = 0;
  #timeouts = 0;
  #totalJobs = 0;
  #idle: (() => void)[] = [];

  constructor(clock: Clock, options: QueueOptions, journal: Journal) {
    this.#clock = clock;
    this.#options = options;
    this.journal = journal;
    this.timers = new Timers(clock);
    this.results = new Results(this.timers, {
      maxResults: options.limits.maxResults,
      dropped: (result) => {
        this.#bytes -= result.body.length + JOB_OVERHEAD_BYTES;
        journal.forget(result);
      },
    });
    this.tubes.set(DEFAULT_TUBE, new Tube(this, DEFAULT_TUBE, options.rulesOf(DEFAULT_TUBE)));
  }

  /** Milliseconds of the queue's clock. */
  now(): number {
    return this.#clock.now();
  }

  /** Resolves when no job is reserved. */
  idle(): Promise<void> {
    if (this.#reserved === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  // Tubes

  /** The tube of a name, made if need be; `undefined` if there are too many, unless `anyway`. */
  openTube(name: string, { anyway = false } = {}): Tube | undefined {
    let tube = this.tubes.get(name);
    if (tube === undefined && (anyway || this.tubes.size < this.#options.limits.maxTubes)) {
      tube = new Tube(this, name, this.#options.rulesOf(name));
      this.tubes.set(name, tube);
    }
    return tube;
  }

  /** Lets a tube go that has no jobs and that nobody refers to. */
  leaveTube(tube: Tube): void {
    if (tube.using + tube.watching + tube.jobs > 0 || tube.name === DEFAULT_TUBE) return;
    this.timers.clear(tube);
    this.tubes.delete(tube.name);
  }

  /** Gives out no job of a tube for a while; 0 ends that. */
  pause(tube: Tube, pauseMs: number): void {
    tube.pauses++;
    tube.pauseMs = pauseMs;
    if (pauseMs > 0) this.timers.set(tube, this.now() + pauseMs);
    else this.endPause(tube);
  }

  endPause(tube: Tube): void {
    this.timers.clear(tube);
    tube.pauseMs = 0;
    this.serve(tube);
  }

  /** Gives ready jobs of a tube to the clients that wait for them, in turn. */
  serve(tube: Tube): void {
    while (!this.draining && tube.waiting.first !== null && tube.open) {
      tube.waiting.first.worker.take(tube.ready.first!);
    }
  }

  // Jobs

  /** Why no more jobs are taken now, or `undefined`. */
  refusal(specs: readonly JobSpec[], key = ""): Refusal | undefined {
    if (this.draining) return "DRAINING";
    let bytes = 0;
    for (const spec of specs) bytes += spec.body.length + key.length + JOB_OVERHEAD_BYTES;
    const { maxJobs } = this.#options.limits;
    if (this.jobs.size + specs.length > maxJobs || !this.#makeRoom(bytes)) return "OUT_OF_MEMORY";
  }

  /** Takes a new job in, after `refusal` had nothing against it. */
  insert(tube: Tube, spec: JobSpec, key: string): Job {
    const now = this.now();
    if (this.#nextId > this.#usableId) {
      this.#usableId = this.#nextId + ID_BLOCK - 1;
      this.journal.useIds(this.#usableId);
    }
    const job = new Job(this.#nextId++, tube, {
      priority: spec.priority,
      delayMs: spec.delayMs,
      ttrMs: Math.max(MIN_TTR_MS, spec.ttrMs),
      body: spec.body,
      createdAt: now,
      key,
    });
    this.#totalJobs++;
    tube.totalJobs++;
    this.#add(job);
    this.#place(job, job.delayMs, now);
    job.ticket = this.journal.put(job);
    this.serve(tube);
    return job;
  }

  /** Gets a job out of the place where it is. */
  take(job: Job): void {
    const { tube, holder } = job;
    switch (job.state) {
      case "ready":
        tube.ready.remove(job);
        if (job.priority < URGENT_PRIORITY) tube.urgent--;
        return;
      case "delayed":
        tube.delayed.remove(job);
        break;
      case "buried":
        tube.buried.remove(job);
        return;
      case "reserved":
        holder!.lose(job);
        job.holder = null;
        tube.reserved--;
        this.#reserved--;
        if (this.#reserved === 0 && this.#idle.length > 0) this.#tellIdle();
    }
    this.timers.clear(job);
  }

  /** Reserves a job that was taken. */
  reserveFor(worker: Worker, job: Job): void {
    job.state = "reserved";
    job.holder = worker;
    job.reserves++;
    job.tube.reserved++;
    this.#reserved++;
    this.timers.set(job, this.now() + job.ttrMs);
    worker.gain(job);
  }

  /** Makes a job that was taken ready, at once or after a delay. */
  enqueue(job: Job, delayMs: number): void {
    this.#place(job, delayMs, this.now());
    job.ticket = this.journal.move(job);
    this.serve(job.tube);
  }

  /** Buries a job that was taken. */
  buryJob(job: Job, reason: Value): void {
    this.#setReason(job, reason);
    job.state = "buried";
    job.dueAt = this.now();
    job.buries++;
    job.tube.buried.push(job);
    job.ticket = this.journal.move(job);
    this.#tell(job, "buried", job.reason);
    this.serve(job.tube);
  }

  /**
   * Gives a job back that was taken from its worker, which came to nothing: after the tube's
   * backoff if that is longer than the delay, or to the buried ones if it was tried too often.
   */
  giveBack(job: Job, reason: Value, delayMs: number): GivenBack {
    const { maxAttempts, backoffMs, maxBackoffMs } = job.tube.rules;
    job.attempts++;
    if (maxAttempts > 0 && job.attempts >= maxAttempts) {
      this.buryJob(job, reason);
      return "BURIED";
    }
    this.#setReason(job, reason);
    this.enqueue(job, Math.max(delayMs, backoffDelayMs(backoffMs, maxBackoffMs, job.attempts)));
    return "RELEASED";
  }

  /** Lets a job go that was taken: it was deleted. */
  drop(job: Job): void {
    job.tube.deletes++;
    this.#finish(job);
    this.#tell(job, "deleted", "");
  }

  /** Whether a job can be swapped for a result of so many bytes. */
  hasRoomForResult(job: Job, bytes: number): boolean {
    return this.#makeRoom(bytes + JOB_OVERHEAD_BYTES - job.bytes);
  }

  /** Lets a job go that was taken: it is done, and here is its result. */
  complete(job: Job, body: Value): void {
    const result = new Result(job.id, body, this.now() + this.#options.limits.resultTtlMs);
    this.#finish(job);
    this.#bytes += body.length + JOB_OVERHEAD_BYTES;
    job.ticket = result.ticket = this.journal.keep(result);
    this.results.add(result);
    this.#tell(job, "done", body);
  }

  /** Kicks a job that was taken out of the buried or delayed ones. */
  kickJob(job: Job): void {
    job.kicks++;
    this.enqueue(job, 0);
  }

  jobDue(job: Job, now: number): void {
    if (job.state === "reserved") {
      this.#timeouts++;
      job.timeouts++;
      this.take(job);
      this.giveBack(job, "the time to run was over", 0);
    } else {
      // That the delay is over need not be written: the clock says it again after a restart.
      this.take(job);
      this.#place(job, 0, now);
      this.serve(job.tube);
    }
  }

  /** Takes a job in from the journal, in the state that its fields say. */
  restore(job: Job): void {
    this.#add(job);
    this.#nextId = Math.max(this.#nextId, job.id + 1);
    if (job.state === "buried") job.tube.buried.push(job);
    else this.#place(job, job.state === "delayed" ? job.dueAt - this.now() : 0, this.now());
  }

  /** Takes a new job back, which could not be written. */
  takeBack(job: Job): void {
    this.take(job);
    this.#forget(job);
    this.#tell(job, "deleted", "");
  }

  /** Puts a job back whose end could not be written; who had it reserved has it no more. */
  putBack(job: Job): void {
    job.tube = this.openTube(job.tube.name, { anyway: true })!;
    this.restore(job);
    this.serve(job.tube);
  }

  /** Takes a result in from the journal. */
  restoreResult(result: Result): void {
    this.#bytes += result.body.length + JOB_OVERHEAD_BYTES;
    this.results.add(result);
  }

  /** Goes on with ids from here, after a restart. */
  startIdsAt(id: JobId): void {
    this.#nextId = Math.max(this.#nextId, id);
    this.#usableId = this.#nextId - 1;
  }

  /** Its figures. */
  stats(): QueueStats {
    const stats: QueueStats = {
      urgent: 0,
      ready: 0,
      reserved: this.#reserved,
      delayed: 0,
      buried: 0,
      totalJobs: this.#totalJobs,
      timeouts: this.#timeouts,
      tubes: this.tubes.size,
      waiting: this.waiting,
      results: this.results.size,
      bytes: this.#bytes,
    };
    for (const tube of this.tubes.values()) {
      stats.urgent += tube.urgent;
      stats.ready += tube.ready.size;
      stats.delayed += tube.delayed.size;
      stats.buried += tube.buried.size;
    }
    return stats;
  }

  // What several of the above need

  #add(job: Job): void {
    this.jobs.set(job.id, job);
    this.#bytes += job.bytes;
    if (job.key !== "") job.tube.keys.set(job.key, job);
  }

  #setReason(job: Job, reason: Value): void {
    this.#bytes -= job.reason.length;
    job.reason = reasonText(reason);
    this.#bytes += job.reason.length;
  }

  #place(job: Job, delayMs: number, now: number): void {
    if (delayMs > 0) {
      job.state = "delayed";
      this.timers.set(job, now + delayMs);
      job.tube.delayed.push(job);
    } else {
      job.state = "ready";
      job.tube.ready.push(job);
      if (job.priority < URGENT_PRIORITY) job.tube.urgent++;
    }
  }

  #finish(job: Job): void {
    job.ticket = this.journal.remove(job);
    this.#forget(job);
  }

  #forget(job: Job): void {
    const { tube } = job;
    this.jobs.delete(job.id);
    this.#bytes -= job.bytes;
    if (job.key !== "") tube.keys.delete(job.key);
    this.serve(tube);
    this.leaveTube(tube);
  }

  #tell(job: Job, state: "done" | "deleted" | "buried", body: Value): void {
    if (job.watchers === null) return;
    const { watchers } = job;
    job.watchers = null;
    for (const watcher of watchers) watcher.finished(job, state, body);
  }

  #tellIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Whether so many more bytes fit, once old results have made way. */
  #makeRoom(bytes: number): boolean {
    const { maxBytes } = this.#options.limits;
    const spare = this.results.bytes + this.results.size * JOB_OVERHEAD_BYTES;
    if (this.#bytes - spare + bytes > maxBytes) return false;
    while (this.#bytes + bytes > maxBytes && this.results.dropOldest());
    return true;
  }
}
