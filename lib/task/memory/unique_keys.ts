import { holdsKey } from "../job_options.ts";
import type { JobId } from "../queue.ts";
import type { Job } from "./job.ts";
import type { Timed, Timers } from "./timers.ts";

/** The memory that a key takes which outlives its job, besides its characters, in bytes. */
export const KEY_OVERHEAD_BYTES = 300;

/** A key that is held for a fixed time, whatever becomes of its job. */
export class TimedKey implements Timed {
  readonly id: JobId;
  readonly tube: string;
  readonly key: string;
  dueAt: number;
  timerPlace = -1;
  readonly #due: (key: TimedKey) => void;

  /** @param fields Its fields, until when it is held, and what to call then. */
  constructor(
    id: JobId,
    fields: { tube: string; key: string; until: number; due: (key: TimedKey) => void },
  ) {
    this.id = id;
    this.tube = fields.tube;
    this.key = fields.key;
    this.dueAt = fields.until;
    this.#due = fields.due;
  }

  /** How many bytes of memory it takes. */
  get bytes(): number {
    return this.key.length + this.tube.length + KEY_OVERHEAD_BYTES;
  }

  due(): void {
    this.#due(this);
  }
}

/**
 * The unique keys that are held: by jobs, or for a fixed time. Two jobs can hold the same key if one
 * of them has come back, for example because it was kicked; a put then names either of them.
 */
export class UniqueKeys {
  readonly #timers: Timers;
  readonly #dropped: (key: TimedKey) => void;
  readonly #now: () => number;
  /** The jobs that hold a key, by tube and key. */
  readonly #holders = new Map<string, Set<Job>>();
  readonly #timed = new Map<string, TimedKey>();
  readonly #timedById = new Map<JobId, TimedKey>();

  /** @param options `dropped` is called for each timed key whose time is over. */
  constructor(
    timers: Timers,
    options: { now: () => number; dropped: (key: TimedKey) => void },
  ) {
    this.#timers = timers;
    this.#now = options.now;
    this.#dropped = options.dropped;
  }

  /** The job that holds a key of a tube; it may be gone. */
  holder(tube: string, key: string): JobId | undefined {
    const place = placeOf(tube, key);
    const now = this.#now();
    const timed = this.#timed.get(place);
    if (timed !== undefined && timed.dueAt > now) return timed.id;
    const holders = this.#holders.get(place);
    for (const job of holders ?? []) {
      if (holdsKey(job.options!, { state: job.state, now })) return job.id;
      // Its time is over, so it will not hold the key again.
      holders!.delete(job);
    }
    if (holders?.size === 0) this.#holders.delete(place);
    return undefined;
  }

  /** A timed key by the id of the job that it came with. */
  timed(id: JobId): TimedKey | undefined {
    return this.#timedById.get(id);
  }

  /** Notes the state that a job is in now. */
  enter(job: Job): void {
    const { unique } = job.options!;
    if (unique === null || !holdsKey(job.options!, { state: job.state, now: this.#now() })) return;
    const place = placeOf(job.tube.name, unique.key);
    const holders = this.#holders.get(place);
    if (holders === undefined) this.#holders.set(place, new Set([job]));
    else holders.add(job);
  }

  /** Notes that a job leaves its state. */
  leave(job: Job): void {
    const { unique } = job.options!;
    if (unique === null) return;
    const place = placeOf(job.tube.name, unique.key);
    const holders = this.#holders.get(place);
    if (holders?.delete(job) && holders.size === 0) this.#holders.delete(place);
  }

  /** The timed key that a new job brings; `undefined` if it has none. */
  keyOf(job: Job): TimedKey | undefined {
    const unique = job.options?.unique;
    if (!unique || unique.hold !== "until") return undefined;
    return this.make(job.id, { tube: job.tube.name, key: unique.key, until: unique.until });
  }

  /** Makes a timed key. */
  make(id: JobId, fields: { tube: string; key: string; until: number }): TimedKey {
    return new TimedKey(id, { ...fields, due: (key) => this.#end(key) });
  }

  /** Adds a timed key. */
  add(key: TimedKey): void {
    this.#timed.set(placeOf(key.tube, key.key), key);
    this.#timedById.set(key.id, key);
    this.#timers.set(key, key.dueAt);
  }

  /** Removes the timed key of a job, if it has one. */
  takeBack(job: Job): TimedKey | undefined {
    const key = this.#timedById.get(job.id);
    if (key === undefined) return undefined;
    this.#timers.clear(key);
    this.#remove(key);
    return key;
  }

  #end(key: TimedKey): void {
    this.#remove(key);
    this.#dropped(key);
  }

  #remove(key: TimedKey): void {
    const place = placeOf(key.tube, key.key);
    if (this.#timed.get(place) === key) this.#timed.delete(place);
    this.#timedById.delete(key.id);
  }
}

/** No tube and no key has a space in it. */
function placeOf(tube: string, key: string): string {
  return `${tube} ${key}`;
}
