import type { CommitLog } from "../commit_log.ts";
import type { Place } from "../store.ts";
import type { KeySpace } from "./key_space.ts";

/** How often to look for expired entries, while any entry can expire. */
const EXPIRY_INTERVAL_MS = 100;

/** Expired entries to remove before yielding to the event loop. */
const EXPIRY_STEP_ENTRIES = 200;

/** What an {@linkcode Expirer} needs of its store. */
export interface ExpirerOwner {
  /** Whether entries may be removed now. */
  ready(): boolean;
  /** Writes removals to the log; settles when they are durable. */
  commit(): Promise<void> | undefined;
  /** Told of the entries that were just removed; `undefined` if nobody wants to know. */
  removed(): ((places: readonly Place[]) => void) | undefined;
}

/** Removes entries of a key space that have expired, durably, as a client's DEL would. */
export class Expirer {
  readonly #keys: KeySpace;
  readonly #log: CommitLog;
  readonly #owner: ExpirerOwner;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(keys: KeySpace, log: CommitLog, owner: ExpirerOwner) {
    this.#keys = keys;
    this.#log = log;
    this.#owner = owner;
  }

  /** Looks for expired entries later, and again for as long as any entry can expire. */
  start(delayMs = EXPIRY_INTERVAL_MS): void {
    if (this.#timer !== undefined || this.#closed) return;
    const timer = this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const removed = this.#owner.ready() ? this.#step() : 0;
      if (!this.#keys.expiring) return;
      this.start(removed === EXPIRY_STEP_ENTRIES ? 0 : EXPIRY_INTERVAL_MS);
    }, delayMs);
    Deno.unrefTimer(timer);
  }

  /** Stops for good. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Removes some expired entries; returns how many. */
  #step(): number {
    const nowMs = Date.now();
    const { durable, committedVersion } = this.#log;
    const tell = this.#owner.removed();
    const places: Place[] = [];
    let removed = 0;
    for (const [number, space] of this.#keys.spaces.entries()) {
      const { expiry, records } = space.table;
      while (removed < EXPIRY_STEP_ENTRIES && expiry.nextMs <= nowMs) {
        if (durable && records.version(expiry.first) > committedVersion) break;
        if (tell !== undefined) {
          places.push({ space: number, key: this.#keys.keyOf(space, expiry.first) });
        }
        this.#keys.remove(space, expiry.first, durable);
        removed++;
      }
    }
    this.#owner.commit()?.catch(() => {
      // The removal was undone; the next step tries again.
    });
    if (places.length > 0) tell!(places);
    return removed;
  }
}
