import { canExpire } from "../job_options.ts";
import type { Job } from "./job.ts";
import type { Timed, Timers } from "./timers.ts";

/** The time at which a job expires, unless it is started before. */
class Expiry implements Timed {
  dueAt = 0;
  timerPlace = -1;
  readonly #expire: () => void;

  constructor(expire: () => void) {
    this.#expire = expire;
  }

  due(): void {
    this.#expire();
  }
}

/** The deadlines of jobs that expire. A delay is a deadline of its own, so they are apart. */
export class Expiries {
  readonly #timers: Timers;
  readonly #expire: (job: Job) => void;
  readonly #expiries = new Map<Job, Expiry>();

  /** @param expire Called for each job that has expired. */
  constructor(timers: Timers, expire: (job: Job) => void) {
    this.#timers = timers;
    this.#expire = expire;
  }

  /** Sets the deadline of a job, if it can expire. */
  set(job: Job): void {
    const { expiresAt } = job.options!;
    if (expiresAt === Infinity || !canExpire(job)) return;
    const expiry = new Expiry(() => {
      this.#expiries.delete(job);
      this.#expire(job);
    });
    this.#expiries.set(job, expiry);
    this.#timers.set(expiry, expiresAt);
  }

  /** Clears the deadline of a job. */
  clear(job: Job): void {
    const expiry = this.#expiries.get(job);
    if (expiry === undefined) return;
    this.#expiries.delete(job);
    this.#timers.clear(expiry);
  }
}
