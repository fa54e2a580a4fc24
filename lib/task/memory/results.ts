import type { Value } from "../../storage/value.ts";
import type { JobId, KeptState } from "../queue.ts";
import { IdTable } from "./id_table.ts";
import { type Linked, List } from "./list.ts";
import type { Timed, Timers } from "./timers.ts";

/** How many results are dropped before the timers look at the time. */
const MAX_EXPIRED_AT_ONCE = 16;

/** The result of a done job, or the note that a job was cancelled. */
export class Result implements Linked<Result> {
  readonly id: JobId;
  readonly state: KeptState;
  /** Empty if the job was cancelled. */
  readonly body: Value;
  /** When it expires, by the queue's clock. */
  readonly expiresAt: number;
  /** The ticket of the journal's write. */
  ticket = 0;
  previous: Result | null = null;
  next: Result | null = null;

  constructor(
    id: JobId,
    { state, body, expiresAt }: { state: KeptState; body: Value; expiresAt: number },
  ) {
    this.id = id;
    this.state = state;
    this.body = body;
    this.expiresAt = expiresAt;
  }
}

/** The results kept, oldest first. The oldest are dropped when they expire or space runs out. */
export class Results implements Timed {
  readonly #results = new IdTable<Result>();
  readonly #order = new List<Result>();
  readonly #timers: Timers;
  readonly #maxResults: number;
  readonly #dropped: (result: Result) => void;
  #bytes = 0;
  dueAt = 0;
  timerPlace = -1;

  /**
   * @param timers The timers of the queue.
   * @param options `maxResults`: how many to keep; `dropped`: called for each one dropped.
   */
  constructor(
    timers: Timers,
    options: { maxResults: number; dropped: (result: Result) => void },
  ) {
    this.#timers = timers;
    this.#maxResults = options.maxResults;
    this.#dropped = options.dropped;
  }

  /** The number of results. */
  get size(): number {
    return this.#results.size;
  }

  /** The bytes of all bodies. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The result of a job, if there is one. */
  get(id: JobId): Result | undefined {
    return this.#results.get(id);
  }

  /** All results, in no particular order. */
  all(): Iterable<Result> {
    return this.#results.values();
  }

  /** Adds a result; drops the oldest ones beyond the limit. */
  add(result: Result): void {
    this.#results.set(result.id, result);
    this.#order.push(result);
    this.#bytes += result.body.length;
    while (this.#results.size > this.#maxResults) this.#drop(this.#order.first!);
    this.#schedule();
  }

  /** Removes a new result that could not be written. */
  takeBack(result: Result): void {
    if (this.#results.get(result.id) === result) this.#drop(result);
  }

  /** Drops the oldest result; `false` if there is none. */
  dropOldest(): boolean {
    const oldest = this.#order.first;
    if (oldest === null) return false;
    this.#drop(oldest);
    return true;
  }

  /** Drops expired results, {@linkcode MAX_EXPIRED_AT_ONCE} at most. */
  due(now: number): void {
    for (let left = MAX_EXPIRED_AT_ONCE; left > 0; left--) {
      const oldest = this.#order.first;
      if (oldest === null || oldest.expiresAt > now) break;
      this.#drop(oldest);
    }
    this.#schedule();
  }

  #schedule(): void {
    const oldest = this.#order.first;
    if (oldest === null) this.#timers.clear(this);
    else if (this.timerPlace === -1) this.#timers.set(this, oldest.expiresAt);
  }

  #drop(result: Result): void {
    this.#results.delete(result.id);
    this.#order.remove(result);
    this.#bytes -= result.body.length;
    this.#dropped(result);
  }
}
