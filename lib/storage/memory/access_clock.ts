/**
 * The clock of access stamps. Reading the time with every access would cost as much as the access,
 * so a timer reads it, and only as long as there are accesses.
 *
 * @module
 */

import { stampOf } from "./evictor.ts";

/** How often the time is read. */
const INTERVAL_MS = 20;

/** Tells the present access stamp. */
export class AccessClock {
  #stamp = 0;
  #used = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** The present stamp; at most some {@linkcode INTERVAL_MS} behind. */
  now(): number {
    this.#used = true;
    if (this.#timer === undefined) this.#start();
    return this.#stamp;
  }

  /** Stops the timer. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #start(): void {
    this.#stamp = stampOf(Date.now());
    this.#timer = setInterval(() => {
      this.#stamp = stampOf(Date.now());
      if (!this.#used) this.stop();
      this.#used = false;
    }, INTERVAL_MS);
    Deno.unrefTimer(this.#timer);
  }
}
