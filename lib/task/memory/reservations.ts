import { SAFETY_MARGIN_MS } from "../queue.ts";
import type { Job } from "./job.ts";
import { List } from "./list.ts";

/** The jobs that a client has reserved, and the first of their deadlines. */
export class MemoryReservations {
  readonly #jobs = new List<Job>();
  /** The job with the first deadline; `undefined` if it must be searched for. */
  #soonest: Job | null | undefined = null;
  #since = 0;

  /** Any of the jobs. */
  get first(): Job | null {
    return this.#jobs.first;
  }

  /** How many there are. */
  get size(): number {
    return this.#jobs.size;
  }

  /** Since when there have been jobs without a break, by the queue's clock. */
  get since(): number {
    return this.#since;
  }

  /** The first `max` of the jobs. */
  some(max: number): Job[] {
    return this.#jobs.slice(0, max);
  }

  /** Adds a job that was reserved just now. Its deadline must be set. */
  add(job: Job): void {
    if (this.#jobs.size === 0) this.#since = job.dueAt - job.ttrMs;
    this.#jobs.push(job);
    if (this.#soonest === null || (this.#soonest && job.dueAt < this.#soonest.dueAt)) {
      this.#soonest = job;
    }
  }

  /** Removes a job. */
  remove(job: Job): void {
    this.#jobs.remove(job);
    if (job === this.#soonest) this.#soonest = this.#jobs.size === 0 ? null : undefined;
  }

  /** Notes that the deadline of a job was moved to a later time. */
  putOff(job: Job): void {
    if (job === this.#soonest) this.#soonest = undefined;
  }

  /**
   * When the safety margin before the first deadline begins, by the queue's clock; `Infinity` if
   * there are no jobs.
   */
  get marginAt(): number {
    if (this.#soonest === undefined) {
      this.#soonest = null;
      for (let job = this.#jobs.first; job !== null; job = job.next) {
        if (this.#soonest === null || job.dueAt < this.#soonest.dueAt) this.#soonest = job;
      }
    }
    return this.#soonest === null ? Infinity : this.#soonest.dueAt - SAFETY_MARGIN_MS;
  }
}
