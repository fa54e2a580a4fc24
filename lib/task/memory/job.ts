import type { Value } from "../../storage/value.ts";
import type { JobFacts } from "../life_cycle.ts";
import type { JobId, JobState, JobStats } from "../queue.ts";
import type { Timed } from "./timers.ts";
import type { QueuedJob, Tube, Watch, Worker } from "./tube.ts";

/** The memory that a job needs besides its strings, in bytes; measured with a million jobs. */
export const JOB_OVERHEAD_BYTES = 512;

/** A tube of these jobs. */
export type JobTube = Tube<Job>;

/** A client that these jobs are reserved for. */
export type JobWorker = Worker<Job>;

/** A client's subscription to a tube of these jobs. */
export type TubeWatch = Watch<Job>;

/** A client that waits for the outcome of a job. */
export interface Watcher {
  /** The job is done, deleted or buried. */
  finished(job: Job, state: "done" | "deleted" | "buried", body: Value): void;
}

/** A job in memory. It only holds the facts; its scheduler moves it from state to state. */
export class Job implements JobFacts, QueuedJob<Job>, Timed {
  readonly id: JobId;
  tube: JobTube;
  readonly body: Value;
  readonly ttrMs: number;
  /** By the queue's clock. */
  readonly createdAt: number;
  /** The key of `put-unique`; empty for none. */
  readonly key: string;
  priority: number;
  delayMs: number;
  state: JobState = "ready";
  /** The client that has it reserved. */
  holder: JobWorker | null = null;

  reserves = 0;
  timeouts = 0;
  releases = 0;
  buries = 0;
  kicks = 0;
  attempts = 0;
  reason = "";
  watchers: Set<Watcher> | null = null;

  /** The ticket of the journal's write of its present state. */
  ticket = 0;
  /** Whether the journal holds a later state than the one it was put in. */
  moved = false;

  dueAt = 0;
  timerPlace = -1;
  place = -1;
  previous: Job | null = null;
  next: Job | null = null;

  constructor(
    id: JobId,
    tube: JobTube,
    fields: {
      priority: number;
      delayMs: number;
      ttrMs: number;
      body: Value;
      createdAt: number;
      key: string;
    },
  ) {
    this.id = id;
    this.tube = tube;
    this.priority = fields.priority;
    this.delayMs = fields.delayMs;
    this.ttrMs = fields.ttrMs;
    this.body = fields.body;
    this.createdAt = fields.createdAt;
    this.key = fields.key;
  }

  /** About how many bytes of memory it takes. */
  get bytes(): number {
    return this.body.length + this.key.length + this.reason.length + JOB_OVERHEAD_BYTES;
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
}
