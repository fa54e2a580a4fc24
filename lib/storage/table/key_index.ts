/**
 * The index of a table: from the hash of a key to the address of its record.
 *
 * The index consists of segments. The upper bits of a hash select the segment in a directory, the
 * lower bits a slot in it; from there on the entry is in the next free slot (linear probing). A
 * segment that fills up is split in two, and the directory doubles when a segment is as deep as the
 * directory. So growing moves one segment of entries, never all of them. This is extendible hashing
 * (Fagin, Nievergelt, Pippenger and Strong, 1979). Segments that have become sparse are merged, so
 * that a random slot is taken with a fair chance.
 *
 * @module
 */

import { freeArray } from "../../free_array.ts";
import type { Records } from "./records.ts";

/** Slots of the first segment; it doubles up to the maximum, and only then is it split. */
const MIN_SEGMENT_SLOTS = 16;
const MAX_SEGMENT_SLOTS = 1024;

/** Segments are split no deeper than this. With a good hash, addresses run out first. */
const MAX_DEPTH = 24;

/** Two halves are merged when together they have fewer entries than this. */
const MERGE_ENTRIES = MAX_SEGMENT_SLOTS / 4;

/** Tries of {@linkcode KeyIndex.random} before it looks at slots in a row. */
const RANDOM_TRIES = 64;

/** A part of the index: pairs of hash and address. An address of 0 marks a free slot. */
class Segment {
  cells: Int32Array;
  mask: number;
  entries = 0;
  /** The number of upper bits that all its hashes share. */
  readonly depth: number;

  constructor(slots: number, depth: number) {
    this.cells = new Int32Array(2 * slots);
    this.mask = slots - 1;
    this.depth = depth;
  }

  get slots(): number {
    return this.mask + 1;
  }

  /** Adds an entry; there must be a free slot. */
  add(hash: number, address: number): void {
    const { cells, mask } = this;
    let slot = hash & mask;
    while (cells[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
    cells[2 * slot] = hash;
    cells[2 * slot + 1] = address;
    this.entries++;
  }

  /** Removes an entry and moves those after it forward, so that none is cut off from its slot. */
  remove(slot: number): void {
    const { cells, mask } = this;
    let hole = slot;
    for (let next = (hole + 1) & mask; cells[2 * next + 1] !== 0; next = (next + 1) & mask) {
      const home = cells[2 * next]! & mask;
      // An entry may move only as far forward as the slot that its hash selects.
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      cells[2 * hole] = cells[2 * next]!;
      cells[2 * hole + 1] = cells[2 * next + 1]!;
      hole = next;
    }
    cells[2 * hole + 1] = 0;
    this.entries--;
  }

  /** Takes over all entries of another segment, which must not be used any more. */
  takeAll(other: Segment): void {
    const { cells } = other;
    for (let at = 0; at < cells.length; at += 2) {
      if (cells[at + 1] !== 0) this.add(cells[at]!, cells[at + 1]!);
    }
    freeArray(cells);
  }
}

/** An index from keys to addresses. It keeps the hashes and leaves the keys in the records. */
export class KeyIndex {
  readonly #records: Records;
  /** By the upper bits of the hash, as many as {@linkcode KeyIndex.#depth}. */
  #directory: Segment[] = [new Segment(MIN_SEGMENT_SLOTS, 0)];
  #depth = 0;
  #size = 0;
  /** Where the last search ended. */
  #segment: Segment = this.#directory[0]!;
  #slot = 0;

  constructor(records: Records) {
    this.#records = records;
  }

  /** The number of entries. */
  get size(): number {
    return this.#size;
  }

  /** The address of the record with a key; 0 if there is none. */
  find(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const segment = this.#directory[(hash >>> 1) >>> (31 - this.#depth)]!;
    const { cells, mask } = segment;
    const records = this.#records;
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      const address = cells[2 * slot + 1]!;
      if (address === 0) return 0;
      if (cells[2 * slot] === hash && records.hasKey(address, bytes, start, end - start)) {
        this.#segment = segment;
        this.#slot = slot;
        return address;
      }
    }
  }

  /** Finds the entry of an address, which must exist. */
  locate(hash: number, address: number): void {
    const segment = this.#directory[(hash >>> 1) >>> (31 - this.#depth)]!;
    const { cells, mask } = segment;
    let slot = hash & mask;
    while (cells[2 * slot + 1] !== address) slot = (slot + 1) & mask;
    this.#segment = segment;
    this.#slot = slot;
  }

  /** Replaces the address in the entry found last. Call it right after the search. */
  replaceFound(address: number): void {
    this.#segment.cells[2 * this.#slot + 1] = address;
  }

  /** Removes the entry found last, which has this hash. Call it right after the search. */
  removeFound(hash: number): void {
    const segment = this.#segment;
    segment.remove(this.#slot);
    this.#size--;
    if (segment.depth > 0 && segment.entries < MERGE_ENTRIES / 2) this.#merge(segment, hash);
  }

  /** Adds an entry for a key that has none. */
  add(hash: number, address: number): void {
    let segment = this.#directory[(hash >>> 1) >>> (31 - this.#depth)]!;
    // At four fifths, an unsuccessful search looks at 13 slots on average: two cache lines.
    while (segment.entries * 5 >= segment.slots * 4) segment = this.#grow(segment, hash);
    segment.add(hash, address);
    this.#size++;
  }

  /**
   * A random address, all about equally likely; 0 if there are no entries.
   *
   * @param random Returns a number from 0 to less than 1.
   */
  random(random: () => number = Math.random): number {
    if (this.#size === 0) return 0;
    const directory = this.#directory;
    let at = 0;
    for (let tries = 0; tries < RANDOM_TRIES; tries++) {
      at = Math.floor(random() * directory.length);
      const { cells, slots } = directory[at]!;
      const address = cells[2 * Math.floor(random() * slots) + 1]!;
      if (address !== 0) return address;
    }
    // Two segments that share all but their last bit are hardly ever both empty.
    for (;; at = (at + 1) % directory.length) {
      const { cells, entries, slots } = directory[at]!;
      if (entries === 0) continue;
      for (let slot = Math.floor(random() * slots);; slot = (slot + 1) % slots) {
        if (cells[2 * slot + 1] !== 0) return cells[2 * slot + 1]!;
      }
    }
  }

  /** Makes space in the segment of a hash; returns the segment that has it then. */
  #grow(segment: Segment, hash: number): Segment {
    const { depth, slots } = segment;
    if (slots < MAX_SEGMENT_SLOTS || depth === MAX_DEPTH) {
      const larger = new Segment(2 * slots, depth);
      larger.takeAll(segment);
      this.#put(larger, hash);
      return larger;
    }
    if (depth === this.#depth) {
      const doubled: Segment[] = [];
      for (const half of this.#directory) doubled.push(half, half);
      this.#directory = doubled;
      this.#depth++;
    }
    const bit = 1 << (31 - depth);
    const low = new Segment(slots, depth + 1);
    const high = new Segment(slots, depth + 1);
    const { cells } = segment;
    for (let at = 0; at < cells.length; at += 2) {
      const address = cells[at + 1]!;
      if (address !== 0) ((cells[at]! & bit) === 0 ? low : high).add(cells[at]!, address);
    }
    freeArray(cells);
    this.#put(low, hash & ~bit);
    this.#put(high, hash | bit);
    return (hash & bit) === 0 ? low : high;
  }

  /** Merges the segment of a hash with its other half, if both are sparse. */
  #merge(segment: Segment, hash: number): void {
    const { depth } = segment;
    const bit = 1 << (32 - depth);
    const other = this.#directory[((hash ^ bit) >>> 1) >>> (31 - this.#depth)]!;
    if (other.depth !== depth || other.entries + segment.entries >= MERGE_ENTRIES) return;
    const merged = new Segment(MAX_SEGMENT_SLOTS, depth - 1);
    merged.takeAll(segment);
    merged.takeAll(other);
    this.#put(merged, hash);
  }

  /** Enters a segment into the directory wherever the upper bits are those of a hash. */
  #put(segment: Segment, hash: number): void {
    const copies = 1 << (this.#depth - segment.depth);
    const at = (hash >>> 1) >>> (31 - this.#depth);
    const start = at - at % copies;
    for (let copy = 0; copy < copies; copy++) this.#directory[start + copy] = segment;
  }
}
