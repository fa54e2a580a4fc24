/**
 * The committed changes of a store, in order.
 *
 * A transaction enters the feed when its function runs, and its changes are passed on once it is
 * durable and all that ran before it have ended. So the order is that in which the changes were
 * made, and nobody hears of a change that a crash could undo.
 *
 * @module
 */

import type { Change } from "./change.ts";

/** How many passed entries stay in the queue before they are removed. */
const MAX_PASSED = 1024;

/** The changes of one run of a transaction. */
export class FeedEntry {
  readonly changes: Change[] = [];
  /** "void": it has failed, or runs again. */
  state: "running" | "durable" | "void" = "running";
}

/** Takes changes that are durable. Must be quick, and must not throw. */
export type ChangeListener = (changes: readonly Change[]) => void;

/** What the listeners want to know besides plain changes. It makes transactions slower. */
export interface Wishes {
  /** Whether a key is new. */
  news: boolean;
  /** Which keys were not found. */
  misses: boolean;
}

/** The changes of one store. */
export class ChangeFeed {
  wishes: Wishes = { news: false, misses: false };
  readonly #listeners = new Set<ChangeListener>();
  readonly #onActive: (active: boolean) => void;
  #queue: FeedEntry[] = [];
  #first = 0;

  /** @param onActive Called when the first listener is added and when the last one is removed. */
  constructor(onActive: (active: boolean) => void) {
    this.#onActive = onActive;
  }

  /** Whether anyone listens. */
  get active(): boolean {
    return this.#listeners.size > 0;
  }

  /** Adds a listener for all changes from now on. */
  add(listener: ChangeListener): void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#onActive(true);
  }

  /** Removes a listener. */
  remove(listener: ChangeListener): void {
    if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#onActive(false);
  }

  /** Takes a place in the order for a transaction whose function begins to run. */
  enter(): FeedEntry {
    const entry = new FeedEntry();
    this.#queue.push(entry);
    return entry;
  }

  /** Notes what has become of a transaction, and passes on what is due. */
  settle(entry: FeedEntry, state: "durable" | "void"): void {
    entry.state = state;
    const queue = this.#queue;
    while (this.#first < queue.length && queue[this.#first]!.state !== "running") {
      const { state, changes } = queue[this.#first++]!;
      if (state === "void" || changes.length === 0) continue;
      for (const listener of this.#listeners) listener(changes);
    }
    if (this.#first === queue.length || this.#first > MAX_PASSED) {
      this.#queue = queue.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Passes on a change that the store has made by itself. */
  tell(changes: readonly Change[], durable: Promise<void> | undefined): void {
    const entry = this.enter();
    for (const change of changes) entry.changes.push(change);
    if (durable === undefined) return this.settle(entry, "durable");
    durable.then(() => this.settle(entry, "durable"), () => this.settle(entry, "void"));
  }
}
