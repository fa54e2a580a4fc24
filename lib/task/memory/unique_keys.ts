import { holdsKey } from "../job_options.ts";
import type { JobId } from "../queue.ts";
import type { Job } from "./job.ts";
import type { Timed, Timers } from "./timers.ts";

/** The memory that a key takes which outlives its job, besides its characters, in bytes. */
export const KEY_OVERHEAD_BYTES = 300;

/** A key that is held for a fixed time, even after its job is gone. */
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

/** What holds a key: a job, or a time that was fixed when its job was put. */
type Holder = Job | TimedKey;

/** The holders of the keys of one tube. Hardly any key has more than one. */
type TubeKeys = Map<string, Holder | Set<Holder>>;

/**
 * The unique keys that are held: by jobs, or for a fixed time. Two jobs can hold the same key if one
 * of them has come back, for example because it was kicked; a put then names either of them.
 */
export class UniqueKeys {
  readonly #timers: Timers;
  readonly #dropped: (key: TimedKey) => void;
  readonly #now: () => number;
  /** The holders by tube and key. */
  readonly #tubes = new Map<string, TubeKeys>();
  readonly #timed = new Map<JobId, TimedKey>();

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
    const found = this.#tubes.get(tube)?.get(key);
    if (found === undefined) return undefined;
    for (const holder of found instanceof Set ? found : [found]) {
      if (this.#isHolding(holder)) return holder.id;
      // Its time is over, so it will not hold the key again.
      this.#remove(tube, key, holder);
    }
    return undefined;
  }

  /** A timed key by the id of the job that it came with. */
  timed(id: JobId): TimedKey | undefined {
    return this.#timed.get(id);
  }

  /** All timed keys. */
  allTimed(): Iterable<TimedKey> {
    return this.#timed.values();
  }

  /** Notes the state that a job is in now. */
  enter(job: Job): void {
    const { unique } = job.options!;
    if (unique !== null && this.#isHolding(job)) this.#add(job.tube.name, unique.key, job);
  }

  /** Notes that a job leaves its state. */
  leave(job: Job): void {
    const { unique } = job.options!;
    if (unique !== null) this.#remove(job.tube.name, unique.key, job);
  }

  /** The timed key that a new job brings; `undefined` if it has none. */
  keyOf(job: Job): TimedKey | undefined {
    const unique = job.options?.unique;
    if (!unique || unique.hold !== "until") return undefined;
    return this.make(job.id, { tube: job.tube.name, key: unique.key, until: unique.until });
  }

  /** Makes a timed key. */
  make(id: JobId, fields: { tube: string; key: string; until: number }): TimedKey {
    return new TimedKey(id, {
      ...fields,
      due: (key) => {
        this.#drop(key);
        this.#dropped(key);
      },
    });
  }

  /** Adds a timed key. */
  add(key: TimedKey): void {
    this.#add(key.tube, key.key, key);
    this.#timed.set(key.id, key);
    this.#timers.set(key, key.dueAt);
  }

  /** Removes the timed key of a job, if it has one. */
  takeBack(job: Job): TimedKey | undefined {
    const key = this.#timed.get(job.id);
    if (key === undefined) return undefined;
    this.#timers.clear(key);
    this.#drop(key);
    return key;
  }

  #isHolding(holder: Holder): boolean {
    const now = this.#now();
    if (holder instanceof TimedKey) return holder.dueAt > now;
    return holdsKey(holder.options!, { state: holder.state, now });
  }

  #drop(key: TimedKey): void {
    this.#remove(key.tube, key.key, key);
    this.#timed.delete(key.id);
  }

  #add(tube: string, key: string, holder: Holder): void {
    let keys = this.#tubes.get(tube);
    if (keys === undefined) this.#tubes.set(tube, keys = new Map());
    const found = keys.get(key);
    if (found === undefined) keys.set(key, holder);
    else if (found instanceof Set) found.add(holder);
    else if (found !== holder) keys.set(key, new Set([found, holder]));
  }

  #remove(tube: string, key: string, holder: Holder): void {
    const keys = this.#tubes.get(tube);
    const found = keys?.get(key);
    if (found instanceof Set) found.delete(holder);
    if (found === holder || (found instanceof Set && found.size === 0)) keys!.delete(key);
    if (keys?.size === 0) this.#tubes.delete(tube);
  }
}
