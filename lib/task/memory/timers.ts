import type { Clock } from "../clock.ts";
import { Heap } from "./heap.ts";

/** An object with a deadline. */
export interface Timed {
  /** The deadline, by the clock of the timers. While one is set, only {@linkcode Timers} changes it. */
  dueAt: number;
  /** Its index in the heap of timers; -1 if no deadline is set. */
  timerPlace: number;
  /**
   * Called once when the deadline has come; it is no longer set then. What takes long does a part
   * and sets the same deadline again.
   */
  due(now: number): void;
}

/**
 * All deadlines of a queue in one heap behind one system timer, so that a million deadlines cost a
 * million array slots and no more. Clearing or postponing a deadline leaves the system timer alone:
 * if it then fires too early, it is set again.
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

  /** The number of deadlines. */
  get size(): number {
    return this.#heap.size;
  }

  /** Sets or changes a deadline. */
  set(item: Timed, dueAt: number): void {
    item.dueAt = dueAt;
    if (item.timerPlace === -1) this.#heap.push(item);
    else this.#heap.update(item);
    if (dueAt < this.#armedFor) this.#arm(dueAt);
  }

  /** Clears a deadline, if one is set. */
  clear(item: Timed): void {
    if (item.timerPlace !== -1) this.#heap.remove(item);
  }

  /** Handles the deadlines that have come, for a turn. */
  #run(): void {
    const now = this.#clock.now();
    const turn = this.#clock.turn();
    do {
      const item = this.#heap.first;
      if (item === undefined || item.dueAt > now) break;
      this.#heap.remove(item);
      item.due(now);
    } while (!turn.over);
  }

  /** Stops the system timer for good. */
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
