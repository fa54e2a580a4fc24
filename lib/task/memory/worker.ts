import type { HeldJob, QueueWorker } from "../workers.ts";
import type { MemoryReservations } from "./reservations.ts";
import type { MemorySubscriptions } from "./subscriptions.ts";
import type { MemoryWait } from "./wait.ts";

/** What a client has to do with as a worker. */
export interface WorkerParts {
  readonly subscriptions: MemorySubscriptions;
  readonly reserved: MemoryReservations;
  readonly wait: MemoryWait;
  /** The queue's clock. */
  now(): number;
}

/** A client as the list of workers sees it. */
export class MemoryWorker implements QueueWorker {
  readonly #parts: WorkerParts;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
  }

  get quiet(): boolean {
    return this.#parts.wait.quiet;
  }

  set quiet(quiet: boolean) {
    this.#parts.wait.quiet = quiet;
  }

  get watched(): readonly string[] {
    return this.#parts.subscriptions.watched;
  }

  get waits(): boolean {
    return this.#parts.wait.isForJob;
  }

  get holds(): number {
    return this.#parts.reserved.size;
  }

  get busyMs(): number {
    const { reserved } = this.#parts;
    return reserved.size === 0 ? 0 : this.#parts.now() - reserved.since;
  }

  heldJobs(max: number): HeldJob[] {
    const now = this.#parts.now();
    return this.#parts.reserved.some(max).map(({ id, dueAt }) => ({
      id,
      leftMs: Math.max(0, dueAt - now),
    }));
  }
}
