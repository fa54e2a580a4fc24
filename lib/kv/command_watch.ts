/**
 * What watches the commands of all clients: monitors, a pause, and two logs of slow commands, that of
 * SLOWLOG and the daemon's own.
 *
 * @module
 */

import { ClientPause } from "./client_pause.ts";
import { Monitors } from "./monitors.ts";
import type { SlowCommands } from "../slow_commands.ts";
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
  readonly slow: SlowCommands;
  readonly monitors: Monitors = new Monitors(() => this.#update());
  readonly pause: ClientPause = new ClientPause(() => this.#update());

  /** @param slow Where commands are noted that take as long as the configuration says. */
  constructor(slow: SlowCommands) {
    this.slow = slow;
  }

  /** The time from which on a command is slow for either log, in milliseconds. */
  get slowMs(): number {
    const { slowerThanUs } = this.slowLog;
    const { thresholdMs } = this.slow;
    return slowerThanUs < 0 ? thresholdMs : Math.min(slowerThanUs / 1000, thresholdMs);
  }

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
