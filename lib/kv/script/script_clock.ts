/**
 * Measures how long a script has run.
 *
 * @module
 */

/**
 * The longest time that counts between two looks at the clock while Lua runs. They are much less apart unless the
 * system has run other programs meanwhile, and a busy machine must not stop scripts.
 */
const MAX_STEP_MS = 5;

/** A stopwatch that is looked at often. */
export class ScriptClock {
  readonly limitMs: number;
  #lastMs = 0;
  #usedMs = 0;

  constructor(limitMs: number) {
    this.limitMs = limitMs;
  }

  /** The time used so far, in milliseconds. */
  get usedMs(): number {
    return this.#usedMs;
  }

  /** Starts, with the time that earlier runs of the same script have used. */
  start(usedMs: number): void {
    this.#usedMs = usedMs;
    this.#lastMs = performance.now();
  }

  /**
   * Looks at the clock; returns whether the limit is exceeded.
   *
   * @param maxStepMs The most that counts since the last look. @default {MAX_STEP_MS}
   */
  look(maxStepMs = MAX_STEP_MS): boolean {
    const nowMs = performance.now();
    this.#usedMs += Math.min(nowMs - this.#lastMs, maxStepMs);
    this.#lastMs = nowMs;
    return this.#usedMs > this.limitMs;
  }
}
