import type { JobId } from "../queue.ts";

/** The jobs that a client has reserved, as far as this daemon knows. */
export class SharedReservations {
  /** When the time to run of each job ends, by `performance.now()`. */
  readonly #deadlines = new Map<JobId, number>();

  /** How many have time to run left. */
  get size(): number {
    const now = performance.now();
    for (const [id, deadline] of this.#deadlines) {
      if (deadline <= now) this.#deadlines.delete(id);
    }
    return this.#deadlines.size;
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
    this.#deadlines.set(id, performance.now() + ttrMs);
  }

  /** Removes a job. */
  delete(id: JobId): void {
    this.#deadlines.delete(id);
  }
}
