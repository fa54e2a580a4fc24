import type { Value } from "../../storage/value.ts";
import type { Clock } from "../clock.ts";
import { bytesOfOptions, canExpire, ownRules, storedOptions } from "../job_options.ts";
import { allowedTtrMs, applyEvent, hasDied, type JobEvent } from "../life_cycle.ts";
import {
  type JobSpec,
  type JobState,
  type JobStats,
  type KeptState,
  type QueueOptions,
  type QueueStats,
  type Refusal,
} from "../queue.ts";
import { Chores } from "./chores.ts";
import { Conditions } from "./conditions.ts";
import { HandOut } from "./hand_out.ts";
import { IdTable } from "./id_table.ts";
import { Job, JOB_OVERHEAD_BYTES, type JobTube, type JobWorker } from "./job.ts";
import { JobIds } from "./job_ids.ts";
import { JobMemory, TIME } from "./job_memory.ts";
import { JobNews } from "./job_news.ts";
import type { Journal } from "./journal.ts";
import { setProgress } from "./progress.ts";
import { ReservedCount } from "./reserved_count.ts";
import { Result, Results } from "./results.ts";
import { QueueSpace } from "./space.ts";
import { Timers } from "./timers.ts";
import { sumByState, type TubeScheduler } from "./tube.ts";
import { Tubes } from "./tubes.ts";

/**
 * Moves the jobs of a queue in memory. Its calls have taken effect when they return.
 *
 * A job is always in exactly one place: the ready heap, the delayed heap or the buried list of its
 * tube, or the list of the client that has it reserved. `take` removes it from there. Then one of
 * `apply`, `reserveFor`, `complete` and `drop` must follow.
 */
export class Scheduler implements TubeScheduler<Job> {
  /** The deadlines of jobs and results. */
  readonly timers: Timers;
  /** The deadlines of clients and tubes, which do not wait while a million jobs are due. */
  readonly clientTimers: Timers;
  readonly chores: Chores;
  readonly tubes: Tubes;
  readonly jobs = new IdTable<Job>();
  readonly memory = new JobMemory();
  readonly results: Results;
  readonly ids: JobIds;
  readonly conditions: Conditions;
  readonly journal: Journal;
  readonly space: QueueSpace;
  /** All parts of the queue share this object; it is changed in place. */
  readonly options: QueueOptions;
  /** Whether it hands out no jobs and takes none. */
  draining = false;
  /** Whether it takes no jobs. */
  refusesPuts = false;
  /** How many clients wait for a job. */
  waiting = 0;

  readonly #clock: Clock;
  readonly #news: JobNews;
  readonly #handOut: HandOut;
  readonly #reserved = new ReservedCount();
  #timeouts = 0;
  #totalJobs = 0;

  constructor(clock: Clock, options: QueueOptions, journal: Journal) {
    this.#clock = clock;
    this.options = { ...options };
    this.journal = journal;
    this.timers = new Timers(clock);
    this.clientTimers = new Timers(clock);
    this.chores = new Chores(clock);
    this.results = new Results(this.timers, {
      options: this.options,
      dropped: (result) => {
        this.space.take(-result.body.length - JOB_OVERHEAD_BYTES);
        journal.forget(result);
      },
    });
    this.ids = new JobIds((upTo) => journal.useIds(upTo));
    this.space = new QueueSpace(this.results, this.options);
    this.#news = new JobNews(journal, this.options);
    this.#handOut = new HandOut(this.chores, () => this.handsOut);
    this.conditions = new Conditions({
      timers: this.timers,
      journal,
      now: () => this.now(),
      jobOf: (id) => this.jobs.get(id),
      takeSpace: (bytes) => this.space.take(bytes),
      expire: (job) => this.#applyTo(job, { kind: "expire" }),
      release: (job) => this.#applyTo(job, { kind: "release-held" }),
      runInTurns: (step) => void this.chores.run(step),
    });
    this.tubes = new Tubes(this, { timers: this.clientTimers, options: this.options });
  }

  /** The time by the queue's clock. */
  now(): number {
    return this.#clock.now();
  }

  /** Resolves when no job is reserved. */
  idle(): Promise<void> {
    return this.#reserved.none();
  }

  // Tubes

  tokenCame(tube: JobTube): void {
    this.serve(tube);
    this.tubes.leave(tube);
  }

  /** Whether workers get jobs at present. */
  get handsOut(): boolean {
    return !this.draining && !this.journal.failing;
  }

  /** Hands out jobs again. */
  resume(): void {
    for (const tube of this.tubes.all()) this.serve(tube);
  }

  /** Hands ready jobs of a tube to its waiting clients, first come, first served. */
  serve(tube: JobTube): void {
    this.#handOut.serve(tube);
  }

  // Jobs

  /** Adds new jobs: all of them, or none if the queue refuses them. */
  put(tube: JobTube, specs: readonly JobSpec[]): Job[] | Refusal {
    const refusal = this.#refusal(specs);
    if (refusal !== undefined) return refusal;
    const records = this.memory.addAll(specs);
    if (records === null) return "OUT_OF_MEMORY";
    return specs.map((spec, index) => this.#insert(tube, spec, records[index]!));
  }

  #refusal(specs: readonly JobSpec[]): Refusal | undefined {
    if (this.draining || this.refusesPuts) return "DRAINING";
    if (this.journal.full) return "OUT_OF_MEMORY";
    let bytes = 0;
    for (const { body, options } of specs) {
      bytes += body.length + JOB_OVERHEAD_BYTES + bytesOfOptions(options);
    }
    const fits = this.jobs.size + specs.length <= this.options.limits.maxJobs;
    return fits && this.space.makeRoom(bytes) ? undefined : "OUT_OF_MEMORY";
  }

  #insert(tube: JobTube, spec: JobSpec, record: number): Job {
    const now = this.now();
    const options = storedOptions(spec.options, {
      now,
      unfinished: (ids) => this.conditions.dependencies.unfinished(ids),
    });
    const { memory } = this;
    memory.setTime(record, TIME.created, now);
    memory.setTime(record, TIME.delay, spec.delayMs);
    memory.setTime(record, TIME.ttr, allowedTtrMs(spec.ttrMs));
    const { priority } = spec;
    const job = new Job(memory, record, { id: this.ids.take(), tube, priority, options });
    this.#totalJobs++;
    tube.totalJobs++;
    if (options !== null && options.after.length > 0) {
      job.state = "held";
    } else if (job.delayMs > 0) {
      job.state = "delayed";
      job.dueAt = now + job.delayMs;
    }
    this.#add(job);
    this.#place(job);
    job.ticket = this.journal.put(job);
    if (options !== null) this.conditions.put(job);
    this.#news.happened(job, "put");
    this.serve(tube);
    return job;
  }

  /** Removes a job from the place where it is. */
  take(job: Job): void {
    if (job.options !== null) this.conditions.leave(job);
    if (job.state !== "reserved") {
      job.tube.remove(job);
      if (job.state === "delayed") this.timers.clear(job);
      return;
    }
    job.holder!.lose(job);
    job.holder = null;
    job.tube.running.remove(job);
    this.timers.clear(job);
    this.#reserved.remove();
  }

  /** Reserves a job that was taken from its place. */
  reserveFor(worker: JobWorker, job: Job): void {
    job.state = "reserved";
    job.holder = worker;
    job.reserves++;
    if (job.progress !== "") setProgress(job, "", this.space);
    if (job.options !== null) this.conditions.enter(job);
    job.tube.running.push(job);
    job.tube.rate?.take();
    this.#reserved.add();
    this.timers.set(job, this.now() + job.ttrMs);
    this.#news.happened(job, "reserved");
    worker.gain(job);
  }

  /**
   * Applies an event to a job that was taken from its place, and puts it where it belongs now.
   *
   * @returns The state of the job after the event, or `dead` if it has become a dead letter.
   */
  apply(job: Job, event: JobEvent): JobState | "dead" {
    const { state: before, tube } = job;
    const died = this.#change(job, event);
    job.ticket = this.journal.move(job);
    this.#news.changed(job, event, { tube: tube.name, died });
    if (died) this.#news.ended(job, "dead", job.reason);
    else if (event.kind !== "move" && job.state === "buried") {
      this.#news.ended(job, "buried", job.reason);
    }
    if (before === "held" && job.state !== "held") this.conditions.dependencies.tidy(job);
    this.serve(job.tube);
    if (job.tube !== tube) {
      this.serve(tube);
      this.tubes.leave(tube);
    }
    return died ? "dead" : job.state;
  }

  /** Gives the worker of a job its full time to run again. */
  touch(job: Job): void {
    const { rules, name: tube } = job.tube;
    const options = { rules, tube, now: this.now() };
    this.timers.set(job, applyEvent(job, { kind: "touch" }, options).dueAt);
  }

  /** Deletes a job that was taken from its place. */
  drop(job: Job): void {
    job.tube.deletes++;
    this.#finish(job);
    // Workers for beanstalkd finish a job by deleting it, so then it counts as done.
    if (job.state === "reserved") this.conditions.dependencies.done(job);
    else this.conditions.dependencies.lose(job);
    this.#news.ended(job, "deleted", "");
  }

  /** Whether a result of this size fits in place of its job. */
  hasRoomForResult(job: Job, bytes: number): boolean {
    return this.space.makeRoom(bytes + JOB_OVERHEAD_BYTES - job.bytes);
  }

  /** Replaces a job that was taken from its place with its outcome. */
  complete(job: Job, state: KeptState, body: Value): void {
    const expiresAt = this.now() + this.options.limits.resultTtlMs;
    const result = new Result(job.id, { state, body, expiresAt });
    this.#finish(job);
    this.space.take(body.length + JOB_OVERHEAD_BYTES);
    job.ticket = result.ticket = this.journal.keep(result);
    this.results.add(result);
    if (state === "done") this.conditions.dependencies.done(job);
    else this.conditions.dependencies.lose(job);
    this.#news.happened(job, state);
    this.#news.ended(job, state, body);
  }

  jobDue(job: Job, now: number): void {
    this.take(job);
    if (job.state === "reserved") {
      this.#timeouts++;
      this.apply(job, { kind: "time-out" });
    } else {
      // The journal need not know: after a restart the clock says again that the delay is over.
      this.#change(job, { kind: "delay-over" }, now);
      this.serve(job.tube);
    }
  }

  /** Adds a job from the journal, in the state that its fields say. */
  restore(job: Job): void {
    this.#add(job);
    this.ids.skip(job.id);
    if (job.state === "delayed" && job.dueAt <= this.now()) job.state = "ready";
    this.#place(job);
    // The journal need not know of these two either.
    const { options } = job;
    if (options !== null && options.expiresAt <= this.now() && canExpire(job)) {
      this.take(job);
      this.#change(job, { kind: "expire" });
    } else if (job.state === "held" && !this.conditions.dependencies.mustWait(job)) {
      this.take(job);
      this.#change(job, { kind: "release-held" });
    }
  }

  /** Removes a new job that could not be written. */
  takeBack(job: Job): void {
    this.#totalJobs--;
    if (!job.strayed) job.tube.takeBackPut();
    this.take(job);
    this.#forget(job);
    this.conditions.takeBack(job);
    this.#news.ended(job, "deleted", "");
    job.free();
  }

  /** Brings back a job whose removal could not be written. It is no longer reserved. */
  putBack(job: Job): void {
    if (job.state === "reserved") job.state = "ready";
    this.conditions.dependencies.restore(job);
    job.tube = this.tubes.open(job.tube.name, { anyway: true })!;
    this.restore(job);
    this.serve(job.tube);
  }

  /** Adds a result from the journal. */
  restoreResult(result: Result): void {
    this.space.take(result.body.length + JOB_OVERHEAD_BYTES);
    this.results.add(result);
  }

  /** What `stats-job` reports about a job. */
  statsOf(job: Job): JobStats {
    const stats = job.stats(this.now());
    if (job.state === "held") stats.reason = this.conditions.dependencies.reasonOf(job);
    return stats;
  }

  /** Its numbers for `stats` and the metrics. */
  stats(): QueueStats {
    return {
      ...sumByState(this.tubes.all()),
      totalJobs: this.#totalJobs,
      timeouts: this.#timeouts,
      tubes: this.tubes.size,
      waiting: this.waiting,
      results: this.results.size,
      bytes: this.space.bytes,
    };
  }

  // Shared by the above

  #applyTo(job: Job, event: JobEvent): void {
    this.take(job);
    this.apply(job, event);
  }

  /** Applies an event without writing it; returns whether the job has become a dead letter. */
  #change(job: Job, event: JobEvent, now = this.now()): boolean {
    const { bytes, death, tube: { name: tube, rules: { deadLetter } } } = job;
    const rules = ownRules(job.tube.rules, job.options);
    job.set(applyEvent(job, event, { rules, tube, now }));
    const died = hasDied(death, job);
    if (died) this.#send(job, deadLetter);
    if (event.kind === "move") this.#send(job, event.tube);
    this.space.take(job.bytes - bytes);
    this.#place(job);
    return died;
  }

  /** Changes the tube of a job that is in no place. */
  #send(job: Job, tube: string): void {
    job.stray(this.tubes.open(tube, { anyway: true })!);
  }

  #add(job: Job): void {
    this.jobs.set(job.id, job);
    this.space.take(job.bytes);
  }

  /** Puts a job in the place of its state. */
  #place(job: Job): void {
    if (job.options !== null) this.conditions.enter(job);
    if (job.state === "delayed") this.timers.set(job, job.dueAt);
    job.tube.add(job);
  }

  #finish(job: Job): void {
    this.#forget(job);
    job.ticket = this.journal.remove(job);
    if (job.state === "held") this.conditions.dependencies.removed(job);
  }

  #forget(job: Job): void {
    const { tube } = job;
    this.jobs.delete(job.id);
    this.space.take(-job.bytes);
    this.serve(tube);
    this.tubes.leave(tube);
  }
}
