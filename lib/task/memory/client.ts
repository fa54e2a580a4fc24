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
  SAFETY_MARGIN_MS,
  type TubeStats,
} from "../queue.ts";
import { backoffDelayMs, DEFAULT_TUBE } from "../queue.ts";
import type { Job, Watcher } from "./job.ts";
import { List } from "./list.ts";
import type { MemoryQueue } from "./queue.ts";
import type { Timed } from "./timers.ts";
import { type Tube, Watch } from "./tube.ts";

/** How many jobs are kicked before others get their turn. */
const MAX_KICKED_IN_ONE_TURN = 4096;

/** A client of a {@linkcode MemoryQueue}. */
export class MemoryClient implements QueueClient, Timed, Watcher {
  readonly #queue: MemoryQueue;
  readonly #reserved = new List<Job>();
  readonly #watches: Watch[] = [];
  #used: Tube;
  /** Up to which ticket this client has been told. */
  #ticket = 0;

  /** Of the reserved jobs the one that is due first; `undefined` if that is to be found out. */
  #soonest: Job | null | undefined = null;

  // Of the wait that is pending
  #gotJob: ((outcome: Job | NoJob) => void) | null = null;
  #gotOutcome: ((outcome: Outcome | "TIMED_OUT") => void) | null = null;
  #watchedJob: Job | null = null;
  #timeoutAt = Infinity;
  dueAt = 0;
  timerPlace = -1;

  constructor(queue: MemoryQueue) {
    this.#queue = queue;
    this.#used = queue.openTube(DEFAULT_TUBE)!;
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
    this.#queue.leaveTube(before);
    const tube = this.#queue.openTube(name);
    this.#used = tube ?? this.#queue.openTube(before.name, { anyway: true })!;
    this.#used.using++;
    return tube !== undefined;
  }

  watch(name: string): boolean {
    const tube = this.#queue.openTube(name);
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
    this.#queue.leaveTube(watch!.tube);
    return true;
  }

  pauseTube(name: string, pauseMs: number): boolean {
    const tube = this.#queue.tubes.get(name);
    if (tube === undefined) return false;
    this.#queue.pause(tube, pauseMs);
    return true;
  }

  // Producing

  put(spec: JobSpec): JobId | Refusal {
    const refusal = this.#queue.refusal([spec]);
    return refusal ?? this.#told(this.#queue.insert(this.#used, spec, "")).id;
  }

  putBatch(specs: readonly JobSpec[]): JobId[] | Refusal {
    const refusal = this.#queue.refusal(specs);
    return refusal ?? specs.map((spec) => this.#told(this.#queue.insert(this.#used, spec, "")).id);
  }

  putUnique(key: string, spec: JobSpec): { id: JobId; existed: boolean } | Refusal {
    const existing = this.#used.keys.get(key);
    if (existing !== undefined) return { id: this.#told(existing).id, existed: true };
    const refusal = this.#queue.refusal([spec], key);
    if (refusal !== undefined) return refusal;
    return { id: this.#told(this.#queue.insert(this.#used, spec, key)).id, existed: false };
  }

  // Consuming

  reserve(timeoutMs: number): Job | NoJob | Promise<Job | NoJob> {
    const next = this.#next();
    if (next !== null) return this.#reserve(next);
    if (this.#deadlineAt() - SAFETY_MARGIN_MS <= this.#queue.now()) return "DEADLINE_SOON";
    if (timeoutMs === 0) return "TIMED_OUT";
    return new Promise((resolve) => {
      this.#gotJob = resolve;
      for (const watch of this.#watches) watch.tube.waiting.push(watch);
      this.#queue.waiting++;
      this.#setTimer(timeoutMs);
    });
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
    if (this.#queue.draining || !job.tube.hasRoom) return null;
    return this.#reserve(job);
  }

  delete(id: JobId): boolean {
    const job = this.#find(id);
    if (job === null || (job.state === "reserved" && job.holder !== this)) return false;
    this.#queue.take(job);
    this.#queue.drop(job);
    this.#told(job);
    return true;
  }

  done(id: JobId, result: Value): boolean | "OUT_OF_MEMORY" {
    const job = this.#own(id);
    if (job === null) return false;
    if (!this.#queue.hasRoomForResult(job, result.length)) return "OUT_OF_MEMORY";
    this.#queue.take(job);
    this.#queue.complete(job, result);
    this.#told(job);
    return true;
  }

  release(id: JobId, priority: number, delayMs: number): GivenBack {
    const job = this.#own(id);
    if (job === null) return "NOT_FOUND";
    this.#queue.take(job);
    job.priority = priority;
    job.delayMs = delayMs;
    job.releases++;
    const became = this.#queue.giveBack(job, "released", delayMs);
    this.#told(job);
    return became;
  }

  fail(id: JobId, reason: Value): GivenBack {
    const job = this.#own(id);
    if (job === null) return "NOT_FOUND";
    const { backoffMs, maxBackoffMs } = job.tube.rules;
    this.#queue.take(job);
    job.releases++;
    const became = this.#queue.giveBack(
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
    this.#queue.take(job);
    job.priority = priority;
    this.#queue.buryJob(job, reason);
    this.#told(job);
    return true;
  }

  touch(id: JobId): boolean {
    const job = this.#own(id);
    if (job === null) return false;
    this.#queue.timers.set(job, this.#queue.now() + job.ttrMs);
    if (job === this.#soonest) this.#soonest = undefined;
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
    this.#queue.take(job);
    this.#queue.kickJob(job);
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
    const result = this.#queue.results.get(id);
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
    if (timeoutMs === 0) return "TIMED_OUT";
    const job = this.#find(id)!;
    return new Promise((resolve) => {
      this.#gotOutcome = resolve;
      this.#watchedJob = job;
      job.watchers ??= new Set();
      job.watchers.add(this);
      this.#setTimer(timeoutMs);
    });
  }

  statsJob(id: JobId): JobStats | null {
    const job = this.#find(id);
    return job && job.stats(this.#queue.now());
  }

  statsTube(name: string): TubeStats | null {
    const tube = this.#queue.tubes.get(name);
    return tube === undefined ? null : tube.stats(this.#queue.now());
  }

  listTubes(): string[] {
    return [...this.#queue.tubes.keys()];
  }

  stats(): QueueStats {
    return this.#queue.stats();
  }

  settled(): Promise<void> | undefined {
    return this.#queue.journal.settled(this.#ticket);
  }

  cancel(): void {
    if (this.#gotJob !== null) this.#endReserve("TIMED_OUT");
    if (this.#gotOutcome !== null) this.#endWait("TIMED_OUT");
  }

  close(): void {
    this.cancel();
    for (let job; (job = this.#reserved.first) !== null;) {
      this.#queue.take(job);
      // A daemon that stops sends its workers away: that is no fault of theirs.
      if (this.#queue.draining) this.#queue.enqueue(job, 0);
      else this.#queue.giveBack(job, "the worker was lost", 0);
    }
    this.#used.using--;
    this.#queue.leaveTube(this.#used);
    for (const { tube } of this.#watches.splice(0)) {
      tube.watching--;
      this.#queue.leaveTube(tube);
    }
  }

  // Called by the queue

  /** Ends the pending reserve with this job. */
  take(job: Job): void {
    this.#reserve(job);
    this.#endReserve(job);
  }

  /** A job is reserved for this client from now on. */
  gain(job: Job): void {
    this.#reserved.push(job);
    if (this.#soonest === null || (this.#soonest && job.dueAt < this.#soonest.dueAt)) {
      this.#soonest = job;
    }
  }

  /** A job is reserved for this client no longer. */
  lose(job: Job): void {
    this.#reserved.remove(job);
    if (job === this.#soonest) this.#soonest = this.#reserved.size === 0 ? null : undefined;
  }

  finished(job: Job, state: "done" | "deleted" | "buried", body: Value): void {
    this.#told(job);
    this.#endWait({ state, body });
  }

  /** The pending wait has come to its end, or a reserved job is due soon. */
  due(now: number): void {
    if (this.#gotOutcome !== null) this.#endWait("TIMED_OUT");
    else if (this.#deadlineAt() - SAFETY_MARGIN_MS <= now) this.#endReserve("DEADLINE_SOON");
    else if (this.#timeoutAt <= now) this.#endReserve("TIMED_OUT");
    else this.#setTimer(this.#timeoutAt - now);
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
      this.#queue.take(job);
      this.#queue.kickJob(job);
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
    const job = this.#queue.jobs.get(id);
    if (job !== undefined) return this.#told(job);
    this.#ticket = this.#queue.journal.last;
    return null;
  }

  #own(id: JobId): Job | null {
    const job = this.#find(id);
    return job !== null && job.holder === this ? job : null;
  }

  /** The job that comes first in all watched tubes that may give one out. */
  #next(): Job | null {
    if (this.#queue.draining) return null;
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
    this.#queue.take(job);
    this.#queue.reserveFor(this, job);
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

  /** When the first of the reserved jobs is due. */
  #deadlineAt(): number {
    if (this.#soonest === undefined) {
      this.#soonest = null;
      for (let job = this.#reserved.first; job !== null; job = job.next) {
        if (this.#soonest === null || job.dueAt < this.#soonest.dueAt) this.#soonest = job;
      }
    }
    return this.#soonest === null ? Infinity : this.#soonest.dueAt;
  }

  #setTimer(timeoutMs: number): void {
    this.#timeoutAt = this.#queue.now() + timeoutMs;
    const soonAt = this.#gotJob === null ? Infinity : this.#deadlineAt() - SAFETY_MARGIN_MS;
    const dueAt = Math.min(this.#timeoutAt, soonAt);
    if (dueAt < Infinity) this.#queue.timers.set(this, dueAt);
  }

  #endReserve(outcome: Job | NoJob): void {
    this.#queue.timers.clear(this);
    for (const watch of this.#watches) watch.tube.waiting.remove(watch);
    this.#queue.waiting--;
    const resolve = this.#gotJob!;
    this.#gotJob = null;
    resolve(outcome);
  }

  #endWait(outcome: Outcome | "TIMED_OUT"): void {
    this.#queue.timers.clear(this);
    this.#watchedJob!.watchers?.delete(this);
    this.#watchedJob = null;
    const resolve = this.#gotOutcome!;
    this.#gotOutcome = null;
    resolve(outcome);
  }
}
