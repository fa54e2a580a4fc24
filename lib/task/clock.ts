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

/**
 * The longest time between two looks at the clock. System timers stand still while the machine is
 * suspended, so a timer for a whole delay would fire late by that time.
 */
export const MAX_TIMER_MS = 5000;

/** What the machine knows of time. */
export interface TimeSource {
  /** Milliseconds since the Unix epoch. It never goes back, but stands still in sleep. */
  steady(): number;
  /** Milliseconds since the Unix epoch, as people have set it. */
  wall(): number;
  /** Calls a function once after a time during which the machine is awake. */
  timer(ms: number, call: () => void): () => void;
}

/**
 * A clock that goes on while the machine is suspended. It follows the wall clock forward, but not
 * back, so that setting the wall clock back delays nothing.
 */
export function steadyClock({ steady, wall, timer }: TimeSource): Clock {
  const now = () => Math.max(steady(), wall());
  return {
    now,
    after(delayMs, call) {
      const end = now() + delayMs;
      let stop: () => void;
      function arm(leftMs: number): void {
        const turnMs = Math.min(leftMs, MAX_TIMER_MS);
        stop = timer(turnMs, () => {
          // A timer can fire a little early, so only time that went missing is looked for.
          const left = Math.min(leftMs - turnMs, end - now());
          if (left > 0) arm(left);
          else call();
        });
      }
      arm(Math.max(0, Math.ceil(delayMs)));
      return () => stop();
    },
    turn: () => new Turn(),
  };
}

function systemTimer(ms: number, call: () => void): () => void {
  const timer = setTimeout(call, ms);
  return () => clearTimeout(timer);
}

/** The clock of this machine. */
export const SYSTEM_CLOCK: Clock = steadyClock({
  steady: () => performance.timeOrigin + performance.now(),
  wall: () => Date.now(),
  timer: systemTimer,
});

/** The wall clock. It follows the system's clock when that is changed, in either direction. */
export const WALL_CLOCK: Clock = { ...SYSTEM_CLOCK, now: () => Date.now() };
