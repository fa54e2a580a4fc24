import type { TubeRules, TubeStats } from "../queue.ts";
import { Heap } from "./heap.ts";
import type { Job, Worker } from "./job.ts";
import { type Linked, List } from "./list.ts";
import type { Timed } from "./timers.ts";

/** Who is told when the time of a job or a tube has come. */
export interface TubeScheduler {
  /** The delay or the time to run of a job is over. */
  jobDue(job: Job, now: number): void;
  /** Gives out jobs of a tube again. */
  endPause(tube: Tube): void;
}

/** That a worker watches a tube; a member of the tube's waiting list while the worker waits. */
export class Watch implements Linked<Watch> {
  readonly worker: Worker;
  readonly tube: Tube;
  previous: Watch | null = null;
  next: Watch | null = null;

  constructor(worker: Worker, tube: Tube) {
    this.worker = worker;
    this.tube = tube;
  }
}

/** Ready jobs: the smallest priority first, and of those the oldest. */
const READY_ORDER = {
  before: (a: Job, b: Job) => a.priority < b.priority || (a.priority === b.priority && a.id < b.id),
  place: (job: Job) => job.place,
  setPlace: (job: Job, place: number) => job.place = place,
};

/** Delayed jobs: the one with the shortest delay left first. */
const DELAYED_ORDER = {
  before: (a: Job, b: Job) => a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.id < b.id),
  place: (job: Job) => job.place,
  setPlace: (job: Job, place: number) => job.place = place,
};

/** A tube in memory: its jobs by state, and the clients that wait for them. */
export class Tube implements Timed {
  readonly scheduler: TubeScheduler;
  readonly name: string;
  rules: TubeRules;

  readonly ready = new Heap<Job>(READY_ORDER);
  readonly delayed = new Heap<Job>(DELAYED_ORDER);
  readonly buried = new List<Job>();
  readonly waiting = new List<Watch>();
  /** Unfinished jobs by the key that they were put with. */
  readonly keys = new Map<string, Job>();
  reserved = 0;
  urgent = 0;

  using = 0;
  watching = 0;
  totalJobs = 0;
  deletes = 0;
  pauses = 0;
  /** How long the pause that is on was to take; 0 for none. */
  pauseMs = 0;
  /** When the pause is over. */
  dueAt = 0;
  timerPlace = -1;

  constructor(scheduler: TubeScheduler, name: string, rules: TubeRules) {
    this.scheduler = scheduler;
    this.name = name;
    this.rules = rules;
  }

  /** How many jobs it has, in whatever state. */
  get jobs(): number {
    return this.ready.size + this.delayed.size + this.buried.size + this.reserved;
  }

  /** Whether one of its jobs could be given out now. */
  get open(): boolean {
    return this.ready.size > 0 && this.pauseMs === 0 && this.hasRoom;
  }

  /** Whether the limit on how many of its jobs run at once allows another. */
  get hasRoom(): boolean {
    return this.rules.maxReserved === 0 || this.reserved < this.rules.maxReserved;
  }

  /** The pause is over. */
  due(): void {
    this.scheduler.endPause(this);
  }

  /** Its figures. */
  stats(now: number): TubeStats {
    const oldest = this.ready.first;
    return {
      name: this.name,
      urgent: this.urgent,
      ready: this.ready.size,
      reserved: this.reserved,
      delayed: this.delayed.size,
      buried: this.buried.size,
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
