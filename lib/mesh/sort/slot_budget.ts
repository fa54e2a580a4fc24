/**
 * Who gets how much of the memory of a sort. Slots that are open in a thread or wait to be sent
 * cannot be spilled, so they get a part and no more; see bucket_store.ts.
 *
 * @module
 */

import type { BucketStore } from "./bucket_store.ts";
import { SLOT_BYTES } from "./partitioner.ts";
import type { SortThread } from "./sort_pool.ts";

/** The least memory that a sort can work with. */
export const MIN_MEMORY_BYTES = 64 * 1024 * 1024;
/** The most memory that a sort uses: addresses in it have 32 bits. */
export const MAX_MEMORY_BYTES = 4 * 1024 * 1024 * 1024 - SLOT_BYTES;

/** Of the memory, this much is for slots; the rest is for tables, chunks and blocks. */
const SLAB_PART = 7 / 8;
/** The open slots of all workers together take this part of all slots at most. */
const OPEN_PART = 1 / 4;
/** Slots that are open or wait to be sent take this part at most; the rest can be spilled. */
const OUTBOUND_PART = 1 / 2;
/** So many full slots can be on their way from a worker. */
const SPARE_SLOTS = 64;
/** So many slots are left for what peers send. */
const RESERVED_SLOTS = 16;

/** How much of the memory of a sort is for slots, in bytes. */
export function slabBytes(memoryBytes: number): number {
  return Math.floor(memoryBytes * SLAB_PART);
}

/** How many buckets all threads together can have open. */
export function maxOpenBuckets(slots: number): number {
  return slots * OPEN_PART;
}

/** Gives slots to the threads that deal out entries. */
export class SlotBudget {
  readonly #store: BucketStore;
  /** Slots that each thread holds, open ones included. */
  readonly #held = new Map<SortThread, number>();
  #slotsPerThread = 0;
  #queued = 0;

  constructor(store: BucketStore) {
    this.#store = store;
  }

  /** Plans for threads that each deal out to so many buckets. */
  plan(buckets: number): void {
    this.#slotsPerThread = buckets + SPARE_SLOTS;
  }

  /** A thread begins to deal out. */
  begin(thread: SortThread): void {
    this.#held.set(thread, 0);
    this.grant();
  }

  /** A thread has handed on so many slots. */
  handedOn(thread: SortThread, slots: number): void {
    this.#held.set(thread, this.#held.get(thread)! - slots);
  }

  /** A thread has dealt out everything. */
  end(thread: SortThread): void {
    this.#held.delete(thread);
  }

  /** A slot waits to be sent. */
  queue(): void {
    this.#queued++;
  }

  /** A slot has been sent. */
  unqueue(): void {
    this.#queued--;
  }

  /** Gives slots to threads that are short of them, as far as there are any for that. */
  grant(): void {
    if (this.#held.size === 0) return;
    const most = Math.floor(this.#store.slots * OUTBOUND_PART);
    for (const [thread, held] of this.#held) {
      const outbound = this.#held.values().reduce((sum, slots) => sum + slots, this.#queued);
      const slots = this.#store.takeSlots(
        Math.min(
          this.#slotsPerThread - held,
          most - outbound,
          this.#store.freeSlots - RESERVED_SLOTS,
        ),
      );
      if (slots.length === 0) continue;
      this.#held.set(thread, held + slots.length);
      thread.grant(slots);
    }
  }
}
