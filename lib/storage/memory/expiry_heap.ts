/**
 * A binary heap of the entries of a space that can expire, ordered by time. Each entry knows its
 * index, so an entry that is overwritten or deleted can be removed at once.
 *
 * @module
 */

import type { Key } from "../store.ts";

/** The number of entries that an average is estimated from. */
const MAX_SAMPLES = 1000;

/** An entry of a heap. */
export interface Expiring {
  readonly expiresAtMs: number;
  /** Its index in the heap, set by the heap only; -1 if it is in none. */
  heapIndex: number;
}

/** Entries ordered by the time at which they expire. */
export class ExpiryHeap<T extends Expiring> {
  #entries: T[] = [];
  #keys: Key[] = [];

  /** The number of entries. */
  get size(): number {
    return this.#entries.length;
  }

  /** When the next entry expires; `Infinity` if there is none. */
  get nextMs(): number {
    return this.#entries[0]?.expiresAtMs ?? Infinity;
  }

  /** The entry that expires next, and its key. */
  first(): { key: Key; entry: T } | undefined {
    const entry = this.#entries[0];
    return entry && { key: this.#keys[0]!, entry };
  }

  /** Counts the entries that have expired at a time. Visits only those and their children. */
  countUntil(nowMs: number): number {
    const open = [0];
    let count = 0;
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      const entry = this.#entries[index];
      if (entry === undefined || entry.expiresAtMs > nowMs) continue;
      count++;
      open.push(2 * index + 1, 2 * index + 2);
    }
    return count;
  }

  /**
   * The average time until the entries expire, in milliseconds; those that have expired do not
   * count. In a large heap, an estimate from a thousand entries.
   */
  averageTtlMs(nowMs: number): number {
    const { length } = this.#entries;
    const step = Math.max(1, length / MAX_SAMPLES);
    let sum = 0, count = 0;
    for (let at = 0; at < length; at += step) {
      const ttlMs = this.#entries[Math.floor(at)]!.expiresAtMs - nowMs;
      if (ttlMs <= 0) continue;
      sum += ttlMs;
      count++;
    }
    return count === 0 ? 0 : sum / count;
  }

  /** Adds an entry. */
  add(key: Key, entry: T): void {
    this.#rise(this.#entries.length, key, entry);
  }

  /** Removes an entry, which must be in the heap. */
  remove(entry: T): void {
    const index = entry.heapIndex;
    entry.heapIndex = -1;
    const last = this.#entries.pop()!;
    const lastKey = this.#keys.pop()!;
    if (last === entry) return;
    const parent = this.#entries[(index - 1) >> 1];
    if (index > 0 && parent!.expiresAtMs > last.expiresAtMs) this.#rise(index, lastKey, last);
    else this.#sink(index, lastKey, last);
  }

  #rise(index: number, key: Key, entry: T): void {
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#entries[parent]!.expiresAtMs <= entry.expiresAtMs) break;
      this.#place(index, this.#keys[parent]!, this.#entries[parent]!);
      index = parent;
    }
    this.#place(index, key, entry);
  }

  #sink(index: number, key: Key, entry: T): void {
    const entries = this.#entries;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= entries.length) break;
      const right = entries[child + 1];
      if (right !== undefined && right.expiresAtMs < entries[child]!.expiresAtMs) child++;
      if (entries[child]!.expiresAtMs >= entry.expiresAtMs) break;
      this.#place(index, this.#keys[child]!, entries[child]!);
      index = child;
    }
    this.#place(index, key, entry);
  }

  #place(index: number, key: Key, entry: T): void {
    this.#entries[index] = entry;
    this.#keys[index] = key;
    entry.heapIndex = index;
  }
}
