import { JOB_OVERHEAD_BYTES } from "./job.ts";
import type { Results } from "./results.ts";

/** The memory that jobs and results take. Old results make room for new jobs. */
export class QueueSpace {
  readonly #results: Results;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(results: Results, maxBytes: number) {
    this.#results = results;
    this.#maxBytes = maxBytes;
  }

  /** The bytes taken, the overhead of each job and result included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes space; a negative number gives it back. */
  take(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Whether this many more bytes fit; drops old results to make room. */
  makeRoom(bytes: number): boolean {
    const spare = this.#results.bytes + this.#results.size * JOB_OVERHEAD_BYTES;
    if (this.#bytes - spare + bytes > this.#maxBytes) return false;
    while (this.#bytes + bytes > this.#maxBytes && this.#results.dropOldest());
    return true;
  }
}
