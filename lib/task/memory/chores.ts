import type { Clock, ClockTurn } from "../clock.ts";

/**
 * Work on many jobs, done in turns so that other clients need not wait for all of it. What takes
 * no longer than a turn is done when the call returns, as if there were no turns.
 */
export class Chores {
  readonly #clock: Clock;
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Takes steps until none is left.
   *
   * @param step Does a little, and returns whether to go on. Between two turns, anything can happen.
   * @returns `undefined` if all is done; otherwise resolves when it is.
   */
  run(step: () => boolean): Promise<void> | undefined {
    const turn = this.#clock.turn();
    if (!stepsOf(step, turn)) return undefined;
    const rest = this.#goOn(step, turn).finally(() => this.#running.delete(rest));
    this.#running.add(rest);
    return rest;
  }

  async #goOn(step: () => boolean, turn: ClockTurn): Promise<void> {
    do {
      await turn.next();
    } while (!this.#closed && stepsOf(step, turn));
  }

  /** Ends all work where it is, and waits for the last steps. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#running);
  }
}

/** Takes steps for a turn; returns whether there are more. */
function stepsOf(step: () => boolean, turn: ClockTurn): boolean {
  while (step()) if (turn.over) return true;
  return false;
}
