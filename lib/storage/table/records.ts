/**
 * The records of a table, by address.
 *
 * A record is a header of 24 bytes, then the key, then the value:
 *
 * | word | contents                                                             |
 * | ---- | -------------------------------------------------------------------- |
 * | 0    | length of the key                                                    |
 * | 1    | length of the value                                                  |
 * | 2    | version, lower 32 bits                                               |
 * | 3    | version, upper 21 bits; {@linkcode RecordState}, 3 bits; type, 8 bits |
 * | 4    | access stamp                                                         |
 * | 5    | place in the expiry heap plus 1; 0 if it never expires               |
 *
 * A record that is not live has no use for stamp and place. Its words 4 and 5 hold the time at which
 * it expires, so that it can become live again.
 *
 * @module
 */

import { compareRanges, copyRange, equalRanges } from "./byte_ranges.ts";
import type { RecordMemory } from "./record_memory.ts";

/** The length of a header. */
export const HEADER_BYTES = 24;

const UPPER_VERSION_MASK = 0x1fffff;
const STATE_SHIFT = 21;
const STATE_MASK = 7;
const TYPE_SHIFT = 24;
const NOT_VERSION_MASK = ~UPPER_VERSION_MASK;
const TWO_32 = 2 ** 32;

/** The length of a patch without the bytes: its key is an offset and a length, 4 bytes each. */
export const PATCH_BYTES = HEADER_BYTES + 8;

/** What a slot holds. */
export const RecordState = {
  /** Nothing. */
  free: 0,
  /** The present record of its key. */
  live: 1,
  /** A record that was deleted or replaced by another one. */
  superseded: 2,
  /** A copy of a record that was then overwritten in place. */
  copy: 3,
  /** The header of a large record that was then changed in place, and the bytes overwritten. */
  patch: 4,
} as const;

/** The types of values. Others will follow. */
export const RecordType = { string: 0 } as const;

/** A range of an array. */
export interface Range {
  bytes: Uint8Array;
  start: number;
  end: number;
}

/** Reads and writes records. The caller keeps the addresses. */
export class Records {
  readonly #memory: RecordMemory;

  constructor(memory: RecordMemory) {
    this.#memory = memory;
  }

  /** Whether a record has this key. */
  hasKey(address: number, bytes: Uint8Array, start: number, length: number): boolean {
    const slab = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(slab, address);
    return slab.words[at] === length &&
      equalRanges(slab.bytes, at * 4 + HEADER_BYTES, bytes, start, length);
  }

  /** Compares a record's key with a range in byte order: negative, 0 or positive. */
  compareKey(address: number, bytes: Uint8Array, start: number, end: number): number {
    const slab = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(slab, address);
    const from = at * 4 + HEADER_BYTES;
    return compareRanges(slab.bytes, from, from + slab.words[at]!, bytes, start, end);
  }

  /** Finds the key of a record. */
  locateKey(address: number, into: Range): void {
    const slab = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(slab, address);
    into.bytes = slab.bytes;
    into.start = at * 4 + HEADER_BYTES;
    into.end = into.start + slab.words[at]!;
  }

  /** Finds the value of a record. */
  locateValue(address: number, into: Range): void {
    const slab = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(slab, address);
    into.bytes = slab.bytes;
    into.start = at * 4 + HEADER_BYTES + slab.words[at]!;
    into.end = into.start + slab.words[at + 1]!;
  }

  keyLength(address: number): number {
    return this.#word(address, 0);
  }

  valueLength(address: number): number {
    return this.#word(address, 1);
  }

  setValueLength(address: number, length: number): void {
    this.#setWord(address, 1, length);
  }

  version(address: number): number {
    const slab = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(slab, address);
    return slab.words[at + 2]! + (slab.words[at + 3]! & UPPER_VERSION_MASK) * TWO_32;
  }

  setVersion(address: number, version: number): void {
    const slab = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(slab, address);
    slab.words[at + 2] = version;
    slab.words[at + 3] = slab.words[at + 3]! & NOT_VERSION_MASK | version / TWO_32;
  }

  state(address: number): number {
    return this.#word(address, 3) >>> STATE_SHIFT & STATE_MASK;
  }

  setState(address: number, state: number): void {
    const word = this.#word(address, 3);
    this.#setWord(address, 3, word & ~(STATE_MASK << STATE_SHIFT) | state << STATE_SHIFT);
  }

  type(address: number): number {
    return this.#word(address, 3) >>> TYPE_SHIFT;
  }

  stamp(address: number): number {
    return this.#word(address, 4);
  }

  setStamp(address: number, stamp: number): void {
    this.#setWord(address, 4, stamp);
  }

  /** A live record's place in the expiry heap plus 1; 0 for none. */
  heapPlace(address: number): number {
    return this.#word(address, 5);
  }

  setHeapPlace(address: number, place: number): void {
    this.#setWord(address, 5, place);
  }

  /** When a record that is not live expires, if it becomes live again; 0 for never. */
  keptExpiry(address: number): number {
    const slab = this.#memory.slabOf(address);
    return slab.floats[(this.#memory.wordOf(slab, address) >> 1) + 2]!;
  }

  keepExpiry(address: number, expiresAtMs: number): void {
    const slab = this.#memory.slabOf(address);
    slab.floats[(this.#memory.wordOf(slab, address) >> 1) + 2] = expiresAtMs;
  }

  /** Writes a live record that never expires into space that was allocated for it. */
  write(
    address: number,
    key: Uint8Array,
    start: number,
    end: number,
    value: Uint8Array,
    from: number,
    to: number,
    version: number,
  ): void {
    const slab = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(slab, address);
    const { words, bytes } = slab;
    words[at] = end - start;
    words[at + 1] = to - from;
    words[at + 2] = version;
    words[at + 3] = version / TWO_32 | RecordState.live << STATE_SHIFT |
      RecordType.string << TYPE_SHIFT;
    words[at + 4] = 0;
    words[at + 5] = 0;
    const keyAt = at * 4 + HEADER_BYTES;
    copyRange(key, start, end, bytes, keyAt);
    copyRange(value, from, to, bytes, keyAt + end - start);
  }

  /** Replaces the value of a live record; it must have the space. */
  overwrite(
    address: number,
    value: Uint8Array,
    from: number,
    to: number,
    version: number,
  ): void {
    const slab = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(slab, address);
    const { words } = slab;
    words[at + 1] = to - from;
    words[at + 2] = version;
    words[at + 3] = words[at + 3]! & NOT_VERSION_MASK | version / TWO_32;
    copyRange(value, from, to, slab.bytes, at * 4 + HEADER_BYTES + words[at]!);
  }

  /** A copy of the bytes of a value from `start` to `end - 1`, as far as there are any. */
  readValue(address: number, start: number, end: number): Uint8Array {
    const slab = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(slab, address);
    const valueAt = at * 4 + HEADER_BYTES + slab.words[at]!, length = slab.words[at + 1]!;
    return slab.bytes.slice(valueAt + Math.min(start, length), valueAt + Math.min(end, length));
  }

  /** Writes bytes into a live record's value; it must have the space. */
  writeValue(address: number, offset: number, from: Uint8Array, start: number, end: number): void {
    const slab = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(slab, address);
    copyRange(from, start, end, slab.bytes, at * 4 + HEADER_BYTES + slab.words[at]! + offset);
  }

  /** Sets a range of a live record's value to zero; it must have the space. */
  clearValue(address: number, start: number, end: number): void {
    const slab = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(slab, address);
    const valueAt = at * 4 + HEADER_BYTES + slab.words[at]!;
    slab.bytes.fill(0, valueAt + start, valueAt + end);
  }

  /** Copies header, key and value of a record into space of the same size. */
  copy(address: number, into: number): void {
    const from = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(from, address);
    const to = this.#memory.slabOf(into);
    const length = HEADER_BYTES + from.words[at]! + from.words[at + 1]!;
    copyRange(from.bytes, at * 4, at * 4 + length, to.bytes, this.#memory.wordOf(to, into) * 4);
  }

  /** Undoes changes to a live record of which a copy was made. */
  restoreCopy(copy: number, address: number): void {
    const stamp = this.stamp(address);
    const place = this.heapPlace(address);
    this.copy(copy, address);
    this.setState(address, RecordState.live);
    this.setStamp(address, stamp);
    this.setHeapPlace(address, place);
  }

  /** Writes a patch, from which {@linkcode Records.restorePatch} restores a record as it is now. */
  writePatch(patch: number, address: number, offset: number, length: number): void {
    const slab = this.#memory.slabOf(address);
    const at = this.#memory.wordOf(slab, address);
    const from = at * 4 + HEADER_BYTES + slab.words[at]! + offset;
    const { bytes } = slab;
    this.write(patch, bytes, at * 4, at * 4 + 8, bytes, from, from + length, this.version(address));
    this.setState(patch, RecordState.patch);
    const patchSlab = this.#memory.slabOf(patch);
    const keyAt = this.#memory.wordOf(patchSlab, patch) + HEADER_BYTES / 4;
    patchSlab.words[keyAt] = offset;
    patchSlab.words[keyAt + 1] = slab.words[at + 1]!;
  }

  /** Undoes a change to a live record of which a patch was kept. */
  restorePatch(patch: number, address: number): void {
    const slab = this.#memory.slabOf(patch);
    const at = this.#memory.wordOf(slab, patch);
    const offset = slab.words[at + HEADER_BYTES / 4]!;
    const bytesAt = at * 4 + PATCH_BYTES;
    this.writeValue(address, offset, slab.bytes, bytesAt, bytesAt + slab.words[at + 1]!);
    this.setValueLength(address, slab.words[at + HEADER_BYTES / 4 + 1]!);
    this.setVersion(address, this.version(patch));
  }

  #word(address: number, word: number): number {
    const slab = this.#memory.slabOf(address);
    return slab.words[this.#memory.wordOf(slab, address) + word]!;
  }

  #setWord(address: number, word: number, value: number): void {
    const slab = this.#memory.slabOf(address);
    slab.words[this.#memory.wordOf(slab, address) + word] = value;
  }
}
