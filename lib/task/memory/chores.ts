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
   * @param options `maxSteps`: the most steps in a turn, for steps that leave more work behind than
   * they do themselves. By default, only the time counts.
   * @returns `undefined` if all is done; otherwise resolves when it is.
   */
  run(
    step: () => boolean,
    { maxSteps = Infinity }: { maxSteps?: number } = {},
  ): Promise<void> | undefined {
    const turn = this.#clock.turn();
    if (!takeSteps(step, { turn, maxSteps })) return undefined;
    const rest = this.#goOn(step, { turn, maxSteps }).finally(() => this.#running.delete(rest));
    this.#running.add(rest);
    return rest;
  }

  async #goOn(step: () => boolean, limits: TurnLimits): Promise<void> {
    do {
      await limits.turn.next();
    } while (!this.#closed && takeSteps(step, limits));
  }

  /** Ends all work where it is, and waits for the last steps. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#running);
  }
}

/** What ends a turn. */
interface TurnLimits {
  turn: ClockTurn;
  maxSteps: number;
}

/** Takes steps for a turn; returns whether there are more. */
function takeSteps(step: () => boolean, { turn, maxSteps }: TurnLimits): boolean {
  for (let steps = 1; step(); steps++) if (turn.over || steps >= maxSteps) return true;
  return false;
}
