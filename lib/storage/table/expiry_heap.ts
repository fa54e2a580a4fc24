/**
 * A heap of the records that can expire, ordered by time. Each record knows its place, so that one
 * that is overwritten or deleted leaves the heap at once. Entries have four children: half as many
 * levels as with two, and each level costs a write to a record elsewhere in memory.
 *
 * @module
 */

import type { Records } from "./records.ts";

/** Entries per chunk. A heap grows by chunks, so that growing copies nothing. */
const CHUNK_BITS = 12;
const CHUNK_ENTRIES = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_ENTRIES - 1;

/** The number of records that an average is estimated from. */
const MAX_SAMPLES = 1000;

/** Addresses ordered by the time at which their records expire. */
export class ExpiryHeap {
  readonly #records: Records;
  readonly #times: Float64Array[] = [];
  readonly #addresses: Int32Array[] = [];
  #size = 0;

  constructor(records: Records) {
    this.#records = records;
  }

  /** The number of entries. */
  get size(): number {
    return this.#size;
  }

  /** When the next record expires; `Infinity` if there is none. */
  get nextMs(): number {
    return this.#size === 0 ? Infinity : this.#time(0);
  }

  /** The record that expires next; 0 if there is none. */
  get first(): number {
    return this.#size === 0 ? 0 : this.#address(0);
  }

  /** The record at an index below {@linkcode ExpiryHeap.size}, for random samples. */
  at(index: number): number {
    return this.#address(index);
  }

  /** When a live record expires, in milliseconds since the Unix epoch; 0 for never. */
  expiryOf(address: number): number {
    const place = this.#records.heapPlace(address);
    return place === 0 ? 0 : this.#time(place - 1);
  }

  /** Sets when a live record expires; 0 for never. */
  set(address: number, expiresAtMs: number): void {
    const place = this.#records.heapPlace(address);
    if (place === 0) {
      if (expiresAtMs !== 0) this.#rise(this.#add(), address, expiresAtMs);
    } else if (expiresAtMs === 0) {
      this.#remove(place - 1);
      this.#records.setHeapPlace(address, 0);
    } else {
      this.#settle(place - 1, address, expiresAtMs);
    }
  }

  /** Replaces a record, which expires, by another one that expires at the same time. */
  replace(address: number, by: number): void {
    const place = this.#records.heapPlace(address);
    if (place !== 0) this.#set(place - 1, by, this.#time(place - 1));
  }

  /**
   * The average time until the records expire, in milliseconds; those that have expired do not count.
   * In a large heap, an estimate from a thousand records.
   */
  averageTtlMs(nowMs: number): number {
    const step = Math.max(1, this.#size / MAX_SAMPLES);
    let sum = 0, count = 0;
    for (let at = 0; at < this.#size; at += step) {
      const ttlMs = this.#time(Math.floor(at)) - nowMs;
      if (ttlMs <= 0) continue;
      sum += ttlMs;
      count++;
    }
    return count === 0 ? 0 : sum / count;
  }

  /**
   * Counts the entries that have expired at a time, in steps. Visits only those and their children.
   *
   * @param open Where to go on: pass an array with 0 in it first, and the same one until it is empty.
   * Nothing may change in between.
   * @param limit The most entries to visit.
   * @returns How many were counted in this step.
   */
  countUntil(nowMs: number, open: number[], limit: number): number {
    let count = 0;
    for (; limit > 0 && open.length > 0; limit--) {
      const index = open.pop()!;
      if (index >= this.#size || this.#time(index) > nowMs) continue;
      count++;
      for (let child = 4 * index + 1; child <= 4 * index + 4; child++) open.push(child);
    }
    return count;
  }

  #add(): number {
    if (this.#size === this.#times.length << CHUNK_BITS) {
      this.#times.push(new Float64Array(CHUNK_ENTRIES));
      this.#addresses.push(new Int32Array(CHUNK_ENTRIES));
    }
    return this.#size++;
  }

  #remove(index: number): void {
    const last = --this.#size;
    if (index !== last) this.#settle(index, this.#address(last), this.#time(last));
    // One chunk stays in reserve.
    if (this.#size < (this.#times.length - 2) << CHUNK_BITS) {
      this.#times.pop();
      this.#addresses.pop();
    }
  }

  /** Puts an entry where it belongs, given that the place at `index` is free. */
  #settle(index: number, address: number, time: number): void {
    if (index > 0 && this.#time((index - 1) >> 2) > time) this.#rise(index, address, time);
    else this.#sink(index, address, time);
  }

  #rise(index: number, address: number, time: number): void {
    while (index > 0) {
      const parent = (index - 1) >> 2;
      const parentTime = this.#time(parent);
      if (parentTime <= time) break;
      this.#set(index, this.#address(parent), parentTime);
      index = parent;
    }
    this.#set(index, address, time);
  }

  #sink(index: number, address: number, time: number): void {
    for (;;) {
      const first = 4 * index + 1;
      const end = Math.min(first + 4, this.#size);
      let least = index;
      let leastTime = time;
      for (let child = first; child < end; child++) {
        const childTime = this.#time(child);
        if (childTime < leastTime) {
          least = child;
          leastTime = childTime;
        }
      }
      if (least === index) break;
      this.#set(index, this.#address(least), leastTime);
      index = least;
    }
    this.#set(index, address, time);
  }

  #time(index: number): number {
    return this.#times[index >> CHUNK_BITS]![index & CHUNK_MASK]!;
  }

  #address(index: number): number {
    return this.#addresses[index >> CHUNK_BITS]![index & CHUNK_MASK]!;
  }

  #set(index: number, address: number, time: number): void {
    this.#times[index >> CHUNK_BITS]![index & CHUNK_MASK] = time;
    this.#addresses[index >> CHUNK_BITS]![index & CHUNK_MASK] = address;
    this.#records.setHeapPlace(address, index + 1);
  }
}
