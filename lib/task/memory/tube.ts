import {
  type JobsByState,
  type JobState,
  type TubeRules,
  type TubeStats,
  URGENT_PRIORITY,
} from "../queue.ts";
import { Heap } from "./heap.ts";
import type { Rate } from "../../token_bucket.ts";
import { type Linked, List } from "./list.ts";
import type { Timed, Timers } from "./timers.ts";
import { TubeRate } from "./tube_rate.ts";

/** What a tube needs of a job to keep it in order. */
export interface QueuedJob<J> extends Linked<J> {
  readonly id: number;
  readonly state: JobState;
  readonly priority: number;
  readonly dueAt: number;
  readonly createdAt: number;
  /** Its index among the ready or the delayed jobs, or among those that its client has reserved. */
  place: number;
}

/** A client of the queue, which jobs are reserved for. */
export interface Worker<J> {
  /** Hands over a job that the client is waiting for. */
  take(job: J): void;
  /** Tells the client that a job is now reserved for it. */
  gain(job: J): void;
  /** Tells the client that a job is no longer reserved for it. */
  lose(job: J): void;
}

/** Acts when the time of a job or of a tube has come. */
export interface TubeScheduler<J extends QueuedJob<J>> {
  /** The delay or the time to run of a job is over. */
  jobDue(job: J, now: number): void;
  /** Hands ready jobs of a tube to its waiting clients. */
  serve(tube: Tube<J>): void;
  /** A token of a tube has come that a client waited for, or its bucket is full. */
  tokenCame(tube: Tube<J>): void;
  readonly clientTimers: Timers;
  now(): number;
}

/** A worker's subscription to a tube. It is in the tube's waiting list while the worker waits. */
export class Watch<J extends QueuedJob<J>> implements Linked<Watch<J>> {
  readonly worker: Worker<J>;
  readonly tube: Tube<J>;
  previous: Watch<J> | null = null;
  next: Watch<J> | null = null;

  constructor(worker: Worker<J>, tube: Tube<J>) {
    this.worker = worker;
    this.tube = tube;
  }
}

/** Ready jobs: smallest priority first, then oldest. */
const READY_ORDER = {
  before: (a: QueuedJob<unknown>, b: QueuedJob<unknown>) =>
    a.priority < b.priority || (a.priority === b.priority && a.id < b.id),
  place: (job: QueuedJob<unknown>) => job.place,
  setPlace: (job: QueuedJob<unknown>, place: number) => job.place = place,
};

/** Delayed jobs: the one that becomes ready first comes first. */
const DELAYED_ORDER = {
  before: (a: QueuedJob<unknown>, b: QueuedJob<unknown>) =>
    a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.id < b.id),
  place: READY_ORDER.place,
  setPlace: READY_ORDER.setPlace,
};

/**
 * A tube in memory: its jobs by state, and the clients that wait for them. It knows its jobs only
 * as `J`, so that `job.ts` can import this file and not the reverse.
 */
export class Tube<J extends QueuedJob<J>> implements Timed {
  readonly scheduler: TubeScheduler<J>;
  readonly name: string;
  rules: TubeRules;
  /** Its limit on how often jobs are reserved; `null` if it has none. */
  rate: TubeRate | null;

  readonly ready = new Heap<J>(READY_ORDER);
  readonly delayed = new Heap<J>(DELAYED_ORDER);
  readonly buried = new List<J>();
  /** Jobs that wait for others to be done. */
  readonly held = new List<J>();
  /** The reserved jobs. */
  readonly running = new List<J>();
  readonly waiting = new List<Watch<J>>();
  urgent = 0;
  /** Whether its jobs are being handed to waiting clients. */
  serving = false;

  using = 0;
  watching = 0;
  totalJobs = 0;
  deletes = 0;
  pauses = 0;
  /** The full length of the current pause; 0 if the tube is not paused. */
  pauseMs = 0;
  /** When the pause ends. */
  dueAt = 0;
  timerPlace = -1;

  constructor(scheduler: TubeScheduler<J>, name: string, rules: TubeRules) {
    this.scheduler = scheduler;
    this.name = name;
    this.rules = rules;
    this.rate = rules.rate === null ? null : this.#newRate(rules.rate);
  }

  /** Changes its rules. Jobs that are reserved stay so. Serve it afterwards. */
  setRules(rules: TubeRules): void {
    this.rules = rules;
    if (rules.rate !== null && this.rate !== null) return this.rate.setRate(rules.rate);
    this.rate?.stop();
    this.rate = rules.rate === null ? null : this.#newRate(rules.rate);
  }

  #newRate(rate: Rate): TubeRate {
    return new TubeRate(rate, {
      timers: this.scheduler.clientTimers,
      now: () => this.scheduler.now(),
      came: () => this.scheduler.tokenCame(this),
    });
  }

  /** How many jobs it has, in any state. */
  get jobs(): number {
    return this.ready.size + this.delayed.size + this.buried.size + this.held.size +
      this.running.size;
  }

  /** Whether one of its jobs can be reserved now. */
  get open(): boolean {
    return this.ready.size > 0 && this.pauseMs === 0 && this.hasRoom;
  }

  /** Whether its limits allow another job to run now. */
  get hasRoom(): boolean {
    return this.hasPlace && (this.rate === null || this.rate.hasToken);
  }

  /** Whether `max_reserved` allows another job to run. */
  get hasPlace(): boolean {
    return this.rules.maxReserved === 0 || this.running.size < this.rules.maxReserved;
  }

  /** Whether a client waits only for the rate to allow another job. */
  get awaitsToken(): boolean {
    return this.rate !== null && this.waiting.size > 0 && this.ready.size > 0 &&
      this.pauseMs === 0 && this.hasPlace && !this.rate.hasToken;
  }

  /** Adds a job that is not reserved to the others in its state. */
  add(job: J): void {
    switch (job.state) {
      case "ready":
        this.ready.push(job);
        if (job.priority < URGENT_PRIORITY) this.urgent++;
        return;
      case "delayed":
        return this.delayed.push(job);
      case "buried":
        return this.buried.push(job);
      case "held":
        return this.held.push(job);
    }
  }

  /** Removes a job that is not reserved from the others in its state. */
  remove(job: J): void {
    switch (job.state) {
      case "ready":
        this.ready.remove(job);
        if (job.priority < URGENT_PRIORITY) this.urgent--;
        return;
      case "delayed":
        return this.delayed.remove(job);
      case "buried":
        return this.buried.remove(job);
      case "held":
        return this.held.remove(job);
    }
  }

  /** A put that it counted has failed. It may be a new tube that did not count it. */
  takeBackPut(): void {
    if (this.totalJobs > 0) this.totalJobs--;
  }

  /** Pauses it; 0 ends the pause. */
  pause(pauseMs: number): void {
    const { clientTimers } = this.scheduler;
    this.pauses++;
    this.pauseMs = pauseMs;
    if (pauseMs > 0) return clientTimers.set(this, this.scheduler.now() + pauseMs);
    clientTimers.clear(this);
    this.due();
  }

  /** Ends the pause. */
  due(): void {
    this.pauseMs = 0;
    this.scheduler.serve(this);
  }

  /** Its numbers for `stats-tube` and the metrics. */
  stats(now: number): TubeStats {
    const oldest = this.ready.first;
    return {
      name: this.name,
      urgent: this.urgent,
      ready: this.ready.size,
      reserved: this.running.size,
      delayed: this.delayed.size,
      buried: this.buried.size,
      held: this.held.size,
      totalJobs: this.totalJobs,
      using: this.using,
      watching: this.watching,
      waiting: this.waiting.size,
      deletes: this.deletes,
      pauses: this.pauses,
      pauseMs: this.pauseMs,
      pauseLeftMs: this.pauseMs === 0 ? 0 : Math.max(0, this.dueAt - now),
      oldestReadyMs: oldest === undefined ? 0 : now - oldest.createdAt,
    };
  }
}

/** The number of jobs of some tubes, by state. */
export function sumByState<J extends QueuedJob<J>>(tubes: Iterable<Tube<J>>): JobsByState {
  const sum: JobsByState = { urgent: 0, ready: 0, reserved: 0, delayed: 0, buried: 0, held: 0 };
  for (const { urgent, ready, running, delayed, buried, held } of tubes) {
    sum.urgent += urgent;
    sum.ready += ready.size;
    sum.reserved += running.size;
    sum.delayed += delayed.size;
    sum.buried += buried.size;
    sum.held += held.size;
  }
  return sum;
}
