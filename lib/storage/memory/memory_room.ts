/**
 * Keeps the data of a store within a limit: evicts records to make room for others, if the policy
 * allows it, and refuses what does not fit.
 *
 * A write that lacks room evicts a few records at once, which is enough in the steady state. If it
 * needs more room than that, it has to wait while records are evicted in turns, and then try again.
 *
 * @module
 */

import { Turn } from "../../turn.ts";
import { type MaybePromise, OutOfMemoryError } from "../store.ts";
import type { Evictor, Victim } from "./evictor.ts";

/** Records that one write evicts at once. Evicting one takes a few microseconds. */
const MAX_EVICTED_AT_ONCE = 16;

/** Records evicted between two readings of the clock. */
const EVICTED_PER_CLOCK_READ = 16;

/** What a {@linkcode MemoryRoom} needs of its store. */
export interface RoomOwner {
  /** Bytes of all keys and values. */
  bytes(): number;
  /** The present access stamp. */
  stamp(): number;
  /** Removes a record, durably, as a client's DEL would. */
  evict(victim: Victim): void;
  /** Waits until records may be evicted; `undefined` if they may be now. */
  ready(): Promise<void> | undefined;
}

/** The room for keys and values. */
export class MemoryRoom {
  maxBytes: number;
  /** Writes that wait for room. Their clients' next commands must not overtake them. */
  waiting = 0;
  /** The number of records evicted. */
  evicted = 0;
  readonly evictor: Evictor;
  readonly #owner: RoomOwner;
  #shrinking = false;

  /** @param maxBytes Limit on bytes of keys and values. */
  constructor(maxBytes: number, evictor: Evictor, owner: RoomOwner) {
    this.maxBytes = maxBytes;
    this.evictor = evictor;
    this.#owner = owner;
  }

  /** Whether so many bytes can be added now. */
  has(bytes: number): boolean {
    return this.#owner.bytes() + bytes <= this.maxBytes;
  }

  /** Makes room for so many bytes by evicting a few records; returns whether there is room. */
  make(bytes: number): boolean {
    if (this.has(bytes)) return true;
    if (!this.#mayMake(bytes) || this.#owner.ready() !== undefined) return false;
    return this.#evict(bytes, MAX_EVICTED_AT_ONCE) && this.has(bytes);
  }

  /** Makes room for so many bytes, in turns; returns whether there is room at the end. */
  async makeInTurns(bytes: number): Promise<boolean> {
    const turn = new Turn();
    while (!this.has(bytes)) {
      if (!this.#mayMake(bytes)) return false;
      for (let wait = this.#owner.ready(); wait !== undefined; wait = this.#owner.ready()) {
        await wait;
      }
      if (!this.#evict(bytes, EVICTED_PER_CLOCK_READ)) return false;
      if (turn.over) await turn.next();
    }
    return true;
  }

  /** Whether evicting entries may help against an error. */
  helps(error: unknown): error is OutOfMemoryError {
    return error instanceof OutOfMemoryError && error.neededBytes > 0 &&
      this.evictor.policy !== "noeviction";
  }

  /**
   * Makes room and runs a write again that found none; throws its error if that does not help.
   *
   * A transaction reports the first value that did not fit, and more may follow. So it gets twice the
   * room that it has asked for until then: it fails again only beyond that, and runs few times.
   *
   * @param error Why the write failed; it has had no effect.
   * @param written What a transaction had written until then, including that value.
   */
  retry<T>(
    error: unknown,
    again: () => MaybePromise<T>,
    written: { puts: number; writtenBytes: number } = { puts: 1, writtenBytes: 0 },
  ): MaybePromise<T> {
    if (!this.helps(error)) throw error;
    const bytes = written.puts <= 1
      ? error.neededBytes
      : Math.min(2 * (written.writtenBytes + error.neededBytes), this.maxBytes);
    // There was that much room already, and it has not been enough.
    if (this.has(bytes)) throw error;
    if (this.make(bytes)) return again();
    this.waiting++;
    return this.makeInTurns(bytes).finally(() => this.waiting--).then((made) => {
      if (!made) throw error;
      return again();
    });
  }

  /** Evicts what exceeds the limit after it was lowered, in the background. */
  shrink(): void {
    if (this.#shrinking || this.has(0) || !this.#mayMake(0)) return;
    this.#shrinking = true;
    this.makeInTurns(0).catch(() => {
      // The storage failed. Writes are refused until it works again, and then make room.
    }).finally(() => this.#shrinking = false);
  }

  #mayMake(bytes: number): boolean {
    return this.evictor.policy !== "noeviction" && bytes <= this.maxBytes;
  }

  /** Evicts until there is room or the limit is reached; returns whether any could be evicted. */
  #evict(bytes: number, limit: number): boolean {
    for (let count = 0; count < limit && !this.has(bytes); count++) {
      const victim = this.evictor.next(this.#owner.stamp());
      if (victim === undefined) return count > 0;
      this.#owner.evict(victim);
      this.evicted++;
    }
    return true;
  }
}
