import type { Connection } from "./connection.ts";

/** How often connections are looked at within a limit, and how far apart that is. */
const LOOKS = 8;
const LOOK_MIN_MS = 5;
const LOOK_MAX_MS = 60_000;

/** Options for {@linkcode TimeLimit}. */
export interface TimeLimitOptions {
  /** How long it may take, 0 for ever; until that is noticed takes up to a quarter longer. */
  limitMs: number;
  /** The connections that there are. */
  connections: () => Iterable<Connection>;
  /** A number that must not stay as it is for that long, unless it is 0. */
  stateOf: (connection: Connection) => number;
  /** Told once of a connection for which it has. */
  onOver: (connection: Connection) => void;
}

/**
 * A limit to how long connections may stay in one state. It looks at them from time to time and
 * counts, so a connection that goes on costs no timer and no look at the clock. That the count goes
 * one look beyond the limit gives what has arrived a chance to be read: however long this process
 * itself was held up, that is one look.
 */
export class TimeLimit implements Disposable {
  readonly #options: TimeLimitOptions;
  readonly #maxLooks: number;
  readonly #seen = new WeakMap<Connection, { state: number; looks: number }>();
  readonly #timer: ReturnType<typeof setInterval> | undefined;

  /** @param options See {@linkcode TimeLimitOptions}. */
  constructor(options: TimeLimitOptions) {
    const { limitMs } = options;
    this.#options = options;
    const everyMs = Math.min(Math.max(LOOK_MIN_MS, limitMs / LOOKS), LOOK_MAX_MS);
    this.#maxLooks = Math.ceil(limitMs / everyMs) + 1;
    if (limitMs > 0) this.#timer = setInterval(() => this.#look(), everyMs);
  }

  /** Ends it. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { connections, stateOf, onOver } = this.#options;
    for (const connection of connections()) {
      const state = stateOf(connection);
      const seen = this.#seen.get(connection);
      if (seen === undefined || seen.state !== state) {
        this.#seen.set(connection, { state, looks: 0 });
      } else if (state !== 0 && ++seen.looks === this.#maxLooks) onOver(connection);
    }
  }
}
