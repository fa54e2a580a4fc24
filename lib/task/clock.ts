/**
 * The clock of a queue. It is passed in, so that a test can turn it by hand instead of waiting.
 *
 * @module
 */

import { Turn } from "../turn.ts";

/** A turn of work that may take long; see {@linkcode Turn}. */
export type ClockTurn = Pick<Turn, "over" | "next">;

/** A clock and the timers on it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls a function once after a delay; returns a function that cancels the call. */
  after(delayMs: number, call: () => void): () => void;
  /** Begins a turn of work. */
  turn(): ClockTurn;
}

/** The longest delay of a system timer; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The clock of this machine. It never goes back, even if the system's clock is changed. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after(delayMs, call) {
    let timer: ReturnType<typeof setTimeout>;
    // A longer delay takes several timers, one after the other.
    function arm(leftMs: number): void {
      const turnMs = Math.min(leftMs, MAX_TIMER_MS);
      timer = setTimeout(() => leftMs > turnMs ? arm(leftMs - turnMs) : call(), turnMs);
    }
    arm(Math.max(0, Math.ceil(delayMs)));
    return () => clearTimeout(timer);
  },
  turn: () => new Turn(),
};

/** The clock on the wall. It follows when the system's clock is changed, also back. */
export const WALL_CLOCK: Clock = { ...SYSTEM_CLOCK, now: () => Date.now() };
