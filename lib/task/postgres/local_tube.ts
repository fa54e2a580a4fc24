import { SYSTEM_CLOCK } from "../clock.ts";
import type { TubeRules } from "../queue.ts";

/** A client that waits for a job. */
export interface Waiter {
  /** Makes the client look again: there may be a job now. */
  wake(): void;
}

/** What one daemon knows about a tube that its clients use or watch. */
export class LocalTube {
  readonly name: string;
  rules: TubeRules;
  using = 0;
  watching = 0;
  /** Clients that wait for one of its jobs, first come first. */
  readonly waiting = new Set<Waiter>();
  totalJobs = 0;
  deletes = 0;
  pauses = 0;
  /** The number of the last event that may have made one of its jobs ready. */
  wakes = 0;
  /** Whether a token has come that clients waited for. */
  awaited = false;
  #stopTimer: (() => void) | null = null;

  constructor(name: string, rules: TubeRules) {
    this.name = name;
    this.rules = rules;
  }

  /** Calls a function when the next token of its bucket comes. Call `stopTimer` before. */
  awaitToken(ms: number, came: () => void): void {
    this.#stopTimer = SYSTEM_CLOCK.after(ms, () => {
      this.#stopTimer = null;
      this.awaited = true;
      came();
    });
  }

  /** Waits for no token any more. */
  stopTimer(): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
    this.awaited = false;
  }

  /** Wakes this many of the waiting clients. */
  wake(count: number): void {
    for (const waiter of [...this.waiting].slice(0, count)) waiter.wake();
  }
}
