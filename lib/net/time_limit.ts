import type { Connection } from "./connection.ts";

/** How many times connections are checked within a limit, and the bounds of the interval. */
const CHECKS = 8;
const CHECK_MIN_MS = 5;
const CHECK_MAX_MS = 60_000;

/** Options for {@linkcode TimeLimit}. */
export interface TimeLimitOptions<T extends object = Connection> {
  /** The limit; 0 for none. It takes up to a quarter longer until a connection is found over it. */
  limitMs: number;
  /** The open connections. */
  connections: () => Iterable<T>;
  /** The state of a connection. It must not stay the same for longer than the limit, unless 0. */
  stateOf: (connection: T) => number;
  /** Called once for each connection that exceeds the limit. */
  onOver: (connection: T) => void;
}

/**
 * Limits how long connections may stay in one state. It checks all of them at intervals and counts
 * the checks since the last change, so an active connection costs no timer and no clock reading.
 *
 * The count allows one check more than the limit. However long this process was held up, that is one
 * check, and input that arrived meanwhile is read before the next one.
 */
export class TimeLimit<T extends object = Connection> implements Disposable {
  readonly #options: TimeLimitOptions<T>;
  #maxChecks = 0;
  #seen = new WeakMap<T, { state: number; checks: number }>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param options See {@linkcode TimeLimitOptions}. */
  constructor(options: TimeLimitOptions<T>) {
    this.#options = options;
    this.setLimit(options.limitMs);
  }

  /** Changes the limit. The time of every connection starts again. */
  setLimit(limitMs: number): void {
    clearInterval(this.#timer);
    this.#seen = new WeakMap();
    const everyMs = Math.min(Math.max(CHECK_MIN_MS, limitMs / CHECKS), CHECK_MAX_MS);
    this.#maxChecks = Math.ceil(limitMs / everyMs) + 1;
    if (limitMs > 0) this.#timer = setInterval(() => this.#check(), everyMs);
  }

  /** Stops checking. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const { connections, stateOf, onOver } = this.#options;
    for (const connection of connections()) {
      const state = stateOf(connection);
      if (state === 0) {
        // Nothing is kept for the many that are idle.
        this.#seen.delete(connection);
        continue;
      }
      const seen = this.#seen.get(connection);
      if (seen === undefined || seen.state !== state) {
        this.#seen.set(connection, { state, checks: 0 });
      } else if (++seen.checks === this.#maxChecks) onOver(connection);
    }
  }
}
