/**
 * Chooses the record to evict.
 *
 * To find the least recently used of all records, they would have to be kept in that order, which
 * costs memory and time with every access. Instead each record carries a stamp, the time of its last
 * access in units of {@linkcode STAMP_MS}. For each eviction a few random records are compared, and
 * those that have been idle longest go into a small pool; the best of the pool is evicted. Since the
 * pool keeps good candidates from earlier samples, it soon holds only records from the oldest few
 * per cent. Redis does the same.
 *
 * A candidate is only a hint. By the time it is chosen, its key may have been deleted, moved by
 * SWAPDB or used again, so it counts only if there still is a record with this key and this stamp.
 *
 * @module
 */

import type { Table } from "../table/table.ts";
import type { EvictionPolicy } from "../eviction_policy.ts";

/** The unit of access stamps. 32 bits of it are two years. */
export const STAMP_MS = 16;

/** Random records per eviction. */
const SAMPLES = 5;

/** Candidates in the pool. */
const POOL_SIZE = 16;

/** Sampling stops after this many rounds in which all candidates turned out to be outdated. */
const MAX_ROUNDS = 16;

/** A record to evict. */
export interface Victim {
  space: number;
  address: number;
}

/** A record that has been idle for long. */
interface Candidate {
  space: number;
  key: Uint8Array;
  stamp: number;
  /** How long it has been idle, in units of {@linkcode STAMP_MS}. */
  idle: number;
}

/** The access stamp for a time in milliseconds. It wraps around. */
export function stampOf(nowMs: number): number {
  return Math.floor(nowMs / STAMP_MS) >>> 0;
}

/** How long a record has been idle, given the present stamp and its own. */
export function idleTime(nowStamp: number, stamp: number): number {
  return (nowStamp - stamp) >>> 0;
}

/** Chooses what to evict from the tables of a store. */
export class Evictor {
  policy: EvictionPolicy = "noeviction";
  readonly #spaces: () => readonly { readonly table: Table }[];
  readonly #random: () => number;
  /** Sorted by idle time; the longest last. */
  #pool: Candidate[] = [];

  /**
   * @param spaces Returns all spaces, by number.
   * @param random Returns a number from 0 to less than 1.
   */
  constructor(
    spaces: () => readonly { readonly table: Table }[],
    random: () => number = Math.random,
  ) {
    this.#spaces = spaces;
    this.#random = random;
  }

  /**
   * The next record to evict; `undefined` if the policy allows none.
   *
   * @param nowStamp The present access stamp.
   */
  next(nowStamp: number): Victim | undefined {
    switch (this.policy) {
      case "noeviction":
        return undefined;
      case "volatile-ttl":
        return this.#firstToExpire();
      case "allkeys-random":
      case "volatile-random":
        return this.#sample();
      case "allkeys-lru":
      case "volatile-lru":
        return this.#leastRecentlyUsed(nowStamp);
    }
  }

  get #volatile(): boolean {
    return this.policy.startsWith("volatile");
  }

  #firstToExpire(): Victim | undefined {
    let victim: Victim | undefined;
    let firstMs = Infinity;
    this.#spaces().forEach(({ table: { expiry } }, space) => {
      if (expiry.nextMs >= firstMs) return;
      firstMs = expiry.nextMs;
      victim = { space, address: expiry.first };
    });
    return victim;
  }

  /** A random record that may be evicted. */
  #sample(): Victim | undefined {
    const spaces = this.#spaces();
    const volatile = this.#volatile;
    let total = 0;
    for (const { table } of spaces) total += volatile ? table.expiry.size : table.size;
    let rest = Math.floor(this.#random() * total);
    for (let space = 0; space < spaces.length; space++) {
      const { table } = spaces[space]!;
      const size = volatile ? table.expiry.size : table.size;
      if (rest < size) {
        return { space, address: volatile ? table.expiry.at(rest) : table.random() };
      }
      rest -= size;
    }
    return undefined;
  }

  #leastRecentlyUsed(nowStamp: number): Victim | undefined {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      for (let sample = 0; sample < SAMPLES; sample++) {
        const victim = this.#sample();
        if (victim === undefined) return undefined;
        this.#consider(victim, nowStamp);
      }
      const victim = this.#takeBest();
      if (victim !== undefined) return victim;
    }
    // Hardly ever: every candidate was used between two rounds.
    return this.#sample();
  }

  /** Puts a record into the pool, if it has been idle longer than one there or there is space. */
  #consider({ space, address }: Victim, nowStamp: number): void {
    const { records } = this.#spaces()[space]!.table;
    const pool = this.#pool;
    const stamp = records.stamp(address);
    const idle = idleTime(nowStamp, stamp);
    if (pool.length === POOL_SIZE && idle <= pool[0]!.idle) return;
    const range = { bytes: new Uint8Array(0), start: 0, end: 0 };
    records.locateKey(address, range);
    const key = range.bytes.slice(range.start, range.end);
    if (pool.some((other) => other.space === space && sameBytes(other.key, key))) return;
    if (pool.length === POOL_SIZE) pool.shift();
    let at = pool.length;
    while (at > 0 && pool[at - 1]!.idle > idle) at--;
    pool.splice(at, 0, { space, key, stamp, idle });
  }

  /** Takes candidates from the pool until one is still valid. */
  #takeBest(): Victim | undefined {
    const spaces = this.#spaces();
    const volatile = this.#volatile;
    for (let best = this.#pool.pop(); best !== undefined; best = this.#pool.pop()) {
      const { space, key, stamp } = best;
      const { table } = spaces[space]!;
      const { records } = table;
      const address = table.find(key, 0, key.length);
      if (address === 0 || records.stamp(address) !== stamp) continue;
      if (volatile && records.heapPlace(address) === 0) continue;
      return { space, address };
    }
    return undefined;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
