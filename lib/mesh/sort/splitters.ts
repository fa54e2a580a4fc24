/**
 * The cuts between buckets, and which bucket an entry belongs to.
 *
 * Entries are ordered by key, then by the node that has them in its input, then by their position
 * there. No two entries are equal in this order, so a cut may separate entries with the same key:
 * a key that half of all records have is spread over buckets like any other, and the sort is
 * stable. A sort that reduces has cuts between keys instead.
 *
 * @module
 */

import { compareKeys } from "../records/record_format.ts";

/** The largest input of one node: 16 TiB. */
export const MAX_INPUT_BYTES = 2 ** 44;

/** The most nodes of a mesh. 256 inputs of 2^44 bytes are numbered below 2^52, exact in a double. */
export const MAX_NODES = 256;

/** The origin of an entry as one number that grows by node, then by position in the input. */
export function orderOf(node: number, position: number): number {
  return node * MAX_INPUT_BYTES + position;
}

/** The key of an entry that a node has sampled. */
export interface SampledKey {
  key: Uint8Array;
  /** See {@linkcode orderOf}. */
  order: number;
  /** The bytes of input that it represents. */
  weight: number;
}

/** A cut: this entry and those above it are in the next bucket. */
export interface Splitter {
  key: Uint8Array;
  order: number;
}

/** Options for {@linkcode chooseSplitters}. */
export interface SplitterOptions {
  nodes: number;
  bucketsPerNode: number;
  partition: Partition;
  /** Whether cuts fall between keys, so that the entries of each key meet in one bucket. */
  betweenKeys?: boolean;
}

/**
 * How the key space is divided among the nodes: `sample` gives them equal shares of the data, `bits`
 * gives node i the keys whose top bits are i.
 */
export type Partition = "sample" | "bits";

/**
 * Chooses the cuts between the buckets of all nodes.
 *
 * @param sample Keys of all nodes, in any order; this function sorts them in place.
 * @returns The cuts in ascending order, one fewer than there are buckets.
 */
export function chooseSplitters(sample: SampledKey[], options: SplitterOptions): Splitter[] {
  const { nodes, bucketsPerNode, betweenKeys = false } = options;
  sample.sort((a, b) => compareKeys(a.key, b.key) || a.order - b.order);
  const lowest: Splitter = { key: new Uint8Array(0), order: -1 };
  // Order -1 puts a cut before all entries with its key.
  if (betweenKeys) { for (const entry of sample) entry.order = -1; }
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
    if (end) splitters.push({ key: end, order: -1 });
    start = stop;
  }
  return splitters;
}

/** The lowest key with the top bits of this node. The number of nodes is a power of two. */
function topBits(node: number, nodes: number): Uint8Array {
  return Uint8Array.of(node * 256 / nodes);
}

/** Cuts sorted samples, all of them above `lowest`, into parts of equal weight. */
function cutEvenly(sample: SampledKey[], parts: number, lowest: Splitter): Splitter[] {
  const total = sample.reduce((sum, { weight }) => sum + weight, 0);
  const splitters: Splitter[] = [];
  let passed = 0;
  let below = lowest;
  for (const entry of sample) {
    const { weight } = entry;
    let cut: Splitter | undefined;
    // A sampled key stands in the middle of the data that it represents.
    while (
      splitters.length + 1 < parts && passed + weight / 2 >= total * (splitters.length + 1) / parts
    ) {
      splitters.push(cut ??= cutBetween(below, entry));
    }
    passed += weight;
    below = entry;
  }
  const last = splitters.at(-1) ?? lowest;
  while (splitters.length + 1 < parts) splitters.push(last);
  return splitters;
}

/**
 * The shortest cut above `below` and not above `entry`, as in the inner nodes of a B-tree. Every node
 * gets all cuts, and some are repeated, so whole lines as cuts can take more memory than the data of
 * a node.
 */
function cutBetween(below: Splitter, { key, order }: Splitter): Splitter {
  let length = 0;
  while (length < key.length && key[length] === below.key[length]) length++;
  // The first byte that differs makes it greater than all that begin as `below` does.
  if (length < key.length) return { key: key.subarray(0, length + 1), order: -1 };
  return { key, order };
}

const TABLE_BITS = 12;
const TABLE_SHIFT = 32 - TABLE_BITS;

/** Looks up the bucket of an entry. */
export class SplitterTable {
  readonly #splitters: readonly Splitter[];
  /** The bytes that the keys of all splitters begin with. */
  readonly #prefix: Uint8Array;
  /** The eight bytes after the prefix, as two words. */
  readonly #upper: Uint32Array;
  readonly #lower: Uint32Array;
  /** By the top bits of the upper word: the number of splitters below them. */
  readonly #first = new Uint32Array((1 << TABLE_BITS) + 1);

  /** The length of the longest key of a splitter: longer keys need no more than one byte beyond. */
  readonly longestKey: number;

  /** @param splitters In ascending order. */
  constructor(splitters: readonly Splitter[]) {
    this.#splitters = splitters;
    this.longestKey = splitters.reduce((most, { key }) => Math.max(most, key.length), 0);
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
   * @param bytes Contains the key.
   * @param start Start of the key.
   * @param end End of the key.
   * @param order The origin of the entry, see {@linkcode orderOf}.
   */
  find(bytes: Uint8Array, start: number, end: number, order: number): number {
    const prefix = this.#prefix;
    for (let i = 0; i < prefix.length; i++) {
      // A missing byte is below all others.
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
    // From the prefix on: words are padded with zeros, so equal words do not imply equal keys.
    for (let i = this.#prefix.length; i < length; i++) {
      const difference = bytes[start + i]! - key[i]!;
      if (difference !== 0) return difference;
    }
    return (end - start - key.length) || (order - splitter.order);
  }
}

/** Four bytes as a big-endian number; bytes from `end` on count as zero. */
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
