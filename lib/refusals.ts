import type { Log } from "./log.ts";

/** A token's refusals are logged again after this long without one. */
const EPISODE_MS = 60_000;

/** How many tokens are remembered; the number of tokens that one service has is about as small. */
const REMEMBERED_TOKENS_MAX = 1000;

/** How much of a name is logged. */
const LOGGED_NAME_CHARS = 100;

/** What a client was refused because its token lacks the right. */
export interface Refusal {
  /** The name of its token. */
  token: string;
  /** What it wanted to do, in the words of the configuration, such as "write". */
  action: string;
  /** The key, tube or subject; empty if there is none. */
  name: string;
  /** The number of the connection, if it has one. */
  client?: number;
  /** The address of the client. */
  address: string;
}

/** Counts what a service refuses for lack of rights, and logs the first refusal of each episode. */
export class Refusals {
  /** All refusals so far. */
  count = 0;
  readonly #log: Log;
  /** When each token was last refused anything, on the monotonic clock. */
  readonly #lastMs = new Map<string, number>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Notes a refusal. An episode of a token ends after a minute without any. */
  add({ token, action, name, client, address }: Refusal, nowMs: number = performance.now()): void {
    this.count++;
    const last = this.#lastMs.get(token);
    // Set anew, so that the map is in the order of the last refusals.
    this.#lastMs.delete(token);
    if (this.#lastMs.size >= REMEMBERED_TOKENS_MAX) {
      this.#lastMs.delete(this.#lastMs.keys().next().value!);
    }
    this.#lastMs.set(token, nowMs);
    if (last !== undefined && nowMs - last < EPISODE_MS) return;
    const who = client === undefined ? { address } : { client, address };
    const about = { ...who, token, action, name: name.slice(0, LOGGED_NAME_CHARS) };
    this.#log.warn("Token lacks the right", about);
  }
}
