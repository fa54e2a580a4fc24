import type { JobId } from "../queue.ts";

/** How many ids are in a block, as a power of two. Ids are given out in order, so blocks fill up. */
const BLOCK_BITS = 4;
const BLOCK_IDS = 1 << BLOCK_BITS;

/** The entries of a block, at the last bits of their ids. */
interface Block<T> {
  readonly entries: (T | undefined)[];
  count: number;
}

/**
 * A map from ids to entries. A `Map` with a million entries takes 30 to 60 bytes for each, and stops
 * the thread for as long as a tenth of a second when it grows. This one takes some 14 bytes if most
 * ids of a block are in use, and about 250 if one of them is.
 */
export class IdTable<T> {
  readonly #blocks = new Map<number, Block<T>>();
  #size = 0;

  /** The number of entries. */
  get size(): number {
    return this.#size;
  }

  /** The entry of an id, if there is one. */
  get(id: JobId): T | undefined {
    return this.#blocks.get(blockOf(id))?.entries[id % BLOCK_IDS];
  }

  /** Sets the entry of an id. */
  set(id: JobId, entry: T): void {
    const number = blockOf(id);
    let block = this.#blocks.get(number);
    if (block === undefined) {
      block = { entries: new Array(BLOCK_IDS).fill(undefined), count: 0 };
      this.#blocks.set(number, block);
    }
    if (block.entries[id % BLOCK_IDS] === undefined) {
      block.count++;
      this.#size++;
    }
    block.entries[id % BLOCK_IDS] = entry;
  }

  /** Removes the entry of an id; `false` if there is none. */
  delete(id: JobId): boolean {
    const number = blockOf(id);
    const block = this.#blocks.get(number);
    if (block?.entries[id % BLOCK_IDS] === undefined) return false;
    block.entries[id % BLOCK_IDS] = undefined;
    this.#size--;
    if (--block.count === 0) this.#blocks.delete(number);
    return true;
  }

  /** Removes all entries. */
  clear(): void {
    this.#blocks.clear();
    this.#size = 0;
  }

  /** All entries, in the order in which their blocks came in. */
  *values(): Generator<T> {
    for (const { entries } of this.#blocks.values()) {
      for (const entry of entries) if (entry !== undefined) yield entry;
    }
  }
}

function blockOf(id: JobId): number {
  return Math.floor(id / BLOCK_IDS);
}
