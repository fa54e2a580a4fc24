/**
 * Measures how long a script has run.
 *
 * @module
 */

import process from "node:process";

/**
 * A stopwatch that is looked at often.
 *
 * The first half of the limit is measured in time that passes, which is cheap. On a busy machine that
 * includes the time of other programs, which must not stop a script: so the second half is measured
 * in CPU time of the process. That includes other threads, such as those that compile the
 * interpreter, so no more counts between two looks than the script itself may have used.
 */
export class ScriptClock {
  readonly limitMs: number;
  readonly #halfMs: number;
  #usedMs = 0;
  /** The latest time seen: that of the clock, or CPU time. */
  #lastMs = 0;

  constructor(limitMs: number) {
    this.limitMs = limitMs;
    this.#halfMs = limitMs / 2;
  }

  /** The time used so far, in milliseconds. */
  get usedMs(): number {
    return this.#usedMs;
  }

  /** Starts, with the time that earlier runs of the same script have used. */
  start(usedMs: number): void {
    this.#usedMs = usedMs;
    this.#lastMs = usedMs < this.#halfMs ? performance.now() : cpuMs();
  }

  /**
   * Looks at the clock; returns whether the limit is exceeded.
   *
   * @param maxStepMs The most CPU time that counts since the last look.
   */
  look(maxStepMs: number): boolean {
    if (this.#usedMs < this.#halfMs) {
      const nowMs = performance.now();
      this.#usedMs += nowMs - this.#lastMs;
      this.#lastMs = nowMs;
      if (this.#usedMs >= this.#halfMs) this.start(this.#halfMs);
      return false;
    }
    const nowMs = cpuMs();
    this.#usedMs += Math.min(nowMs - this.#lastMs, maxStepMs);
    this.#lastMs = nowMs;
    return this.#usedMs > this.limitMs;
  }
}

/** The CPU time of this process. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
