import { SAFETY_MARGIN_MS } from "../queue.ts";
import { Heap } from "./heap.ts";
import type { Job } from "./job.ts";

/** The jobs that a client has reserved, by their deadlines. */
export class MemoryReservations {
  readonly #jobs = new Heap<Job>({
    before: (a, b) => a.dueAt < b.dueAt,
    place: (job) => job.place,
    setPlace: (job, place) => job.place = place,
  });
  #since = 0;

  /** The job with the first deadline. */
  get first(): Job | undefined {
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

  /** The jobs with the first deadlines, at most `max`. */
  some(max: number): Job[] {
    return this.#jobs.firstItems(max);
  }

  /** Adds a job that was reserved just now. Its deadline must be set. */
  add(job: Job): void {
    if (this.#jobs.size === 0) this.#since = job.dueAt - job.ttrMs;
    this.#jobs.push(job);
  }

  /** Removes a job. */
  remove(job: Job): void {
    this.#jobs.remove(job);
  }

  /** Notes that the deadline of a job has changed. */
  update(job: Job): void {
    this.#jobs.update(job);
  }

  /**
   * When the safety margin before the first deadline begins, by the queue's clock; `Infinity` if
   * there are no jobs.
   */
  get marginAt(): number {
    return (this.#jobs.first?.dueAt ?? Infinity) - SAFETY_MARGIN_MS;
  }
}
