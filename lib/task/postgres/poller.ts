import type { Log } from "../../log.ts";
import { StorageUnavailableError } from "../../storage/store.ts";
import { SYSTEM_CLOCK } from "../clock.ts";
import { asUnavailable } from "./retry.ts";

/** The longest time between two polls. */
const POLL_INTERVAL_MS = 1000;

/** The shortest time between two polls. */
const MIN_POLL_INTERVAL_MS = 5;

/** Looks for jobs that are due: regularly, and when one is expected. */
export class Poller {
  readonly #look: () => Promise<number>;
  readonly #log: Log;
  #polling = Promise.resolve();
  #pollAt = Infinity;
  #stopTimer: () => void = () => {};
  #closed = false;

  /**
   * @param look Looks for what is due; resolves with the time until something is, `Infinity` if
   * nothing is known.
   */
  constructor(look: () => Promise<number>, log: Log) {
    this.#look = look;
    this.#log = log;
  }

  /** Polls after this delay, or sooner. */
  lookIn(ms: number): void {
    if (this.#closed) return;
    const delayMs = Math.min(POLL_INTERVAL_MS, Math.max(MIN_POLL_INTERVAL_MS, ms));
    const at = SYSTEM_CLOCK.now() + delayMs;
    if (at >= this.#pollAt) return;
    this.#pollAt = at;
    this.#stopTimer();
    this.#stopTimer = SYSTEM_CLOCK.after(delayMs, () => {
      this.#polling = this.#poll();
    });
  }

  /** Stops, and waits for the poll in progress. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopTimer();
    await this.#polling;
  }

  async #poll(): Promise<void> {
    let nextMs = POLL_INTERVAL_MS;
    // A job that is put or reserved meanwhile may be due before the next regular poll.
    this.#pollAt = Infinity;
    try {
      nextMs = await this.#look();
    } catch (error) {
      if (!(asUnavailable(error) instanceof StorageUnavailableError)) throw error;
      this.#log.debug("Cannot poll for jobs that are due", { error: String(error) });
    }
    this.lookIn(nextMs);
  }
}
