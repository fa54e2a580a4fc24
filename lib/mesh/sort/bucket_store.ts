/**
 * The entries that a node has received, by bucket: in the slots of a slab of shared memory, and
 * beyond that in a spill file.
 *
 * Slots are the only memory that entries are held in while they are on their way. They are handed
 * to workers that fill them, wait to be sent, or belong to a bucket; and as only the last can be
 * spilled, the others may never take more than half of them. So there is always a slot to be had
 * for what a peer sends, and a mesh in which everybody writes at once does not lock up.
 *
 * @module
 */

import type { Stretch } from "./bucket_sorter.ts";
import { type Piece, SLOT_BYTES } from "./partitioner.ts";
import type { Extent } from "./sampler.ts";

/** Spilling begins when fewer than this part of the slots is free, */
const SPILL_BELOW = 1 / 16;
/** and goes on until this part is. */
const SPILL_UNTIL = 1 / 8;

/** A piece that is in memory or spilled. */
interface StoredPiece {
  order: number;
  bytes: number;
  slot: number;
  /** Where in the spill file; `undefined` while it is in its slot. */
  spilledAt?: number;
}

/** What a bucket holds. */
export interface Bucket {
  pieces: StoredPiece[];
  bytes: number;
  records: number;
  sum: bigint;
  /** How many of its pieces are in memory. */
  inMemory: number;
  /** Whether it is being sorted, so that it has to stay where it is. */
  pinned: boolean;
}

/** Holds the buckets of one node. */
export class BucketStore {
  /** The slots. */
  readonly slab: SharedArrayBuffer;
  /** The slots, as bytes. */
  readonly bytes: Uint8Array;
  /** The buckets, in key order. A bucket that is too large is replaced by its parts. */
  readonly buckets: Bucket[] = [];
  /** How much was spilled, in bytes. */
  spilledBytes = 0;
  /** The file for what does not fit. */
  readonly spillPath: string;
  /** How many slots there are. */
  readonly slots: number;

  readonly #free: number[] = [];
  readonly #waiting: ((slot: number) => void)[] = [];
  readonly #onFree: () => void;
  readonly #onFailure: (error: unknown) => void;
  #spill: Deno.FsFile | undefined;
  #spilling: Promise<void> | undefined;
  #closed = false;

  /**
   * @param memoryBytes How much memory to use.
   * @param spillPath The file for what does not fit; made when it is needed.
   * @param onFree Told when a slot has become free.
   * @param onFailure Told when spilling fails; nothing can be stored from then on.
   */
  constructor(
    { memoryBytes, spillPath, onFree, onFailure }: {
      memoryBytes: number;
      spillPath: string;
      onFree: () => void;
      onFailure: (error: unknown) => void;
    },
  ) {
    this.slots = Math.floor(memoryBytes / SLOT_BYTES);
    this.slab = new SharedArrayBuffer(this.slots * SLOT_BYTES);
    this.bytes = new Uint8Array(this.slab);
    this.spillPath = spillPath;
    this.#onFree = onFree;
    this.#onFailure = onFailure;
    for (let slot = this.slots - 1; slot >= 0; slot--) this.#free.push(slot);
  }

  /** How many slots are free. */
  get freeSlots(): number {
    return this.#free.length;
  }

  /** Makes room for so many more buckets at the end. */
  addBuckets(count: number): void {
    for (let i = 0; i < count; i++) this.buckets.push(newBucket());
  }

  /** Replaces a bucket by `count` empty ones; what the bucket holds is gone from here. */
  split(index: number, count: number): void {
    this.buckets.splice(index, 1, ...Array.from({ length: count }, newBucket));
  }

  /** A free slot; waits for one if there is none. */
  slot(): Promise<number> {
    const slot = this.#free.pop();
    this.#spillIfLow();
    if (slot !== undefined) return Promise.resolve(slot);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Up to `count` free slots, without waiting. */
  takeSlots(count: number): number[] {
    const taken = this.#free.splice(Math.max(0, this.#free.length - count));
    this.#spillIfLow();
    return taken;
  }

  /** Gives a slot back. */
  release(slot: number): void {
    const waiting = this.#waiting.shift();
    if (waiting) return waiting(slot);
    this.#free.push(slot);
    this.#onFree();
  }

  /** Puts a piece into the bucket of that index. */
  add(index: number, piece: Piece): void {
    const bucket = this.buckets[index]!;
    bucket.pieces.push({ order: piece.order, bytes: piece.bytes, slot: piece.slot });
    bucket.bytes += piece.bytes;
    bucket.records += piece.records;
    bucket.sum += BigInt(piece.sum);
    bucket.inMemory++;
    this.#spillIfLow();
  }

  /**
   * Prepares a bucket to be sorted: it stays where it is until `drop`.
   *
   * @returns Its pieces in the order of input, with room in memory for those that were spilled.
   */
  async stretches(bucket: Bucket): Promise<{ stretches: Stretch[]; slots: number[] }> {
    bucket.pinned = true;
    await this.#spilling;
    const stretches: Stretch[] = [];
    const slots: number[] = [];
    let slot = -1;
    let fill = SLOT_BYTES;
    for (const piece of inOrder(bucket)) {
      const { bytes, spilledAt } = piece;
      if (spilledAt === undefined) {
        stretches.push({ address: piece.slot * SLOT_BYTES, bytes });
        slots.push(piece.slot);
        continue;
      }
      if (fill + bytes > SLOT_BYTES) {
        slot = await this.slot();
        slots.push(slot);
        fill = 0;
      }
      stretches.push({ address: slot * SLOT_BYTES + fill, bytes, spilledAt });
      // Records are copied by words, so each piece begins at one.
      fill += Math.ceil(bytes / 4) * 4;
    }
    return { stretches, slots };
  }

  /** Forgets a bucket that is sorted, and frees its slots. */
  drop(bucket: Bucket, slots: number[]): void {
    bucket.pieces = [];
    bucket.inMemory = 0;
    for (const slot of slots) this.release(slot);
  }

  /** Spills all of a bucket; where its pieces are, in the order of input. */
  async spillAll(bucket: Bucket): Promise<Extent[]> {
    await this.#spilling;
    bucket.pinned = true;
    const spilling = this.#spillBucket(bucket);
    this.#spilling = spilling.catch(() => {}).finally(() => this.#spilling = undefined);
    await spilling;
    return inOrder(bucket).map(({ spilledAt, bytes }) => ({ offset: spilledAt!, bytes }));
  }

  /** Closes and removes the spill file. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#spilling;
    this.#removeSpill();
  }

  #removeSpill(): void {
    if (!this.#spill) return;
    this.#spill.close();
    this.#spill = undefined;
    Deno.removeSync(this.spillPath);
  }

  #spillIfLow(): void {
    if (this.#spilling || this.#closed || this.#free.length >= this.slots * SPILL_BELOW) return;
    this.#spilling = this.#spillSome().catch((error) => {
      if (!this.#closed) this.#onFailure(error);
    }).finally(() => this.#spilling = undefined);
  }

  async #spillSome(): Promise<void> {
    while (this.#free.length < this.slots * SPILL_UNTIL && !this.#closed) {
      // The largest one, so that what belongs together is written together.
      let largest: Bucket | undefined;
      for (const bucket of this.buckets) {
        if (!bucket.pinned && bucket.inMemory > (largest?.inMemory ?? 0)) largest = bucket;
      }
      if (!largest) return;
      await this.#spillBucket(largest);
    }
  }

  async #spillBucket(bucket: Bucket): Promise<void> {
    try {
      await this.#writeBucket(bucket);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot spill to "${this.spillPath}": ${reason}`, { cause });
    }
  }

  async #writeBucket(bucket: Bucket): Promise<void> {
    if (!this.#spill) {
      const spill = await Deno.open(this.spillPath, { write: true, createNew: true });
      this.#spill = spill;
      // As long as it is locked, it is not stale; see stale_files.ts.
      await spill.lock(true);
      if (this.#closed) return this.#removeSpill();
    }
    // More may come while it is written.
    const pieces = bucket.pieces.filter(({ spilledAt }) => spilledAt === undefined);
    for (const piece of pieces) {
      const from = piece.slot * SLOT_BYTES;
      for (let written = 0; written < piece.bytes;) {
        if (this.#closed) return;
        const rest = this.bytes.subarray(from + written, from + piece.bytes);
        written += await this.#spill!.write(rest);
      }
      piece.spilledAt = this.spilledBytes;
      this.spilledBytes += piece.bytes;
      bucket.inMemory--;
      this.release(piece.slot);
    }
  }
}

function newBucket(): Bucket {
  return { pieces: [], bytes: 0, records: 0, sum: 0n, inMemory: 0, pinned: false };
}

function inOrder(bucket: Bucket): StoredPiece[] {
  return bucket.pieces.sort((a, b) => a.order - b.order);
}
