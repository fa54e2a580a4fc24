/**
 * Where the key space is cut into buckets, and which bucket an entry belongs to.
 *
 * Entries are ordered by key, then by the node whose input they are from, then by their position
 * in it. As no two entries are equal in this order, a cut can go right through the entries of one
 * key: a key that half of all records have is spread like any other, and stays stable.
 *
 * @module
 */

import { compareKeys } from "../records/record_format.ts";

/** Bytes of input that one node can have: 16 TiB. */
export const MAX_INPUT_BYTES = 2 ** 44;

/** The most nodes that a mesh can have, so that an {@linkcode orderOf} is exact in a double. */
export const MAX_NODES = 256;

/** Where an entry comes from as one number, in the order of nodes and then positions. */
export function orderOf(node: number, position: number): number {
  return node * MAX_INPUT_BYTES + position;
}

/** An entry that is picked from the input of a node. */
export interface SampledKey {
  key: Uint8Array;
  /** See {@linkcode orderOf}. */
  order: number;
  /** How many bytes of input it stands for. */
  weight: number;
}

/** A cut: entries from it on are in the next bucket. */
export interface Splitter {
  key: Uint8Array;
  order: number;
}

/** What `chooseSplitters` is to do. */
export interface SplitterOptions {
  nodes: number;
  bucketsPerNode: number;
  /** `sample` gives nodes equal shares; `bits` gives node i the keys whose top bits are i. */
  partition: Partition;
}

/** How the key space is shared out. */
export type Partition = "sample" | "bits";

/**
 * Chooses the cuts between the buckets of all nodes.
 *
 * @param sample Keys of all nodes, in any order; they are sorted.
 * @returns One cut less than there are buckets, ascending.
 */
export function chooseSplitters(sample: SampledKey[], options: SplitterOptions): Splitter[] {
  const { nodes, bucketsPerNode } = options;
  sample.sort((a, b) => compareKeys(a.key, b.key) || a.order - b.order);
  const lowest: Splitter = { key: new Uint8Array(0), order: -1 };
  if (options.partition === "sample") return cutEvenly(sample, nodes * bucketsPerNode, lowest);
  const splitters: Splitter[] = [];
  let start = 0;
  for (let node = 0; node < nodes; node++) {
    const end = node + 1 < nodes ? topBits(node + 1, nodes) : undefined;
    let stop = start;
    while (stop < sample.length && (!end || compareKeys(sample[stop]!.key, end) < 0)) stop++;
    splitters.push(
      ...cutEvenly(sample.slice(start, stop), bucketsPerNode, splitters.at(-1) ?? lowest),
    );
    // Below any entry of this key.
    if (end) splitters.push({ key: end, order: -1 });
    start = stop;
  }
  return splitters;
}

/** The least key whose top bits are `node` of `nodes`, a power of two up to 256. */
function topBits(node: number, nodes: number): Uint8Array {
  return Uint8Array.of(node * 256 / nodes);
}

/** Cuts sorted samples, all of which are above `lowest`, into parts of the same weight. */
function cutEvenly(sample: SampledKey[], parts: number, lowest: Splitter): Splitter[] {
  const total = sample.reduce((sum, { weight }) => sum + weight, 0);
  const splitters: Splitter[] = [];
  let passed = 0;
  for (const { key, order, weight } of sample) {
    // The entry stands in the middle of the weight it stands for.
    while (
      splitters.length + 1 < parts && passed + weight / 2 >= total * (splitters.length + 1) / parts
    ) {
      splitters.push({ key, order });
    }
    passed += weight;
  }
  const last = splitters.at(-1) ?? lowest;
  while (splitters.length + 1 < parts) splitters.push(last);
  return splitters;
}

const TABLE_BITS = 12;
const TABLE_SHIFT = 32 - TABLE_BITS;

/** Finds the bucket of an entry. */
export class SplitterTable {
  readonly #splitters: readonly Splitter[];
  /** What all splitters' keys begin with. */
  readonly #prefix: Uint8Array;
  /** The eight bytes after the prefix, as two words. */
  readonly #upper: Uint32Array;
  readonly #lower: Uint32Array;
  /** By the top bits of the upper word: how many splitters are below those bits. */
  readonly #first = new Uint32Array((1 << TABLE_BITS) + 1);

  /** @param splitters In ascending order. */
  constructor(splitters: readonly Splitter[]) {
    this.#splitters = splitters;
    this.#prefix = commonPrefix(splitters);
    this.#upper = new Uint32Array(splitters.length);
    this.#lower = new Uint32Array(splitters.length);
    const at = this.#prefix.length;
    splitters.forEach(({ key }, i) => {
      this.#upper[i] = wordAt(key, at, key.length);
      this.#lower[i] = wordAt(key, at + 4, key.length);
    });
    for (const upper of this.#upper) this.#first[(upper >>> TABLE_SHIFT) + 1]!++;
    for (let i = 1; i < this.#first.length; i++) this.#first[i]! += this.#first[i - 1]!;
  }

  /**
   * The bucket of an entry: the number of splitters that are not above it.
   *
   * @param bytes What the key is in.
   * @param start Where it begins.
   * @param end Where it ends.
   * @param order Where the entry comes from, see {@linkcode orderOf}.
   */
  find(bytes: Uint8Array, start: number, end: number, order: number): number {
    const prefix = this.#prefix;
    for (let i = 0; i < prefix.length; i++) {
      // Missing bytes are below all others.
      const byte = start + i < end ? bytes[start + i]! : -1;
      if (byte !== prefix[i]!) return byte < prefix[i]! ? 0 : this.#splitters.length;
    }
    const rest = start + prefix.length;
    const upper = wordAt(bytes, rest, end);
    const lower = wordAt(bytes, rest + 4, end);
    let low = this.#first[upper >>> TABLE_SHIFT]!;
    let high = this.#first[(upper >>> TABLE_SHIFT) + 1]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      let difference = upper - this.#upper[middle]!;
      if (difference === 0) {
        difference = lower - this.#lower[middle]!;
        if (difference === 0) {
          difference = this.#compareRest(bytes, start, end, order, this.#splitters[middle]!);
        }
      }
      if (difference < 0) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #compareRest(
    bytes: Uint8Array,
    start: number,
    end: number,
    order: number,
    splitter: Splitter,
  ): number {
    const { key } = splitter;
    const length = Math.min(end - start, key.length);
    // From the prefix on: words are padded, so their bytes may be equal where keys have ended.
    for (let i = this.#prefix.length; i < length; i++) {
      const difference = bytes[start + i]! - key[i]!;
      if (difference !== 0) return difference;
    }
    return (end - start - key.length) || (order - splitter.order);
  }
}

/** Four bytes as a number, the first one highest; bytes from `end` on count as zeros. */
function wordAt(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 <= end) {
    return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
  }
  let word = 0;
  for (let i = 0; at + i < end; i++) word |= bytes[at + i]! << (24 - 8 * i);
  return word >>> 0;
}

function commonPrefix(splitters: readonly Splitter[]): Uint8Array {
  const first = splitters[0]?.key ?? new Uint8Array(0);
  const last = splitters.at(-1)?.key ?? first;
  let length = 0;
  while (length < first.length && length < last.length && first[length] === last[length]) length++;
  return first.subarray(0, length);
}
