import { SYSTEM_CLOCK } from "../clock.ts";
import type { Outcome } from "../queue.ts";
import type { LocalTube, Waiter } from "./local_tube.ts";
import type { JobWatcher, SharedScheduler } from "./scheduler.ts";

/**
 * A client's wait for a job, or for the outcome of one. Being woken only means that it is worth
 * looking again.
 */
export class SharedWait implements Waiter, JobWatcher {
  /** The outcome of the job, once it is known. */
  outcome: Outcome | null = null;
  /** Whether it was cancelled. */
  cancelled = false;
  readonly #scheduler: SharedScheduler;
  #end: ((how: "woken" | "late") => void) | null = null;

  constructor(scheduler: SharedScheduler) {
    this.#scheduler = scheduler;
  }

  /** Starts a new wait. */
  begin(): void {
    this.cancelled = false;
    this.outcome = null;
  }

  /** Sleeps until it is woken, for example by one of these tubes, or until the time is up. */
  sleep(tubes: readonly LocalTube[], ms: number): Promise<"woken" | "late"> {
    return new Promise((resolve) => {
      const stopTimer = Number.isFinite(ms)
        ? SYSTEM_CLOCK.after(ms, () => this.#end?.("late"))
        : undefined;
      for (const tube of tubes) tube.waiting.add(this);
      if (tubes.length > 0) this.#scheduler.waiting++;
      this.#end = (how) => {
        this.#end = null;
        stopTimer?.();
        for (const tube of tubes) tube.waiting.delete(this);
        if (tubes.length > 0) this.#scheduler.waiting--;
        resolve(how);
      };
    });
  }

  /** Ends the wait. */
  cancel(): void {
    this.cancelled = true;
    this.wake();
  }

  wake(): void {
    this.#end?.("woken");
  }

  finished(outcome: Outcome): void {
    this.outcome = outcome;
    this.wake();
  }

  askAgain(): void {
    this.wake();
  }
}
