import { Episodes } from "./episodes.ts";
import type { Log } from "./log.ts";

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
  /** The episodes of each token. */
  readonly #episodes = new Episodes();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Notes a refusal. An episode of a token ends after a minute without any. */
  add({ token, action, name, client, address }: Refusal, nowMs: number = performance.now()): void {
    this.count++;
    if (!this.#episodes.begins(token, nowMs)) return;
    const who = client === undefined ? { address } : { client, address };
    const about = { ...who, token, action, name: name.slice(0, LOGGED_NAME_CHARS) };
    this.#log.warn("Token lacks the right", about);
  }
}
