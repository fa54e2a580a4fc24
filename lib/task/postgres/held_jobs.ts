import type { Log } from "../../log.ts";

/** How many places in which a job waits for another are looked at in one transaction. */
const RELEASE_STEP = 500;

/** Options for {@linkcode HeldJobs}. */
export interface HeldJobsOptions {
  /** As `Lanes.releaseHeld`. */
  step(max: number): Promise<number>;
  log: Log;
}

/** Releases jobs that are held until others are done, one run at a time. */
export class HeldJobs {
  readonly #options: HeldJobsOptions;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(options: HeldJobsOptions) {
    this.#options = options;
  }

  /** Releases what can be released. What fails is tried again with the next call. */
  release(): void {
    this.#again = true;
    this.#running ??= this.#run().finally(() => this.#running = undefined);
  }

  /** Waits for the run in progress. */
  async close(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { step, log } = this.#options;
    try {
      while (this.#again) {
        this.#again = false;
        while (await step(RELEASE_STEP) === RELEASE_STEP);
      }
    } catch (error) {
      log.debug("Cannot release jobs that are held", { error: String(error) });
    }
  }
}
