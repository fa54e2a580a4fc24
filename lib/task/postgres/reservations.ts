import type { JobId } from "../queue.ts";

/** The jobs that a client has reserved, as far as this daemon knows. */
export class SharedReservations {
  /** When the time to run of each job ends, by `performance.now()`. */
  readonly #deadlines = new Map<JobId, number>();
  #since = 0;

  /** How many have time to run left. */
  get size(): number {
    const now = performance.now();
    for (const [id, deadline] of this.#deadlines) {
      if (deadline <= now) this.#deadlines.delete(id);
    }
    return this.#deadlines.size;
  }

  /** Since when there have been jobs without a break, by `performance.now()`. */
  get since(): number {
    return this.#since;
  }

  /** The first `max` of them, and how much of their time to run is left. */
  some(max: number): { id: JobId; leftMs: number }[] {
    const now = performance.now();
    return [...this.#deadlines.entries().take(max)].map(([id, deadline]) => (
      { id, leftMs: Math.max(0, deadline - now) }
    ));
  }

  /** Their ids. */
  get ids(): JobId[] {
    return [...this.#deadlines.keys()];
  }

  /** The first of their deadlines, by `performance.now()`; `Infinity` if there are no jobs. */
  get deadlineAt(): number {
    let first = Infinity;
    for (const deadline of this.#deadlines.values()) first = Math.min(first, deadline);
    return first;
  }

  /** Whether it is one of them. */
  has(id: JobId): boolean {
    return this.#deadlines.has(id);
  }

  /** Adds a job, or restarts its time to run. */
  set(id: JobId, ttrMs: number): void {
    const now = performance.now();
    if (this.#deadlines.size === 0) this.#since = now;
    this.#deadlines.set(id, now + ttrMs);
  }

  /** Removes a job. */
  delete(id: JobId): void {
    this.#deadlines.delete(id);
  }
}
