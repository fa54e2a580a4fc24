import { SYSTEM_CLOCK } from "../clock.ts";
import type { Outcome } from "../queue.ts";
import type { LocalTube, Waiter } from "./local_tube.ts";
import type { JobWatcher, SharedScheduler } from "./scheduler.ts";

/**
 * A client's wait for a job, or for what becomes of one. It is told when to look again; what it
 * finds then may well be nothing.
 */
export class SharedWait implements Waiter, JobWatcher {
  /** What became of the job, as soon as somebody has told. */
  outcome: Outcome | null = null;
  /** Whether it was cancelled. */
  cancelled = false;
  readonly #scheduler: SharedScheduler;
  #end: ((how: "woken" | "late") => void) | null = null;

  constructor(scheduler: SharedScheduler) {
    this.#scheduler = scheduler;
  }

  /** A new wait begins. */
  begin(): void {
    this.cancelled = false;
    this.outcome = null;
  }

  /** Waits until it is told something, among others of these tubes, or until it is late. */
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

  /** Ends it. */
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
