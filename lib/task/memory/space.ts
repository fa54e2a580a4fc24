import type { QueueOptions } from "../queue.ts";
import { JOB_OVERHEAD_BYTES } from "./job.ts";
import type { Results } from "./results.ts";

/** The memory that jobs and results take. Old results make room for new jobs. */
export class QueueSpace {
  readonly #results: Results;
  readonly #options: Pick<QueueOptions, "limits">;
  #bytes = 0;

  constructor(results: Results, options: Pick<QueueOptions, "limits">) {
    this.#results = results;
    this.#options = options;
  }

  /** The bytes taken, the overhead of each job and result included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes space; a negative number gives it back. */
  take(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Drops a result, if there are too many or too much memory is taken; returns whether it did. */
  shrink(): boolean {
    const over = this.#results.excess || this.#bytes > this.#options.limits.maxBytes;
    return over && this.#results.dropOldest();
  }

  /** Whether this many more bytes fit; drops old results to make room. */
  makeRoom(bytes: number): boolean {
    const { maxBytes } = this.#options.limits;
    const spare = this.#results.bytes + this.#results.size * JOB_OVERHEAD_BYTES;
    if (this.#bytes - spare + bytes > maxBytes) return false;
    while (this.#bytes + bytes > maxBytes && this.#results.dropOldest());
    return true;
  }
}
