/**
 * Sorts entries in memory by their keys. The entries stay where they are; the sort moves pairs of a
 * word of the key and the address of the entry.
 *
 * A radix sort of at most two passes orders the entries by the significant bits of the first word of
 * their keys. This leaves few groups of entries with equal bits: small groups are finished by
 * insertion sort, larger ones by the bits or the word that follows. Every step is stable.
 *
 * @module
 */

import { LINE_PREFIX_BYTES, type RecordFormat } from "../records/record_format.ts";

/** Groups up to this size are sorted by insertion. By measurement, 16 to 32 are equally good. */
const INSERTION_ENTRIES = 24;
/** The most bits of a radix pass, so that its counters fit in the first-level cache. */
const MAX_DIGIT_BITS = 11;
/**
 * A word of a line has three bytes of the key and the number of bytes there were, so that a key
 * that ends sorts before one that continues with zeros.
 */
const LINE_WORD_BYTES = 3;
const RECORD_WORD_BYTES = 4;

/** The sort. It keeps its tables between calls. */
export class SortKernel {
  /** Addresses of the entries. The caller fills them in, and `sort` puts them in order. */
  addresses = new Uint32Array(0);
  #words = new Uint32Array(0);
  #otherAddresses = new Uint32Array(0);
  #otherWords = new Uint32Array(0);
  readonly #counts = new Uint32Array(1 << MAX_DIGIT_BITS);
  readonly #bytes: Uint8Array;
  readonly #format: RecordFormat;
  readonly #keyBytes: number;
  readonly #wordBytes: number;

  /**
   * @param bytes The memory that holds the entries.
   * @param format The format of the entries; lines have their length in front.
   */
  constructor(bytes: Uint8Array, format: RecordFormat) {
    this.#bytes = bytes;
    this.#format = format;
    this.#keyBytes = format.keyEnd - format.keyStart;
    this.#wordBytes = format.recordBytes === 0 ? LINE_WORD_BYTES : RECORD_WORD_BYTES;
  }

  /** Makes the tables large enough for this many entries. */
  reserve(entries: number): void {
    if (this.addresses.length >= entries) return;
    // Release the old tables first, so that both are never in memory together.
    this.addresses =
      this.#words =
      this.#otherAddresses =
      this.#otherWords =
        new Uint32Array(0);
    const capacity = Math.ceil(entries * 1.25);
    this.addresses = new Uint32Array(capacity);
    this.#words = new Uint32Array(capacity);
    this.#otherAddresses = new Uint32Array(capacity);
    this.#otherWords = new Uint32Array(capacity);
  }

  /** Sorts the first `entries` addresses by key. */
  sort(entries: number): void {
    if (entries < 2) return;
    this.#loadWords(0, entries, 0);
    // A stack of ranges to sort: from, to, and how many bytes of their keys are known to be equal.
    const todo = [0, entries, 0];
    while (todo.length > 0) {
      const depth = todo.pop()!;
      const to = todo.pop()!;
      const from = todo.pop()!;
      if (to - from <= INSERTION_ENTRIES) this.#insertionSort(from, to, depth);
      else this.#radixSort(from, to, depth, todo);
    }
  }

  #radixSort(from: number, to: number, depth: number, todo: number[]): void {
    const words = this.#words;
    let least = words[from]!;
    let most = least;
    for (let i = from + 1; i < to; i++) {
      const word = words[i]!;
      if (word < least) least = word;
      if (word > most) most = word;
    }
    if (least === most) {
      if (this.#endsAt(least, depth)) return;
      const next = depth + this.#wordBytes;
      this.#loadWords(from, to, next);
      todo.push(from, to, next);
      return;
    }
    // With a few bits more than it takes to number the entries, most of them get distinct values.
    const entries = to - from;
    const digitBits = Math.min(MAX_DIGIT_BITS, (36 - Math.clz32(entries) + 1) >>> 1);
    const bits = 32 - Math.clz32(most - least);
    const shift = Math.max(0, bits - 2 * digitBits);
    this.#pass(from, to, least, shift, digitBits);
    this.#swap();
    if (bits - shift > digitBits) {
      this.#pass(from, to, least, shift + digitBits, digitBits);
      this.#swap();
    } else {
      // The result has to end up in the same tables as the other ranges.
      this.#otherWords.set(this.#words.subarray(from, to), from);
      this.#otherAddresses.set(this.addresses.subarray(from, to), from);
      this.#swap();
    }
    const sorted = this.#words;
    for (let start = from; start < to;) {
      const value = (sorted[start]! - least) >>> shift;
      let end = start + 1;
      while (end < to && (sorted[end]! - least) >>> shift === value) end++;
      if (end - start > INSERTION_ENTRIES) todo.push(start, end, depth);
      else if (end - start > 1) this.#insertionSort(start, end, depth);
      start = end;
    }
  }

  /** One stable pass over the digit at `shift`, from the current tables to the other ones. */
  #pass(from: number, to: number, least: number, shift: number, digitBits: number): void {
    const words = this.#words;
    const addresses = this.addresses;
    const otherWords = this.#otherWords;
    const otherAddresses = this.#otherAddresses;
    const counts = this.#counts;
    const size = 1 << digitBits;
    const mask = size - 1;
    counts.fill(0, 0, size);
    for (let i = from; i < to; i++) counts[((words[i]! - least) >>> shift) & mask]!++;
    let next = from;
    for (let i = 0; i < size; i++) {
      const count = counts[i]!;
      counts[i] = next;
      next += count;
    }
    for (let i = from; i < to; i++) {
      const word = words[i]!;
      const at = counts[((word - least) >>> shift) & mask]!++;
      otherWords[at] = word;
      otherAddresses[at] = addresses[i]!;
    }
  }

  #swap(): void {
    [this.#words, this.#otherWords] = [this.#otherWords, this.#words];
    [this.addresses, this.#otherAddresses] = [this.#otherAddresses, this.addresses];
  }

  #insertionSort(from: number, to: number, depth: number): void {
    const words = this.#words;
    const addresses = this.addresses;
    for (let i = from + 1; i < to; i++) {
      const word = words[i]!;
      const address = addresses[i]!;
      let j = i - 1;
      while (j >= from) {
        const other = words[j]!;
        if (other < word) break;
        if (other === word && this.#compareAfter(addresses[j]!, address, word, depth) <= 0) break;
        words[j + 1] = other;
        addresses[j + 1] = addresses[j]!;
        j--;
      }
      words[j + 1] = word;
      addresses[j + 1] = address;
    }
  }

  /** Whether keys with this word at this depth end there. */
  #endsAt(word: number, depth: number): boolean {
    return this.#format.recordBytes === 0
      ? (word & 0xff) < LINE_WORD_BYTES
      : depth + RECORD_WORD_BYTES >= this.#keyBytes;
  }

  /** Compares two keys from the end of the word at `depth` on, which they share. */
  #compareAfter(a: number, b: number, word: number, depth: number): number {
    if (this.#endsAt(word, depth)) return 0;
    const bytes = this.#bytes;
    const skip = depth + this.#wordBytes;
    let aLength = this.#keyBytes;
    let bLength = aLength;
    if (this.#format.recordBytes === 0) {
      aLength = this.#lineKeyBytes(a);
      bLength = this.#lineKeyBytes(b);
      a += LINE_PREFIX_BYTES;
      b += LINE_PREFIX_BYTES;
    }
    a += this.#format.keyStart;
    b += this.#format.keyStart;
    const end = Math.min(aLength, bLength);
    for (let i = skip; i < end; i++) {
      const difference = bytes[a + i]! - bytes[b + i]!;
      if (difference !== 0) return difference;
    }
    return aLength - bLength;
  }

  #lineKeyBytes(address: number): number {
    const length = this.#bytes[address]! | (this.#bytes[address + 1]! << 8);
    return Math.max(0, Math.min(length, this.#format.keyEnd) - this.#format.keyStart);
  }

  /** Loads the word at `depth` of each key. */
  #loadWords(from: number, to: number, depth: number): void {
    const bytes = this.#bytes;
    const words = this.#words;
    const addresses = this.addresses;
    const start = this.#format.keyStart + depth;
    if (this.#format.recordBytes === 0) {
      for (let i = from; i < to; i++) {
        const address = addresses[i]!;
        const at = address + LINE_PREFIX_BYTES + start;
        const left = this.#lineKeyBytes(address) - depth;
        if (left >= LINE_WORD_BYTES) {
          words[i] = (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 |
            LINE_WORD_BYTES) >>> 0;
        } else if (left === 2) {
          words[i] = (bytes[at]! << 24 | bytes[at + 1]! << 16 | 2) >>> 0;
        } else {
          words[i] = left === 1 ? (bytes[at]! << 24 | 1) >>> 0 : 0;
        }
      }
      return;
    }
    const left = this.#keyBytes - depth;
    if (left >= RECORD_WORD_BYTES) {
      for (let i = from; i < to; i++) {
        const at = addresses[i]! + start;
        words[i] = (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 |
          bytes[at + 3]!) >>> 0;
      }
      return;
    }
    for (let i = from; i < to; i++) {
      const at = addresses[i]! + start;
      let word = 0;
      for (let j = 0; j < left; j++) word |= bytes[at + j]! << (24 - 8 * j);
      words[i] = word >>> 0;
    }
  }
}
