import { SAFETY_MARGIN_MS } from "../queue.ts";
import type { Job } from "./job.ts";
import { List } from "./list.ts";

/** The jobs that a client has reserved, and when the first of them is due. */
export class MemoryReservations {
  readonly #jobs = new List<Job>();
  /** The one that is due first; `undefined` if that is to be found out. */
  #soonest: Job | null | undefined = null;

  /** One of them. */
  get first(): Job | null {
    return this.#jobs.first;
  }

  /** Adds a job, whose deadline is set. */
  add(job: Job): void {
    this.#jobs.push(job);
    if (this.#soonest === null || (this.#soonest && job.dueAt < this.#soonest.dueAt)) {
      this.#soonest = job;
    }
  }

  /** Takes a job out. */
  remove(job: Job): void {
    this.#jobs.remove(job);
    if (job === this.#soonest) this.#soonest = this.#jobs.size === 0 ? null : undefined;
  }

  /** The deadline of a job was put off. */
  putOff(job: Job): void {
    if (job === this.#soonest) this.#soonest = undefined;
  }

  /**
   * When the safety margin before the first of their deadlines begins, in milliseconds of the
   * queue's clock; `Infinity` if there are none.
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
