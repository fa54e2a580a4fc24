import { type MaybePromise, storageUnavailable } from "../../storage/store.ts";
import type { Value } from "../../storage/value.ts";
import { givenBack, isOutcome, isPossible, type JobEvent } from "../life_cycle.ts";
import type {
  GivenBack,
  JobBody,
  JobId,
  JobPage,
  JobSpec,
  JobState,
  JobStats,
  ListedJob,
  NoJob,
  Outcome,
  PutJob,
  QueueClient,
  QueueStats,
  Refusal,
  SweptState,
  TubeStats,
} from "../queue.ts";
import type { JoinWorkers } from "../workers.ts";
import { Answers } from "./answers.ts";
import type { Job, JobTube, JobWorker } from "./job.ts";
import { jobsOnPage, listed } from "./job_pages.ts";
import { setProgress } from "./progress.ts";
import { MemoryReservations } from "./reservations.ts";
import type { Scheduler } from "./scheduler.ts";
import { MemorySubscriptions } from "./subscriptions.ts";
import { flushTube, moveJob, moveTube } from "./tube_sweep.ts";
import { MemoryWait } from "./wait.ts";
import { MemoryWorker } from "./worker.ts";

/** A client of a queue in memory. */
export class MemoryClient implements QueueClient, JobWorker {
  readonly #scheduler: Scheduler;
  readonly #answers: Answers;
  readonly #reserved = new MemoryReservations();
  readonly #subscriptions: MemorySubscriptions;
  readonly #wait: MemoryWait;
  #join: JoinWorkers | undefined;
  #leave: () => void = () => {};
  constructor(scheduler: Scheduler, join?: JoinWorkers) {
    this.#scheduler = scheduler;
    this.#answers = new Answers(scheduler);
    this.#join = join;
    this.#subscriptions = new MemorySubscriptions(scheduler.tubes, this);
    this.#wait = new MemoryWait(scheduler, {
      watches: this.#subscriptions.watches,
      reserved: this.#reserved,
      told: (job) => this.#told(job),
    });
  }

  // Tubes

  get used(): string {
    return this.#used.name;
  }

  get watched(): string[] {
    return this.#subscriptions.watched;
  }

  use(name: string): boolean {
    return this.#subscriptions.use(name);
  }

  watch(name: string): boolean {
    return this.#subscriptions.watch(name);
  }

  ignore(name: string): boolean {
    return this.#subscriptions.ignore(name);
  }

  pauseTube(name: string, pauseMs: number): boolean {
    const tube = this.#scheduler.tubes.get(name);
    if (tube === undefined) return false;
    tube.pause(pauseMs);
    return true;
  }

  flushTube(name: string, state?: SweptState): Promise<number | null> {
    return flushTube(this.#scheduler, name, { state, told: (job) => this.#told(job) });
  }

  moveTube(name: string, to: string): Promise<number | null | "OUT_OF_MEMORY"> {
    return moveTube(this.#scheduler, name, { to, told: (job) => this.#told(job) });
  }

  moveJob(id: JobId, to: string): boolean | "OUT_OF_MEMORY" {
    const job = this.#find(id);
    return job !== null && moveJob(this.#scheduler, job, to);
  }

  // Producing

  put(spec: JobSpec): JobId | Refusal {
    if (spec.options !== undefined) {
      const answer = this.putJob(spec);
      return typeof answer === "string" ? answer : answer.id;
    }
    const jobs = this.#scheduler.put(this.#used, [spec]);
    return typeof jobs === "string" ? jobs : this.#told(jobs[0]!).id;
  }

  putBatch(specs: readonly JobSpec[]): JobId[] | Refusal {
    const jobs = this.#scheduler.put(this.#used, specs);
    return typeof jobs === "string" ? jobs : jobs.map((job) => this.#told(job).id);
  }

  putJob(spec: JobSpec): PutJob | Refusal {
    const { unique, after } = spec.options ?? {};
    if (unique !== undefined) {
      const id = this.#scheduler.conditions.keys.holder(this.#used.name, unique.key);
      if (id !== undefined) {
        // The job may be gone; the answer is as durable as its key.
        this.#find(id);
        return { id, existed: true };
      }
    }
    if (after?.some((id) => !this.#scheduler.ids.has(id))) return "NOT_FOUND";
    const jobs = this.#scheduler.put(this.#used, [spec]);
    return typeof jobs === "string" ? jobs : { id: this.#told(jobs[0]!).id, existed: false };
  }

  // Consuming

  reserve(timeoutMs: number): Job | NoJob | Promise<Job | NoJob> {
    if (this.#join !== undefined) this.#becomeWorker(this.#join);
    const next = this.#next();
    if (next !== null) return this.#reserve(next);
    if (this.#reserved.marginAt <= this.#scheduler.now()) return "DEADLINE_SOON";
    return timeoutMs === 0 ? "TIMED_OUT" : this.#wait.forJob(timeoutMs);
  }

  reserveBatch(
    max: number,
    timeoutMs: number,
  ): MaybePromise<JobBody[] | NoJob> {
    const first = this.reserve(timeoutMs);
    if (first instanceof Promise) return first.then((job) => this.#fillBatch(job, max));
    return this.#fillBatch(first, max);
  }

  reserveJob(id: JobId): JobBody | null {
    if (this.#join !== undefined) this.#becomeWorker(this.#join);
    const job = this.#find(id);
    if (job === null || job.state === "reserved" || job.state === "held") return null;
    if (this.#wait.quiet) return null;
    const { draining, journal } = this.#scheduler;
    if (draining || !job.tube.hasRoom) return null;
    if (journal.failing) throw storageUnavailable(journal.problem() ?? "the last write failed");
    return this.#reserve(job);
  }

  delete(id: JobId): boolean {
    const job = this.#find(id);
    if (job === null || (job.state === "reserved" && job.holder !== this)) return false;
    this.#scheduler.take(job);
    this.#scheduler.drop(job);
    this.#told(job);
    return true;
  }

  cancelJob(id: JobId): boolean {
    const job = this.#find(id);
    if (job === null) return false;
    this.#scheduler.take(job);
    this.#scheduler.complete(job, "cancelled", "");
    this.#told(job);
    return true;
  }

  done(id: JobId, result: Value): boolean | "OUT_OF_MEMORY" {
    const job = this.#own(id);
    if (job === null) return false;
    if (!this.#scheduler.hasRoomForResult(job, result.length)) return "OUT_OF_MEMORY";
    this.#scheduler.take(job);
    this.#scheduler.complete(job, "done", result);
    this.#told(job);
    return true;
  }

  release(id: JobId, priority: number, delayMs: number): GivenBack {
    const state = this.#applyToOwn(id, { kind: "release", priority, delayMs });
    return state === null ? "NOT_FOUND" : givenBack(state);
  }

  fail(id: JobId, reason: Value): GivenBack {
    const state = this.#applyToOwn(id, { kind: "fail", reason });
    return state === null ? "NOT_FOUND" : givenBack(state);
  }

  bury(id: JobId, priority: number, reason?: string): boolean {
    return this.#applyToOwn(id, { kind: "bury", priority, reason }) !== null;
  }

  touch(id: JobId, progress?: Value): boolean {
    const job = this.#own(id);
    if (job === null) return false;
    this.#scheduler.touch(job);
    this.#reserved.update(job);
    if (progress !== undefined) setProgress(job, progress, this.#scheduler.space);
    return true;
  }

  // Inspecting and repairing

  kick(bound: number): number | Promise<number> {
    const state = this.#used.buried.size > 0 ? "buried" : "delayed";
    const jobs = this.#used[state];
    // Those that are buried or delayed during a long kick are not meant.
    const most = Math.min(bound, jobs.size);
    let kicked = 0;
    const rest = this.#scheduler.chores.run(() => {
      const job = jobs.first;
      if (kicked === most || !job) return false;
      this.#apply(job, { kind: "kick" });
      return ++kicked < most;
    });
    return rest === undefined ? kicked : rest.then(() => kicked);
  }

  kickJob(id: JobId): boolean {
    const job = this.#find(id);
    if (job === null || !isPossible("kick", job.state)) return false;
    this.#apply(job, { kind: "kick" });
    return true;
  }

  releaseHeld(id: JobId): boolean {
    const job = this.#find(id);
    if (job === null || !isPossible("release-held", job.state)) return false;
    this.#apply(job, { kind: "release-held" });
    return true;
  }

  peek(id: JobId): JobBody | null {
    return this.#find(id);
  }

  peekState(state: "ready" | "delayed" | "buried"): JobBody | null {
    const job = this.#used[state].first ?? null;
    return job && this.#told(job);
  }

  result(id: JobId): Outcome | null {
    return this.#answers.result(id);
  }

  wait(
    id: JobId,
    timeoutMs: number,
    options: { progress?: boolean } = {},
  ): Outcome | "TIMED_OUT" | null | Promise<Outcome | "TIMED_OUT"> {
    const progress = options.progress ? this.#answers.progress : undefined;
    const known = this.#answers.outcome(id);
    if (known === null || isOutcome(known.state) || progress?.see(id, known)) return known;
    if (timeoutMs === 0) return "TIMED_OUT";
    return this.#wait.forOutcome(this.#find(id)!, { timeoutMs, progress });
  }

  statsJob(id: JobId): JobStats | null {
    const job = this.#find(id);
    return job && this.#scheduler.statsOf(job);
  }

  listJobs(page: JobPage): ListedJob[] | null {
    const tube = this.#scheduler.tubes.get(page.tube);
    if (tube === undefined) return null;
    return jobsOnPage(tube, page).map((job) => listed(this.#told(job), this.#scheduler));
  }

  statsTube(name: string): TubeStats | null {
    const tube = this.#scheduler.tubes.get(name);
    return tube === undefined ? null : tube.stats(this.#scheduler.now());
  }

  listTubes(): string[] {
    return this.#scheduler.tubes.names();
  }

  stats(): QueueStats {
    return this.#scheduler.stats();
  }

  settled(): Promise<void> | undefined {
    return this.#answers.settled();
  }

  cancel(): void {
    this.#wait.cancel();
  }

  close(): void {
    this.cancel();
    this.#leave();
    this.#scheduler.chores.run(() => {
      const job = this.#reserved.first;
      if (job === undefined) return false;
      const kind = this.#scheduler.draining ? "worker-dismissed" : "worker-lost";
      this.#scheduler.take(job);
      this.#scheduler.apply(job, { kind });
      return this.#reserved.size > 0;
    });
    this.#subscriptions.close();
  }

  // Called by the scheduler

  take(job: Job): void {
    this.#reserve(job);
    this.#wait.endForJob(job);
  }

  gain(job: Job): void {
    this.#reserved.add(job);
  }

  lose(job: Job): void {
    this.#reserved.remove(job);
  }

  // Shared by the above

  #becomeWorker(join: JoinWorkers): void {
    this.#join = undefined;
    this.#leave = join(
      new MemoryWorker({
        subscriptions: this.#subscriptions,
        reserved: this.#reserved,
        wait: this.#wait,
        now: () => this.#scheduler.now(),
      }),
    );
  }

  #applyToOwn(id: JobId, event: JobEvent): JobState | "dead" | null {
    const job = this.#own(id);
    return job === null ? null : this.#apply(job, event);
  }

  #apply(job: Job, event: JobEvent): JobState | "dead" {
    this.#scheduler.take(job);
    const state = this.#scheduler.apply(job, event);
    this.#told(job);
    return state;
  }

  #told(job: Job): Job {
    return this.#answers.told(job);
  }

  #find(id: JobId): Job | null {
    return this.#answers.find(id);
  }

  #own(id: JobId): Job | null {
    const job = this.#find(id);
    return job !== null && job.holder === this ? job : null;
  }

  get #used(): JobTube {
    return this.#subscriptions.used;
  }

  #next(): Job | null {
    if (!this.#scheduler.handsOut || this.#wait.quiet) return null;
    return this.#subscriptions.next();
  }

  #reserve(job: Job): Job {
    this.#scheduler.take(job);
    this.#scheduler.reserveFor(this, job);
    return this.#told(job);
  }

  /** Reserves more jobs, and copies their bodies: those of a long batch may be gone at its end. */
  #fillBatch(first: Job | NoJob, max: number): MaybePromise<JobBody[] | NoJob> {
    if (typeof first === "string") return first;
    const jobs = [copyOf(first)];
    const rest = this.#scheduler.chores.run(() => {
      const next = jobs.length < max ? this.#next() : null;
      if (next === null) return false;
      jobs.push(copyOf(this.#reserve(next)));
      return true;
    });
    return rest === undefined ? jobs : rest.then(() => jobs);
  }
}

function copyOf({ id, body }: Job): JobBody {
  return { id, body };
}
