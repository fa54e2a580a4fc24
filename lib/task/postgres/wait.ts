import { SYSTEM_CLOCK } from "../clock.ts";
import { isOutcome } from "../life_cycle.ts";
import type { Outcome } from "../queue.ts";
import type { LocalTube, Waiter } from "./local_tube.ts";
import type { JobWatcher } from "./job_watchers.ts";
import type { SharedScheduler } from "./scheduler.ts";

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
  /** Whether what it read last may be out of date. */
  #stale = false;
  #isNews: ((outcome: Outcome) => boolean) | undefined;
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

  /**
   * Waits until a job is done, cancelled, deleted or buried. It must be among the watchers of the job.
   *
   * @param look Reads the outcome of the job so far.
   * @param options The longest wait; `isNews` tells whether an outcome has progress that ends the
   * wait as well.
   */
  async forOutcome(
    look: () => Promise<Outcome | null>,
    { timeoutMs, isNews }: {
      timeoutMs: number;
      isNews: ((outcome: Outcome) => boolean) | undefined;
    },
  ): Promise<Outcome | "TIMED_OUT" | null> {
    this.begin();
    this.#isNews = isNews;
    const endMs = performance.now() + timeoutMs;
    for (let known = false;;) {
      this.#stale = false;
      const outcome = await look();
      if (this.outcome !== null) return this.outcome;
      if (outcome === null) return known ? { state: "deleted", body: "" } : null;
      if (isOutcome(outcome.state) || isNews?.(outcome)) return outcome;
      known = true;
      const now = performance.now();
      if (this.cancelled || endMs <= now) return "TIMED_OUT";
      if (this.#stale) continue;
      await this.sleep([], endMs - now);
      if (this.outcome !== null) return this.outcome;
    }
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

  progressed(): void {
    if (this.#isNews !== undefined) this.askAgain();
  }

  askAgain(): void {
    // It may not sleep yet: what it is reading can be older than the news.
    this.#stale = true;
    this.wake();
  }
}
