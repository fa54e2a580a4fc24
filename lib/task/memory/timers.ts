import type { Clock } from "../clock.ts";
import { Heap } from "./heap.ts";

/** Something that is due at a time. */
export interface Timed {
  /** When it is due, in milliseconds of the clock. Change it through {@linkcode Timers} only. */
  dueAt: number;
  /** Its place among the timers; -1 when it is not among them. */
  timerPlace: number;
  /** Called once when it is due; it is no longer among the timers then. */
  due(now: number): void;
}

/** How many deadlines are worked off before others get their turn. */
const MAX_DUE_IN_ONE_TURN = 4096;

/**
 * All deadlines of a queue in one heap, behind one timer of the system: a million of them cost a
 * million places in an array. A deadline that is taken back or put off leaves the timer as it is;
 * when that fires too early, it is set again.
 */
export class Timers {
  readonly #clock: Clock;
  readonly #heap = new Heap<Timed>({
    before: (a, b) => a.dueAt < b.dueAt,
    place: (item) => item.timerPlace,
    setPlace: (item, place) => item.timerPlace = place,
  });
  #armedFor = Infinity;
  #disarm: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many deadlines there are. */
  get size(): number {
    return this.#heap.size;
  }

  /** Sets or changes the deadline of an item. */
  set(item: Timed, dueAt: number): void {
    item.dueAt = dueAt;
    if (item.timerPlace === -1) this.#heap.push(item);
    else this.#heap.update(item);
    if (dueAt < this.#armedFor) this.#arm(dueAt);
  }

  /** Takes the deadline of an item back, if it has one. */
  clear(item: Timed): void {
    if (item.timerPlace !== -1) this.#heap.remove(item);
  }

  /** Calls what is due by now, so much as one turn may take. */
  #run(): void {
    const now = this.#clock.now();
    for (let left = MAX_DUE_IN_ONE_TURN; left > 0; left--) {
      const item = this.#heap.first;
      if (item === undefined || item.dueAt > now) break;
      this.#heap.remove(item);
      item.due(now);
    }
  }

  /** Stops the timer. */
  close(): void {
    this.#disarm?.();
    this.#disarm = null;
    this.#armedFor = -Infinity;
  }

  #arm(dueAt: number): void {
    this.#disarm?.();
    this.#armedFor = dueAt;
    this.#disarm = this.#clock.after(dueAt - this.#clock.now(), () => {
      this.#disarm = null;
      this.#armedFor = Infinity;
      this.#run();
      const next = this.#heap.first;
      if (next !== undefined && next.dueAt < this.#armedFor) this.#arm(next.dueAt);
    });
  }
}
