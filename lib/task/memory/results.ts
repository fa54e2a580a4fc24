import type { Value } from "../../storage/value.ts";
import type { JobId } from "../queue.ts";
import { type Linked, List } from "./list.ts";
import type { Timed, Timers } from "./timers.ts";

/** The result of a job that is done. */
export class Result implements Linked<Result> {
  readonly id: JobId;
  readonly body: Value;
  /** Until when it is kept, in milliseconds of the queue's clock. */
  readonly expiresAt: number;
  /** The commit that makes it durable. */
  ticket = 0;
  previous: Result | null = null;
  next: Result | null = null;

  constructor(id: JobId, body: Value, expiresAt: number) {
    this.id = id;
    this.body = body;
    this.expiresAt = expiresAt;
  }
}

/** The results that are kept, oldest first; the oldest go when their time or the room is over. */
export class Results implements Timed {
  readonly #results = new Map<JobId, Result>();
  readonly #order = new List<Result>();
  readonly #timers: Timers;
  readonly #maxResults: number;
  readonly #dropped: (result: Result) => void;
  #bytes = 0;
  dueAt = 0;
  timerPlace = -1;

  /**
   * @param timers The timers of the queue.
   * @param options `maxResults`: how many are kept; `dropped`: told of each that goes.
   */
  constructor(
    timers: Timers,
    options: { maxResults: number; dropped: (result: Result) => void },
  ) {
    this.#timers = timers;
    this.#maxResults = options.maxResults;
    this.#dropped = options.dropped;
  }

  /** How many are kept. */
  get size(): number {
    return this.#results.size;
  }

  /** How many bytes they are together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The result of a job, if it is kept. */
  get(id: JobId): Result | undefined {
    return this.#results.get(id);
  }

  /** Keeps a result. */
  add(result: Result): void {
    this.#results.set(result.id, result);
    this.#order.push(result);
    this.#bytes += result.body.length;
    while (this.#results.size > this.#maxResults) this.#drop(this.#order.first!);
    this.#schedule();
  }

  /** Takes a new result back, which could not be written. */
  takeBack(result: Result): void {
    if (this.#results.get(result.id) === result) this.#drop(result);
  }

  /** Lets the oldest result go; whether there was one. */
  dropOldest(): boolean {
    const oldest = this.#order.first;
    if (oldest === null) return false;
    this.#drop(oldest);
    return true;
  }

  /** The time of the oldest is over. */
  due(now: number): void {
    let oldest;
    while ((oldest = this.#order.first) !== null && oldest.expiresAt <= now) this.#drop(oldest);
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
