import type { JobId } from "../queue.ts";

/** How many ids are claimed in the journal at a time. */
const ID_BLOCK = 10_000;

/** Gives out ids in blocks, whose ends the journal keeps, so that no id is used twice. */
export class JobIds {
  readonly #claim: (upTo: JobId) => void;
  #next: JobId = 1;
  /** The end of the claimed block. */
  #usable: JobId = 0;

  /** @param claim Claims all ids up to this one in the journal. */
  constructor(claim: (upTo: JobId) => void) {
    this.#claim = claim;
  }

  /** Takes the next id. */
  take(): JobId {
    if (this.#next > this.#usable) {
      this.#usable = this.#next + ID_BLOCK - 1;
      this.#claim(this.#usable);
    }
    return this.#next++;
  }

  /** The last id that was given out. */
  get last(): JobId {
    return this.#next - 1;
  }

  /** Whether this id was given out, or skipped. */
  has(id: JobId): boolean {
    return id > 0 && id < this.#next;
  }

  /** Continues behind this id, which is in use. */
  skip(id: JobId): void {
    this.#next = Math.max(this.#next, id + 1);
  }

  /** Continues with ids from here, after a restart. */
  startAt(id: JobId): void {
    this.skip(id - 1);
    this.reclaim();
  }

  /** Claims ids again before the next one is used: the last claim may not have been written. */
  reclaim(): void {
    this.#usable = this.#next - 1;
  }
}
