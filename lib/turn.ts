/**
 * Sharing the thread. All clients of all services run on one thread, so work that may take long
 * does it in turns and lets everything else run in between.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** How long a turn lasts. A client that sends one request meanwhile waits about this long. */
export const MAX_TURN_MS = 3;

/**
 * The turns of one piece of work. The first begins with the constructor.
 *
 * ```ts
 * import { Turn } from "./turn.ts";
 *
 * const turn = new Turn();
 * for (const item of [1, 2, 3]) {
 *   // … some microseconds of work on `item` …
 *   if (turn.over) await turn.next();
 * }
 * ```
 */
export class Turn {
  #startMs = performance.now();

  /**
   * Whether the turn has lasted {@linkcode MAX_TURN_MS}. Asking costs a tenth of a microsecond, so
   * a loop over tiny steps asks once in a while.
   */
  get over(): boolean {
    return performance.now() - this.#startMs >= MAX_TURN_MS;
  }

  /** Lets everything else run, and begins the next turn. */
  async next(): Promise<void> {
    await nextTurn();
    this.#startMs = performance.now();
  }
}

/**
 * The turn of everything that many connections do between two visits of the event loop to its
 * timers. A read or a write that is ready at once does not go through the event loop, so a client
 * that keeps its socket full would keep the thread, however short each of its batches is.
 */
export class SharedTurn {
  #turn: Turn | undefined;

  /** Whether to call {@linkcode nextTurn} now. The turn begins with the first question. */
  get over(): boolean {
    if (this.#turn === undefined) {
      this.#turn = new Turn();
      setTimeout(() => {
        this.#turn = undefined;
      }, 0);
    }
    return this.#turn.over;
  }
}

/** Resolves after everything else that is ready has run. */
export function nextTurn(): Promise<void> {
  // A timer, because `setImmediate` and message ports keep sockets waiting as long as there are
  // more of them: with 5 ms of work in each, a socket's read then takes 300 ms. After the timer an
  // immediate, because sockets are looked at between the two; in a third of all cases, a timer
  // alone began another turn before what had arrived during the last one was read.
  return new Promise((resolve) => setTimeout(() => setImmediate(resolve), 0));
}
