import type { TubeRules } from "../queue.ts";

/** Somebody who waits for a job. */
export interface Waiter {
  /** There may be a job now. */
  wake(): void;
}

/** What a daemon knows by itself of a tube that its clients use, watch or have put into. */
export class LocalTube {
  readonly name: string;
  readonly rules: TubeRules;
  using = 0;
  watching = 0;
  /** Those who wait for a job of it, in turn. */
  readonly waiting = new Set<Waiter>();
  totalJobs = 0;
  deletes = 0;
  pauses = 0;
  /** The number of the last event that may have made a job of it available. */
  wakes = 0;

  constructor(name: string, rules: TubeRules) {
    this.name = name;
    this.rules = rules;
  }

  /** Tells so many of those who wait that there may be a job. */
  wake(count: number): void {
    for (const waiter of [...this.waiting].slice(0, count)) waiter.wake();
  }
}
