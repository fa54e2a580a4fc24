/**
 * What watches the commands of all clients: monitors, a pause, and the slow log.
 *
 * @module
 */

import { ClientPause } from "./client_pause.ts";
import { Monitors } from "./monitors.ts";
import { SlowLog } from "./slow_log.ts";

/**
 * The frequent commands on short values take a few microseconds. They are timed only if the
 * threshold is below this.
 */
const SURELY_FAST_US = 1000;

/** The watchers of one service. */
export class CommandWatch {
  /**
   * Whether each single command must be looked at. If not, the frequent ones take a path that knows
   * nothing of watchers.
   */
  active = false;
  #followed = false;
  readonly slowLog = new SlowLog();
  readonly monitors: Monitors = new Monitors(() => this.#update());
  readonly pause: ClientPause = new ClientPause(() => this.#update());

  /** Whether the changes of keys are followed; see `changes/observed_store.ts`. */
  get followed(): boolean {
    return this.#followed;
  }

  set followed(followed: boolean) {
    this.#followed = followed;
    this.#update();
  }

  /** Sets the threshold of the slow log, in microseconds; -1 for none. */
  setSlowerThan(us: number): void {
    this.slowLog.slowerThanUs = us;
    this.#update();
  }

  #update(): void {
    const { slowerThanUs } = this.slowLog;
    this.active = this.#followed || this.monitors.size > 0 || this.pause.mode !== undefined ||
      (slowerThanUs >= 0 && slowerThanUs < SURELY_FAST_US);
  }
}
