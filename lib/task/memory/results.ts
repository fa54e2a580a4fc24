import type { Value } from "../../storage/value.ts";
import type { JobId, KeptState, QueueOptions } from "../queue.ts";
import { Heap } from "./heap.ts";
import { IdTable } from "./id_table.ts";
import type { Timed, Timers } from "./timers.ts";

/** How many results are dropped before the timers look at the time. */
const MAX_EXPIRED_AT_ONCE = 16;

/** The result of a done job, or the note that a job was cancelled. */
export class Result {
  readonly id: JobId;
  readonly state: KeptState;
  /** Empty if the job was cancelled. */
  readonly body: Value;
  /** When it expires, by the queue's clock. */
  readonly expiresAt: number;
  /** The ticket of the journal's write. */
  ticket = 0;
  /** Its index in the heap of all results. */
  place = -1;

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

/** The results that expire first come first: not always the oldest, as `result_ttl` can change. */
const EXPIRY_ORDER = {
  before: (a: Result, b: Result) =>
    a.expiresAt < b.expiresAt || (a.expiresAt === b.expiresAt && a.id < b.id),
  place: (result: Result) => result.place,
  setPlace: (result: Result, place: number) => result.place = place,
};

/** The results kept. The oldest are dropped when they expire or space runs out. */
export class Results implements Timed {
  readonly #results = new IdTable<Result>();
  readonly #order = new Heap<Result>(EXPIRY_ORDER);
  readonly #timers: Timers;
  readonly #options: Pick<QueueOptions, "limits">;
  readonly #dropped: (result: Result) => void;
  #bytes = 0;
  dueAt = 0;
  timerPlace = -1;

  /**
   * @param timers The timers of the queue.
   * @param options The options of the queue; `dropped`: called for each result dropped.
   */
  constructor(
    timers: Timers,
    { options, dropped }: {
      options: Pick<QueueOptions, "limits">;
      dropped: (result: Result) => void;
    },
  ) {
    this.#timers = timers;
    this.#options = options;
    this.#dropped = dropped;
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

  /** Adds a result; drops the oldest one if there are more than the limit. */
  add(result: Result): void {
    this.#results.set(result.id, result);
    this.#order.push(result);
    this.#bytes += result.body.length;
    if (this.excess) this.#drop(this.#order.first!);
    this.#schedule();
  }

  /** Whether there are more than the limit: after a lower one has come into force. */
  get excess(): boolean {
    return this.#results.size > this.#options.limits.maxResults;
  }

  /** Removes a new result that could not be written. */
  takeBack(result: Result): void {
    if (this.#results.get(result.id) === result) this.#drop(result);
  }

  /** Drops the oldest result; `false` if there is none. */
  dropOldest(): boolean {
    const oldest = this.#order.first;
    if (oldest === undefined) return false;
    this.#drop(oldest);
    return true;
  }

  /** Drops expired results, {@linkcode MAX_EXPIRED_AT_ONCE} at most. */
  due(now: number): void {
    for (let left = MAX_EXPIRED_AT_ONCE; left > 0; left--) {
      const oldest = this.#order.first;
      if (oldest === undefined || oldest.expiresAt > now) break;
      this.#drop(oldest);
    }
    this.#schedule();
  }

  #schedule(): void {
    const oldest = this.#order.first;
    if (oldest === undefined) this.#timers.clear(this);
    else if (this.timerPlace === -1 || oldest.expiresAt < this.dueAt) {
      this.#timers.set(this, oldest.expiresAt);
    }
  }

  #drop(result: Result): void {
    this.#results.delete(result.id);
    this.#order.remove(result);
    this.#bytes -= result.body.length;
    this.#dropped(result);
  }
}
