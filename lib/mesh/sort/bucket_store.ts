import type { Stretch } from "./bucket_order.ts";
import { type Piece, SLOT_BYTES } from "./open_pieces.ts";
import type { Extent } from "./spilled_blocks.ts";
import { SortEndedError } from "./sort_ended.ts";

/** Spilling begins when less than this part of the slots is free, */
const SPILL_BELOW = 1 / 16;
/** and goes on until this part is. */
const SPILL_UNTIL = 1 / 8;

/** A piece of a bucket, in memory or spilled. */
interface StoredPiece {
  order: number;
  bytes: number;
  slot: number;
  /** Whether it continues the line of the piece before it. */
  continues: boolean;
  /** Its offset in the spill file; `undefined` while it is in its slot. */
  spilledAt?: number;
}

/** The entries of one bucket that have arrived at this node. */
export interface Bucket {
  pieces: StoredPiece[];
  bytes: number;
  records: number;
  /** The size of its entries in a file. */
  fileBytes: number;
  sum: bigint;
  /** How many of its pieces are in memory. */
  inMemory: number;
  /** Set while it is being sorted, when its pieces must not move. */
  pinned: boolean;
}

/**
 * Holds the entries that a node has received, by bucket: in the slots of a slab of shared memory
 * while there are enough, and otherwise in a spill file.
 *
 * While entries move, slots are the only memory that holds them. Anybody who has entries to put down
 * takes a free slot: the budget for the threads (slot_budget.ts), `slot()` for the data of peers and
 * for reading spilled pieces back. A slot that is full either becomes a piece of a bucket here or
 * waits to be sent. It is free again when its piece was sent, spilled, or sorted and written.
 *
 * Spilling keeps that going. It begins when less than 1/16 of the slots is free, and writes the
 * bucket that has the most pieces in memory, so that what is later read together is written
 * together. The pieces stay listed in the bucket with their offset in the file. It stops
 *
 * - when 1/8 of the slots is free again, so that it does not start anew with every slot taken;
 * - when no bucket has a piece in memory that may move: buckets being sorted are pinned;
 * - when the store is closed, because the sort has failed or is complete;
 * - when a write fails. That fails the job; the pieces written so far stay spilled.
 *
 * `slot()` waits without a limit of its own. It can rely on a slot becoming free because slots that
 * cannot be spilled are bounded: outbound ones to half of all by the budget, and pinned ones by the
 * greatest size of a bucket times the number of threads. If it waits in vain all the same, that is an
 * error in this program, and stall_watch.ts fails the job.
 */
export class BucketStore {
  /** The memory with the slots, shared with the threads. */
  readonly slab: SharedArrayBuffer;
  /** The same memory as bytes. */
  readonly bytes: Uint8Array;
  /** The buckets, in key order. A bucket that is too large is replaced by smaller ones. */
  readonly buckets: Bucket[] = [];
  /** Bytes in the spill file. */
  spilledBytes = 0;
  /** The spill file. It exists once something was spilled. */
  readonly spillPath: string;
  /** The number of slots. */
  readonly slots: number;

  readonly #free: number[] = [];
  readonly #waiting: { resolve: (slot: number) => void; reject: (error: Error) => void }[] = [];
  readonly #onFree: () => void;
  readonly #onFailure: (error: unknown) => void;
  #spill: Deno.FsFile | undefined;
  #spilling: Promise<void> | undefined;
  #turnover = 0;
  #closed = false;

  /**
   * @param memoryBytes Size of the slab.
   * @param spillPath The spill file; it is created when it is needed, and must not exist before.
   * @param onFree Called when a slot has become free that nobody was waiting for.
   * @param onFailure Called when spilling fails; the store is of no use after that.
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

  /** The number of free slots. */
  get freeSlots(): number {
    return this.#free.length;
  }

  /** The number of calls of `slot()` that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether pieces are being spilled. */
  get spilling(): boolean {
    return this.#spilling !== undefined;
  }

  /** How often a slot was taken or released. It tells whether anything moves. */
  get turnover(): number {
    return this.#turnover;
  }

  /** Appends empty buckets. */
  addBuckets(count: number): void {
    for (let i = 0; i < count; i++) this.buckets.push(newBucket());
  }

  /** Replaces a bucket, whose pieces must all be spilled, by `count` empty ones. */
  split(index: number, count: number): void {
    this.buckets.splice(index, 1, ...Array.from({ length: count }, newBucket));
  }

  /**
   * Takes a free slot, or waits until there is one.
   *
   * @throws {SortEndedError} If the store is closed before.
   */
  async slot(): Promise<number> {
    if (this.#closed) throw new SortEndedError();
    const slot = this.#free.pop();
    this.#turnover++;
    this.#spillIfLow();
    if (slot !== undefined) return slot;
    return await new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Takes up to `count` free slots, without waiting. */
  takeSlots(count: number): number[] {
    const taken = this.#free.splice(Math.max(0, this.#free.length - Math.max(0, count)));
    this.#turnover += taken.length;
    this.#spillIfLow();
    return taken;
  }

  /** Makes a slot free. */
  release(slot: number): void {
    this.#turnover++;
    const waiting = this.#waiting.shift();
    if (waiting) return waiting.resolve(slot);
    this.#free.push(slot);
    this.#onFree();
  }

  /** Adds a piece to a bucket, which now owns its slot. */
  add(index: number, piece: Piece): void {
    const bucket = this.buckets[index]!;
    const { order, bytes, slot, records } = piece;
    bucket.pieces.push({ order, bytes, slot, continues: records === 0 });
    bucket.bytes += bytes;
    bucket.records += records;
    bucket.fileBytes += piece.fileBytes;
    bucket.sum += BigInt(piece.sum);
    bucket.inMemory++;
    this.#spillIfLow();
  }

  /**
   * Prepares a bucket to be sorted. It is pinned until `drop`.
   *
   * @returns Its pieces in input order, with space reserved in memory for the spilled ones, and the
   * slots that all of that takes.
   * @throws {SortEndedError} If the store is closed before.
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
      // Records are copied word by word, so each piece has to begin at a word.
      fill += Math.ceil(bytes / 4) * 4;
    }
    return { stretches, slots };
  }

  /** Empties a bucket that is sorted and written, and releases its slots. */
  drop(bucket: Bucket, slots: number[]): void {
    bucket.pieces = [];
    bucket.inMemory = 0;
    for (const slot of slots) this.release(slot);
  }

  /** Spills all pieces of a bucket; returns where they are, in input order. */
  async spillAll(bucket: Bucket): Promise<Extent[]> {
    await this.#spilling;
    bucket.pinned = true;
    const spilling = this.#spillBucket(bucket);
    this.#spilling = spilling.catch(() => {}).finally(() => this.#spilling = undefined);
    await spilling;
    return inOrder(bucket).map(({ spilledAt, bytes, continues }) => ({
      offset: spilledAt!,
      bytes,
      ...(continues ? { continues } : {}),
    }));
  }

  /** Removes the spill file. Calls of `slot()` that wait are rejected. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new SortEndedError());
    await this.#spilling;
    await this.#removeSpill();
  }

  async #removeSpill(): Promise<void> {
    if (!this.#spill) return;
    this.#spill.close();
    this.#spill = undefined;
    // Without holding up the thread: for a large file this takes the system a while.
    await Deno.remove(this.spillPath);
  }

  #spillIfLow(): void {
    if (this.#spilling || this.#closed || this.#free.length >= this.slots * SPILL_BELOW) return;
    this.#spilling = this.#spillSome().catch((error) => {
      if (!this.#closed) this.#onFailure(error);
    }).finally(() => this.#spilling = undefined);
  }

  async #spillSome(): Promise<void> {
    while (this.#free.length < this.slots * SPILL_UNTIL && !this.#closed) {
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
      const spill = await Deno.open(this.spillPath, {
        write: true,
        createNew: true,
        mode: 0o600,
      });
      this.#spill = spill;
      // The lock tells other daemons that the file is in use; see node/stale_files.ts.
      await spill.lock(true);
      if (this.#closed) return this.#removeSpill();
    }
    // Others may be added meanwhile; they stay in memory.
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
  return { pieces: [], bytes: 0, records: 0, fileBytes: 0, sum: 0n, inMemory: 0, pinned: false };
}

function inOrder(bucket: Bucket): StoredPiece[] {
  return bucket.pieces.sort((a, b) => a.order - b.order);
}
