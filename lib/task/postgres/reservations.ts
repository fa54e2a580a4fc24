import type { JobId } from "../queue.ts";

/** The jobs that a client has reserved, as far as this daemon can tell. */
export class SharedReservations {
  /** When the time to run of each is over, by `performance.now()`. */
  readonly #deadlines = new Map<JobId, number>();

  /** How many there are whose time to run is not over. */
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

  /** When the time to run of the first of them is over; `Infinity` if there are none. */
  get deadlineAt(): number {
    let first = Infinity;
    for (const deadline of this.#deadlines.values()) first = Math.min(first, deadline);
    return first;
  }

  /** Whether it is one of them. */
  has(id: JobId): boolean {
    return this.#deadlines.has(id);
  }

  /** Adds a job, or sets its time to run anew. */
  set(id: JobId, ttrMs: number): void {
    this.#deadlines.set(id, performance.now() + ttrMs);
  }

  /** Takes a job out. */
  delete(id: JobId): void {
    this.#deadlines.delete(id);
  }
}
