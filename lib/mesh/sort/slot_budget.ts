/**
 * How the memory of a sort is shared out, and the {@linkcode SlotBudget} that enforces it.
 *
 * @module
 */

import type { BucketStore } from "./bucket_store.ts";
import { SLOT_BYTES } from "./open_pieces.ts";
import type { DealTask, DealtReport } from "./sort_messages.ts";

/** The least memory that a sort can work with. */
export const MIN_MEMORY_BYTES = 64 * 1024 * 1024;
/** The most memory that a sort uses: addresses in the slab have 32 bits. */
export const MAX_MEMORY_BYTES = 4 * 1024 * 1024 * 1024 - SLOT_BYTES;

/** Part of the memory that becomes slots; the rest is for tables, chunks and blocks. */
const SLAB_PART = 7 / 8;
/** Part of the slots that the threads may have open, one for each bucket and thread. */
const OPEN_PART = 1 / 4;
/** Part of the slots that may be outbound, which cannot be spilled: open or waiting to be sent. */
const OUTBOUND_PART = 1 / 2;
/** Slots that a thread gets beyond one per bucket: full ones are on their way for a while. */
const SPARE_SLOTS = 64;
/** Slots that no thread gets, so that there is always one for the data of a peer. */
const RESERVED_SLOTS = 16;

/** How much of the memory of a sort becomes slots, in bytes. */
export function slabBytes(memoryBytes: number): number {
  return Math.floor(memoryBytes * SLAB_PART);
}

/** How many buckets all threads together may have open. */
export function maxOpenBuckets(slots: number): number {
  return slots * OPEN_PART;
}

/** What the budget needs of a thread; {@linkcode SortThread} is the real one. */
export interface DealingThread {
  /** Hands slots over to the thread. */
  grant(slots: number[]): void;
  /** Deals out entries; full slots come back as pieces. */
  deal(task: DealTask, onDealt: (report: DealtReport) => void): Promise<void>;
  /** Asks for the slots that the thread still has, including grants that it has yet to receive. */
  takeBack(): Promise<number[]>;
}

/**
 * Decides how many slots the threads that deal out entries may hold.
 *
 * A slot is in one of four places: free, in a bucket, with a thread, or queued for a peer. The last
 * two are outbound. Only slots in buckets can be spilled, so the budget keeps outbound slots below
 * half of all; whatever the threads and the peers do, the store can then free some by spilling.
 *
 * Grants are given when a thread begins, when it hands pieces on, and when a slot becomes free. A
 * thread that finishes may have slots left over, and a grant may still be on its way to it. So at
 * the end of each task the budget stops granting, asks for everything back, and compares the number
 * with what the thread owes.
 *
 * Invariants:
 *
 * - `granted` is the number of slots with threads, and `queued` that of slots queued for peers;
 *   `granted + queued` stays at or below half of the slots.
 * - When a task ends, its thread has no slots. When a job ends, all slots are free:
 *   `assertAllFree` throws otherwise.
 *
 * It stops granting when the thread has a slot for each bucket and {@linkcode SPARE_SLOTS} more,
 * when the outbound half is used up, or when only the reserve for peers is free. A thread without
 * slots waits; it goes on when a peer takes pieces, when the store spills, or never. The last is an
 * error in this program, which stall_watch.ts reports instead of waiting for ever.
 */
export class SlotBudget {
  readonly #store: BucketStore;
  /** Slots that each dealing thread has, open ones included. */
  readonly #held = new Map<DealingThread, number>();
  /** Slots that all threads have, those that have finished and not yet returned them included. */
  #granted = 0;
  #slotsPerThread = 0;
  #queued = 0;

  constructor(store: BucketStore) {
    this.#store = store;
  }

  /** Slots that are with threads. */
  get granted(): number {
    return this.#granted;
  }

  /** Slots that wait to be sent. */
  get queued(): number {
    return this.#queued;
  }

  /** Prepares for tasks that each deal out to this many buckets. */
  plan(buckets: number): void {
    this.#slotsPerThread = buckets + SPARE_SLOTS;
  }

  /**
   * Has a thread deal out entries, grants it slots meanwhile, and takes back those left over.
   *
   * @param onDealt Takes over the slots of the pieces in each report.
   * @throws {Error} If the task fails, or the thread does not return all slots.
   */
  async deal(
    thread: DealingThread,
    task: DealTask,
    onDealt: (report: DealtReport) => void,
  ): Promise<void> {
    this.#held.set(thread, 0);
    this.grant();
    await thread.deal(task, (report) => {
      const pieces = report.pieces.length;
      this.#held.set(thread, this.#held.get(thread)! - pieces);
      this.#granted -= pieces;
      onDealt(report);
      this.grant();
    });
    const owed = this.#held.get(thread)!;
    // From here on the thread gets no grants, so that what it returns is everything.
    this.#held.delete(thread);
    const returned = await thread.takeBack();
    this.#granted -= returned.length;
    for (const slot of returned) this.#store.release(slot);
    if (returned.length !== owed) {
      throw new Error(`Cannot go on: a thread owes ${owed} slots and returned ${returned.length}`);
    }
  }

  /** Counts a slot that is queued for a peer. */
  queue(): void {
    this.#queued++;
  }

  /** Counts a slot that has been sent. */
  unqueue(): void {
    this.#queued--;
  }

  /** Grants slots to the threads that want some, within the limits. */
  grant(): void {
    const most = Math.floor(this.#store.slots * OUTBOUND_PART);
    for (const [thread, held] of this.#held) {
      const slots = this.#store.takeSlots(
        Math.min(
          this.#slotsPerThread - held,
          most - this.#granted - this.#queued,
          this.#store.freeSlots - RESERVED_SLOTS,
        ),
      );
      if (slots.length === 0) continue;
      this.#held.set(thread, held + slots.length);
      this.#granted += slots.length;
      thread.grant(slots);
    }
  }

  /**
   * Checks that nothing holds a slot any more, as it must be when everything is written.
   *
   * @throws {Error} If slots are missing; the message says where the budget has them.
   */
  assertAllFree(): void {
    const { slots, freeSlots } = this.#store;
    if (freeSlots === slots && this.#granted === 0 && this.#queued === 0) return;
    throw new Error(`Cannot complete the sort: slots have leaked, ${this.describe()}`);
  }

  /** Where the slots are, for messages. */
  describe(): string {
    const { slots, freeSlots } = this.#store;
    return `of ${slots} slots ${freeSlots} are free, ${this.#granted} with threads and ` +
      `${this.#queued} queued for peers`;
  }
}
