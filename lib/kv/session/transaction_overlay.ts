/**
 * Runs synchronous work inside an asynchronous transaction over whole spaces.
 *
 * @module
 */

import type { Entry, Key, Place, Transaction } from "../../storage/store.ts";
import type { Value } from "../../storage/value.ts";
import type { Labelled, Misses } from "../changes/change.ts";
import { placeName } from "../commands/places.ts";

/** A change to one key; the value is `undefined` for a deletion. */
export interface OverlayChange extends Place {
  /** The command that makes it. */
  readonly command: string | undefined;
  readonly value: Value | undefined;
  readonly expiresAtMs: number;
}

/** A transaction over entries that were read beforehand. It collects its changes. */
export class TransactionOverlay implements Transaction, Labelled {
  command: string | undefined;
  misses: Misses = false;
  readonly nowMs: number;
  /** The changes so far, in order. */
  readonly changes: OverlayChange[] = [];
  readonly #entries = new Map<string, Entry | undefined>();

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  /** Supplies the entry at a place. */
  add(place: Place, entry: Entry | undefined): void {
    this.#entries.set(placeName(place), entry);
  }

  get(space: number, key: Key): Entry | undefined {
    return this.#entries.get(placeName({ space, key }));
  }

  put(space: number, key: Key, value: Value, expiresAtMs: number): void {
    const { command } = this;
    this.changes.push({ space, key, value, expiresAtMs, command });
    const expired = expiresAtMs !== 0 && expiresAtMs <= this.nowMs;
    this.add({ space, key }, expired ? undefined : { value, version: 0, expiresAtMs });
  }

  delete(space: number, key: Key): boolean {
    const { command } = this;
    this.changes.push({ space, key, value: undefined, expiresAtMs: 0, command });
    const existed = this.get(space, key) !== undefined;
    this.add({ space, key }, undefined);
    return existed;
  }
}
