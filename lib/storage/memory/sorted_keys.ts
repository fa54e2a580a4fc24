/**
 * A sorted set of keys. The keys are in sorted blocks of bounded size, so adding or removing one
 * moves at most a block of pointers. This is a B-tree of two levels, deep enough for the millions
 * of keys that fit into memory.
 *
 * @module
 */

import type { Key } from "../store.ts";

/** A block with more keys than this is split. */
const MAX_BLOCK_KEYS = 512;

/** Two neighbouring blocks with no more keys than this between them are merged. */
const MERGE_BLOCK_KEYS = MAX_BLOCK_KEYS / 4;

/** A sorted set of keys. */
export class SortedKeys {
  /** Never contains an empty block. */
  #blocks: Key[][] = [];
  #size = 0;

  /** The number of keys. */
  get size(): number {
    return this.#size;
  }

  /** Adds a key. */
  add(key: Key): void {
    const blocks = this.#blocks;
    if (blocks.length === 0) {
      blocks.push([key]);
      this.#size = 1;
      return;
    }
    const at = Math.min(this.#findBlock(key), blocks.length - 1);
    const block = blocks[at]!;
    const index = lowerBound(block, key);
    if (block[index] === key) return;
    block.splice(index, 0, key);
    this.#size++;
    if (block.length > MAX_BLOCK_KEYS) {
      // Keys added in order fill their blocks instead of leaving each one half empty.
      const appended = at === blocks.length - 1 && index === block.length - 1;
      blocks.splice(at + 1, 0, block.splice(appended ? index : block.length >> 1));
    }
  }

  /** Removes a key, if present. */
  delete(key: Key): void {
    const at = this.#findBlock(key);
    const block = this.#blocks[at];
    if (block === undefined) return;
    const index = lowerBound(block, key);
    if (block[index] !== key) return;
    block.splice(index, 1);
    this.#size--;
    if (block.length === 0) this.#blocks.splice(at, 1);
    else if (block.length < MERGE_BLOCK_KEYS) this.#merge(at);
  }

  /**
   * Iterates over the keys in order.
   *
   * @param from The key to start at, whether present or not.
   * @param options `inclusive`: whether to include `from` itself. @default {true}
   */
  *keysFrom(from: Key, { inclusive = true } = {}): Generator<Key> {
    let at = this.#findBlock(from);
    if (at === this.#blocks.length) return;
    let index = lowerBound(this.#blocks[at]!, from);
    if (!inclusive && this.#blocks[at]![index] === from) index++;
    for (; at < this.#blocks.length; at++, index = 0) {
      const block = this.#blocks[at]!;
      for (; index < block.length; index++) yield block[index]!;
    }
  }

  /** A random key, all equally likely; `undefined` if there are none. */
  random(): Key | undefined {
    if (this.#size === 0) return undefined;
    let rank = Math.floor(Math.random() * this.#size);
    for (const block of this.#blocks) {
      if (rank < block.length) return block[rank];
      rank -= block.length;
    }
  }

  /** The index of the first block whose last key is not less than `key`, or the number of blocks. */
  #findBlock(key: Key): number {
    const blocks = this.#blocks;
    let low = 0;
    let high = blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const block = blocks[middle]!;
      if (block[block.length - 1]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #merge(at: number): void {
    for (const left of [at - 1, at]) {
      const a = this.#blocks[left];
      const b = this.#blocks[left + 1];
      if (a === undefined || b === undefined || a.length + b.length > MERGE_BLOCK_KEYS) continue;
      this.#blocks.splice(left, 2, a.concat(b));
      return;
    }
  }
}

/** The first index whose key is not less than `key`. */
function lowerBound(keys: readonly Key[], key: Key): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
