import type { Value } from "../../storage/value.ts";
import type { JobId, JobState, JobStats } from "../queue.ts";
import type { Linked } from "./list.ts";
import type { Timed } from "./timers.ts";
import type { Tube } from "./tube.ts";

/** What the queue needs for a job besides its texts, in bytes; measured with a million of them. */
export const JOB_OVERHEAD_BYTES = 512;

/** Who wants to know what becomes of a job. */
export interface Watcher {
  /** The job is done, deleted or buried. */
  finished(job: Job, state: "done" | "deleted" | "buried", body: Value): void;
}

/** Whom jobs are reserved for: a client of the queue. */
export interface Worker {
  /** Here is a job that it waits for. */
  take(job: Job): void;
  /** A job is reserved for it from now on. */
  gain(job: Job): void;
  /** A job is reserved for it no longer. */
  lose(job: Job): void;
}

/** A job in memory. Its scheduler moves it from state to state; it only holds the facts. */
export class Job implements Timed, Linked<Job> {
  readonly id: JobId;
  tube: Tube;
  readonly body: Value;
  readonly ttrMs: number;
  /** Milliseconds of the queue's clock. */
  readonly createdAt: number;
  /** The key of `put-unique`; empty for none. */
  readonly key: string;
  priority: number;
  delayMs: number;
  state: JobState = "ready";
  /** Who has it reserved. */
  holder: Worker | null = null;

  reserves = 0;
  timeouts = 0;
  releases = 0;
  buries = 0;
  kicks = 0;
  attempts = 0;
  reason = "";
  watchers: Set<Watcher> | null = null;

  /** The commit that makes its present state durable. */
  ticket = 0;
  /** Whether the journal has a state of it besides the one that it was put with. */
  moved = false;

  /** As {@linkcode Timed.dueAt}; for a buried job, when it was buried. */
  dueAt = 0;
  timerPlace = -1;
  /** Its place among the ready or the delayed jobs of its tube. */
  place = -1;
  previous: Job | null = null;
  next: Job | null = null;

  constructor(
    id: JobId,
    tube: Tube,
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

  /** How many bytes of memory it takes, about. */
  get bytes(): number {
    return this.body.length + this.key.length + this.reason.length + JOB_OVERHEAD_BYTES;
  }

  /** Its figures. */
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
