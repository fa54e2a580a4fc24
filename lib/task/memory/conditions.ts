import type { JobId } from "../queue.ts";
import { Dependencies } from "./dependencies.ts";
import { Expiries } from "./expiries.ts";
import type { Job } from "./job.ts";
import type { Journal } from "./journal.ts";
import type { Timers } from "./timers.ts";
import { type TimedKey, UniqueKeys } from "./unique_keys.ts";

/** What the conditions need of the scheduler. */
export interface ConditionOptions {
  timers: Timers;
  journal: Journal;
  now(): number;
  /** A job by its id. */
  jobOf(id: JobId): Job | undefined;
  /** Takes space for what outlives a job; a negative number gives it back. */
  takeSpace(bytes: number): void;
  /** Buries a job that was not started in time. */
  expire(job: Job): void;
  /** Releases a held job. */
  release(job: Job): void;
  /** As `Chores.run`. */
  runInTurns(step: () => boolean): void;
}

/**
 * What the options of jobs ask for: keys that only one job may hold, other jobs to wait for, and a
 * time to start. A job enters with each state and leaves before the next. Jobs without options have no
 * part in this.
 */
export class Conditions {
  readonly keys: UniqueKeys;
  readonly dependencies: Dependencies;
  readonly #expiries: Expiries;
  readonly #journal: Journal;
  readonly #takeSpace: (bytes: number) => void;

  constructor(options: ConditionOptions) {
    const { timers, journal } = options;
    this.#journal = journal;
    this.#takeSpace = (bytes) => options.takeSpace(bytes);
    this.keys = new UniqueKeys(timers, {
      now: () => options.now(),
      dropped: (key) => {
        this.#takeSpace(-key.bytes);
        journal.forgetKey(key);
      },
    });
    this.dependencies = new Dependencies({
      jobOf: (id) => options.jobOf(id),
      keepLost: (id) => journal.keepLost(id),
      forgetLost: (id) => journal.forgetLost(id),
      settled: (job) => journal.settled(job.ticket),
      release: (job) => options.release(job),
      runInTurns: (step) => options.runInTurns(step),
    });
    this.#expiries = new Expiries(timers, (job) => options.expire(job));
  }

  /** A new job brings its key, if it is held for a fixed time. */
  put(job: Job): void {
    const key = this.keys.keyOf(job);
    if (key === undefined) return;
    this.restoreKey(key);
    this.#journal.keepKey(key);
  }

  /** Adds a key from the journal. */
  restoreKey(key: TimedKey): void {
    this.keys.add(key);
    this.#takeSpace(key.bytes);
  }

  /** A new job could not be written. */
  takeBack(job: Job): void {
    const key = this.keys.takeBack(job);
    if (key !== undefined) this.#takeSpace(-key.bytes);
    if (job.state === "held") this.dependencies.tidy(job);
    this.dependencies.lose(job);
  }

  /** A job is in its present state from now on. */
  enter(job: Job): void {
    this.keys.enter(job);
    if (job.state === "held") this.dependencies.hold(job);
    this.#expiries.set(job);
    // Reservations are not written, but that it was started in time must survive a crash.
    const { options, state, reserves } = job;
    if (state === "reserved" && reserves === 1 && options!.expiresAt < Infinity) {
      job.ticket = this.#journal.move(job);
    }
  }

  /** A job leaves its present state. */
  leave(job: Job): void {
    this.keys.leave(job);
    if (job.state === "held") this.dependencies.drop(job);
    this.#expiries.clear(job);
  }
}
