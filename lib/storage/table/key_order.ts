/**
 * The keys of a table in byte order, as addresses of their records. The addresses are in sorted
 * blocks of bounded size, so adding or removing one moves at most a block. This is a B-tree of two
 * levels, deep enough for the millions of keys that fit into memory.
 *
 * @module
 */

import type { Range, Records } from "./records.ts";

/** A block with more keys than this is split. */
const MAX_BLOCK_KEYS = 512;

/** Two neighbouring blocks with no more keys than this between them are merged. */
const MERGE_BLOCK_KEYS = MAX_BLOCK_KEYS / 4;

/** A sorted part of the keys; never empty. */
class Block {
  addresses: Int32Array;
  length: number;

  constructor(addresses: Int32Array, length: number) {
    this.addresses = addresses;
    this.length = length;
  }

  get last(): number {
    return this.addresses[this.length - 1]!;
  }
}

/** A position in the order: the next key to read. */
export interface OrderPosition {
  block: number;
  index: number;
}

/** A sorted set of keys. */
export class KeyOrder {
  readonly #records: Records;
  readonly #blocks: Block[] = [];
  readonly #key: Range = { bytes: new Uint8Array(0), start: 0, end: 0 };
  #size = 0;

  constructor(records: Records) {
    this.#records = records;
  }

  /** The number of keys. */
  get size(): number {
    return this.#size;
  }

  /** Adds the key of a record. If the key is present, the record takes the place of the other one. */
  add(address: number): void {
    const { bytes, start, end } = this.#keyOf(address);
    const blocks = this.#blocks;
    if (blocks.length === 0) {
      blocks.push(new Block(new Int32Array(MAX_BLOCK_KEYS + 1), 1));
      blocks[0]!.addresses[0] = address;
      this.#size = 1;
      return;
    }
    const at = Math.min(this.#findBlock(bytes, start, end), blocks.length - 1);
    const block = blocks[at]!;
    const index = this.#lowerBound(block, bytes, start, end);
    if (index < block.length && this.#is(block.addresses[index]!, bytes, start, end)) {
      block.addresses[index] = address;
      return;
    }
    block.addresses.copyWithin(index + 1, index, block.length);
    block.addresses[index] = address;
    block.length++;
    this.#size++;
    if (block.length > MAX_BLOCK_KEYS) {
      // Keys added in order fill their blocks instead of leaving each one half empty.
      const appended = at === blocks.length - 1 && index === block.length - 1;
      const keep = appended ? index : block.length >> 1;
      const rest = new Int32Array(MAX_BLOCK_KEYS + 1);
      rest.set(block.addresses.subarray(keep, block.length));
      blocks.splice(at + 1, 0, new Block(rest, block.length - keep));
      block.length = keep;
    }
  }

  /** Removes the key of a record, if present. */
  remove(address: number): void {
    const { bytes, start, end } = this.#keyOf(address);
    const at = this.#findBlock(bytes, start, end);
    const block = this.#blocks[at];
    if (block === undefined) return;
    const index = this.#lowerBound(block, bytes, start, end);
    if (!this.#is(block.addresses[index]!, bytes, start, end)) return;
    block.addresses.copyWithin(index, index + 1, block.length);
    block.length--;
    this.#size--;
    if (block.length === 0) this.#blocks.splice(at, 1);
    else if (block.length < MERGE_BLOCK_KEYS / 2) this.#merge(at);
  }

  /**
   * The position of the first key that is not less than a key.
   *
   * @param options `after`: whether to leave out the key itself. @default {false}
   */
  seek(bytes: Uint8Array, start: number, end: number, { after = false } = {}): OrderPosition {
    const at = this.#findBlock(bytes, start, end);
    const block = this.#blocks[at];
    if (block === undefined) return { block: at, index: 0 };
    const index = this.#lowerBound(block, bytes, start, end);
    const skip = after && this.#is(block.addresses[index]!, bytes, start, end);
    return { block: at, index: index + (skip ? 1 : 0) };
  }

  /**
   * The address at a position, which then moves on; 0 at the end. No key may be added or removed
   * since the position was found.
   */
  next(position: OrderPosition): number {
    let block = this.#blocks[position.block];
    if (block !== undefined && position.index === block.length) {
      block = this.#blocks[++position.block];
      position.index = 0;
    }
    return block === undefined ? 0 : block.addresses[position.index++]!;
  }

  #keyOf(address: number): Range {
    this.#records.locateKey(address, this.#key);
    return this.#key;
  }

  #is(address: number, bytes: Uint8Array, start: number, end: number): boolean {
    return this.#records.hasKey(address, bytes, start, end - start);
  }

  /** The index of the first block whose last key is not less than a key, or the number of blocks. */
  #findBlock(bytes: Uint8Array, start: number, end: number): number {
    const blocks = this.#blocks;
    let low = 0;
    let high = blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#records.compareKey(blocks[middle]!.last, bytes, start, end) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The index of the first key of a block that is not less than a key, or its length. */
  #lowerBound({ addresses, length }: Block, bytes: Uint8Array, start: number, end: number): number {
    let low = 0;
    let high = length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#records.compareKey(addresses[middle]!, bytes, start, end) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #merge(at: number): void {
    for (const left of [at - 1, at]) {
      const a = this.#blocks[left];
      const b = this.#blocks[left + 1];
      if (a === undefined || b === undefined || a.length + b.length > MERGE_BLOCK_KEYS) continue;
      a.addresses.set(b.addresses.subarray(0, b.length), a.length);
      a.length += b.length;
      this.#blocks.splice(left + 1, 1);
      return;
    }
  }
}
