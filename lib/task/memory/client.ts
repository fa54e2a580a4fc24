import type { Value } from "../../storage/value.ts";
import {
  FAILURE_BACKOFF_MS,
  type GivenBack,
  type JobBody,
  type JobId,
  type JobSpec,
  type JobStats,
  type NoJob,
  type Outcome,
  type QueueClient,
  type QueueStats,
  type Refusal,
  type TubeStats,
} from "../queue.ts";
import { backoffDelayMs, DEFAULT_TUBE } from "../queue.ts";
import type { Job, Worker } from "./job.ts";
import { MemoryWait } from "./wait.ts";
import { MemoryReservations } from "./reservations.ts";
import type { Scheduler } from "./scheduler.ts";
import { type Tube, Watch } from "./tube.ts";

/** How many jobs are kicked before others get their turn. */
const MAX_KICKED_IN_ONE_TURN = 4096;

/** A client of a queue in memory. */
export class MemoryClient implements QueueClient, Worker {
  readonly #scheduler: Scheduler;
  readonly #reserved = new MemoryReservations();
  readonly #watches: Watch[] = [];
  readonly #wait: MemoryWait;
  #used: Tube;
  /** Up to which ticket this client has been told. */
  #ticket = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
    this.#wait = new MemoryWait(scheduler, {
      watches: this.#watches,
      reserved: this.#reserved,
      told: (job) => this.#told(job),
    });
    this.#used = scheduler.openTube(DEFAULT_TUBE)!;
    this.#used.using++;
    this.watch(DEFAULT_TUBE);
  }

  // Tubes

  get used(): string {
    return this.#used.name;
  }

  get watched(): string[] {
    return this.#watches.map((watch) => watch.tube.name);
  }

  use(name: string): boolean {
    const before = this.#used;
    if (name === before.name) return true;
    before.using--;
    this.#scheduler.leaveTube(before);
    const tube = this.#scheduler.openTube(name);
    this.#used = tube ?? this.#scheduler.openTube(before.name, { anyway: true })!;
    this.#used.using++;
    return tube !== undefined;
  }

  watch(name: string): boolean {
    const tube = this.#scheduler.openTube(name);
    if (tube === undefined) return false;
    if (this.#watches.some((watch) => watch.tube === tube)) return true;
    tube.watching++;
    this.#watches.push(new Watch(this, tube));
    return true;
  }

  ignore(name: string): boolean {
    const place = this.#watches.findIndex((watch) => watch.tube.name === name);
    if (place === -1) return true;
    if (this.#watches.length === 1) return false;
    const [watch] = this.#watches.splice(place, 1);
    watch!.tube.watching--;
    this.#scheduler.leaveTube(watch!.tube);
    return true;
  }

  pauseTube(name: string, pauseMs: number): boolean {
    const tube = this.#scheduler.tubes.get(name);
    if (tube === undefined) return false;
    this.#scheduler.pause(tube, pauseMs);
    return true;
  }

  // Producing

  put(spec: JobSpec): JobId | Refusal {
    const refusal = this.#scheduler.refusal([spec]);
    return refusal ?? this.#told(this.#scheduler.insert(this.#used, spec, "")).id;
  }

  putBatch(specs: readonly JobSpec[]): JobId[] | Refusal {
    const refusal = this.#scheduler.refusal(specs);
    return refusal ??
      specs.map((spec) => this.#told(this.#scheduler.insert(this.#used, spec, "")).id);
  }

  putUnique(key: string, spec: JobSpec): { id: JobId; existed: boolean } | Refusal {
    const existing = this.#used.keys.get(key);
    if (existing !== undefined) return { id: this.#told(existing).id, existed: true };
    const refusal = this.#scheduler.refusal([spec], key);
    if (refusal !== undefined) return refusal;
    return { id: this.#told(this.#scheduler.insert(this.#used, spec, key)).id, existed: false };
  }

  // Consuming

  reserve(timeoutMs: number): Job | NoJob | Promise<Job | NoJob> {
    const next = this.#next();
    if (next !== null) return this.#reserve(next);
    if (this.#reserved.marginAt <= this.#scheduler.now()) return "DEADLINE_SOON";
    return timeoutMs === 0 ? "TIMED_OUT" : this.#wait.forJob(timeoutMs);
  }

  reserveBatch(
    max: number,
    timeoutMs: number,
  ): JobBody[] | NoJob | Promise<JobBody[] | NoJob> {
    const first = this.reserve(timeoutMs);
    if (first instanceof Promise) return first.then((job) => this.#fillBatch(job, max));
    return this.#fillBatch(first, max);
  }

  reserveJob(id: JobId): JobBody | null {
    const job = this.#find(id);
    if (job === null || job.state === "reserved") return null;
    if (this.#scheduler.draining || !job.tube.hasRoom) return null;
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

  done(id: JobId, result: Value): boolean | "OUT_OF_MEMORY" {
    const job = this.#own(id);
    if (job === null) return false;
    if (!this.#scheduler.hasRoomForResult(job, result.length)) return "OUT_OF_MEMORY";
    this.#scheduler.take(job);
    this.#scheduler.complete(job, result);
    this.#told(job);
    return true;
  }

  release(id: JobId, priority: number, delayMs: number): GivenBack {
    const job = this.#own(id);
    if (job === null) return "NOT_FOUND";
    this.#scheduler.take(job);
    job.priority = priority;
    job.delayMs = delayMs;
    job.releases++;
    const became = this.#scheduler.giveBack(job, "released", delayMs);
    this.#told(job);
    return became;
  }

  fail(id: JobId, reason: Value): GivenBack {
    const job = this.#own(id);
    if (job === null) return "NOT_FOUND";
    const { backoffMs, maxBackoffMs } = job.tube.rules;
    this.#scheduler.take(job);
    job.releases++;
    const became = this.#scheduler.giveBack(
      job,
      reason,
      backoffDelayMs(backoffMs || FAILURE_BACKOFF_MS, maxBackoffMs, job.attempts + 1),
    );
    this.#told(job);
    return became;
  }

  bury(id: JobId, priority: number, reason = "buried by its worker"): boolean {
    const job = this.#own(id);
    if (job === null) return false;
    this.#scheduler.take(job);
    job.priority = priority;
    this.#scheduler.buryJob(job, reason);
    this.#told(job);
    return true;
  }

  touch(id: JobId): boolean {
    const job = this.#own(id);
    if (job === null) return false;
    this.#scheduler.timers.set(job, this.#scheduler.now() + job.ttrMs);
    this.#reserved.putOff(job);
    return true;
  }

  // Looking after

  kick(bound: number): number | Promise<number> {
    const state = this.#used.buried.size > 0 ? "buried" : "delayed";
    const kicked = this.#kickSome(state, Math.min(bound, MAX_KICKED_IN_ONE_TURN));
    return kicked < MAX_KICKED_IN_ONE_TURN ? kicked : this.#kickOn(state, bound, kicked);
  }

  kickJob(id: JobId): boolean {
    const job = this.#find(id);
    if (job === null || (job.state !== "buried" && job.state !== "delayed")) return false;
    this.#scheduler.take(job);
    this.#scheduler.kickJob(job);
    this.#told(job);
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
    const result = this.#scheduler.results.get(id);
    if (result !== undefined) {
      this.#ticket = Math.max(this.#ticket, result.ticket);
      return { state: "done", body: result.body };
    }
    const job = this.#find(id);
    if (job === null) return null;
    const { state } = job;
    return { state, body: state === "buried" ? job.reason : "" };
  }

  wait(
    id: JobId,
    timeoutMs: number,
  ): Outcome | "TIMED_OUT" | null | Promise<Outcome | "TIMED_OUT"> {
    const known = this.result(id);
    if (known === null || known.state === "done" || known.state === "buried") return known;
    return timeoutMs === 0 ? "TIMED_OUT" : this.#wait.forOutcome(this.#find(id)!, timeoutMs);
  }

  statsJob(id: JobId): JobStats | null {
    const job = this.#find(id);
    return job && job.stats(this.#scheduler.now());
  }

  statsTube(name: string): TubeStats | null {
    const tube = this.#scheduler.tubes.get(name);
    return tube === undefined ? null : tube.stats(this.#scheduler.now());
  }

  listTubes(): string[] {
    return [...this.#scheduler.tubes.keys()];
  }

  stats(): QueueStats {
    return this.#scheduler.stats();
  }

  settled(): Promise<void> | undefined {
    return this.#scheduler.journal.settled(this.#ticket);
  }

  cancel(): void {
    this.#wait.cancel();
  }

  close(): void {
    this.cancel();
    for (let job; (job = this.#reserved.first) !== null;) {
      this.#scheduler.take(job);
      // A daemon that stops sends its workers away: that is no fault of theirs.
      if (this.#scheduler.draining) this.#scheduler.enqueue(job, 0);
      else this.#scheduler.giveBack(job, "the worker was lost", 0);
    }
    this.#used.using--;
    this.#scheduler.leaveTube(this.#used);
    for (const { tube } of this.#watches.splice(0)) {
      tube.watching--;
      this.#scheduler.leaveTube(tube);
    }
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

  // What several of the above need

  /** Goes on kicking, and lets others have their turns. */
  async #kickOn(state: "buried" | "delayed", bound: number, kicked: number): Promise<number> {
    for (let count = kicked; count > 0 && kicked < bound; kicked += count) {
      await new Promise((resolve) => setTimeout(resolve));
      count = this.#kickSome(state, Math.min(bound - kicked, MAX_KICKED_IN_ONE_TURN));
    }
    return kicked;
  }

  #kickSome(state: "buried" | "delayed", bound: number): number {
    const jobs = this.#used[state];
    let kicked = 0;
    for (let job; kicked < bound && (job = jobs.first); kicked++) {
      this.#scheduler.take(job);
      this.#scheduler.kickJob(job);
      this.#told(job);
    }
    return kicked;
  }

  /** Notes that this client learns of the present state of a job. */
  #told(job: Job): Job {
    if (job.ticket > this.#ticket) this.#ticket = job.ticket;
    return job;
  }

  /** A job by its id. That there is none must be as durable as what took it away. */
  #find(id: JobId): Job | null {
    const job = this.#scheduler.jobs.get(id);
    if (job !== undefined) return this.#told(job);
    this.#ticket = this.#scheduler.journal.last;
    return null;
  }

  #own(id: JobId): Job | null {
    const job = this.#find(id);
    return job !== null && job.holder === this ? job : null;
  }

  /** The job that comes first in all watched tubes that may give one out. */
  #next(): Job | null {
    if (this.#scheduler.draining) return null;
    let next: Job | null = null;
    for (const { tube } of this.#watches) {
      if (!tube.open) continue;
      const job = tube.ready.first!;
      if (
        next === null || job.priority < next.priority ||
        (job.priority === next.priority && job.id < next.id)
      ) next = job;
    }
    return next;
  }

  #reserve(job: Job): Job {
    this.#scheduler.take(job);
    this.#scheduler.reserveFor(this, job);
    return this.#told(job);
  }

  #fillBatch(first: Job | NoJob, max: number): JobBody[] | NoJob {
    if (typeof first === "string") return first;
    const jobs = [first];
    for (let next; jobs.length < max && (next = this.#next()) !== null;) {
      jobs.push(this.#reserve(next));
    }
    return jobs;
  }
}
