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

import { KEY_LENGTH, lineLength, linePlace, MAX_SHORT_LINE_BYTES } from "../records/line_entry.ts";
import type { RecordFormat } from "../records/record_format.ts";

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

/** Compares entries beyond the bytes of their keys that the kernel sees. */
export interface TieBreaker {
  /** Compares two entries. */
  compare(a: number, b: number): number;
  /** Sorts entries stably, given by their addresses. */
  sort(addresses: Uint32Array): void;
}

/** How lines are stored. */
export interface LineForm {
  /** Whether the beginnings of their keys are stored with them. */
  keyed: boolean;
  /** Decides between lines whose keys are equal as far as they are stored. */
  ties: TieBreaker;
}

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
  readonly #keyed: boolean;
  readonly #ties: TieBreaker | undefined;
  /** Keys of lines that are not stored with them are seen up to this offset in the line. */
  readonly #seenEnd: number;

  /**
   * @param bytes The memory that holds the entries.
   * @param format The format of the entries; line_entry.ts has that of lines.
   */
  constructor(bytes: Uint8Array, format: RecordFormat, lines?: LineForm) {
    this.#bytes = bytes;
    this.#format = format;
    this.#keyBytes = format.keyEnd - format.keyStart;
    this.#wordBytes = format.recordBytes === 0 ? LINE_WORD_BYTES : RECORD_WORD_BYTES;
    this.#keyed = lines?.keyed ?? false;
    this.#ties = format.recordBytes === 0 ? lines?.ties : undefined;
    this.#seenEnd = Math.min(format.keyEnd, MAX_SHORT_LINE_BYTES);
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
      if (this.#endsAt(least, depth)) {
        if (this.#goesOn(depth + (least & 0xff))) {
          this.#ties!.sort(this.addresses.subarray(from, to));
        }
        return;
      }
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

  /** Whether keys of which the kernel sees this many bytes may go on beyond them. */
  #goesOn(seenBytes: number): boolean {
    if (this.#ties === undefined) return false;
    return this.#keyed || this.#format.keyStart + seenBytes === MAX_SHORT_LINE_BYTES;
  }

  /** Compares two keys from the end of the word at `depth` on, which they share. */
  #compareAfter(a: number, b: number, word: number, depth: number): number {
    if (this.#endsAt(word, depth)) {
      return this.#goesOn(depth + (word & 0xff)) ? this.#ties!.compare(a, b) : 0;
    }
    const bytes = this.#bytes;
    const skip = depth + this.#wordBytes;
    const isLine = this.#format.recordBytes === 0;
    const aLength = isLine ? this.#lineKeyBytes(a) : this.#keyBytes;
    const bLength = isLine ? this.#lineKeyBytes(b) : this.#keyBytes;
    const aKey = isLine ? this.#lineKey(a) : a + this.#format.keyStart;
    const bKey = isLine ? this.#lineKey(b) : b + this.#format.keyStart;
    const end = Math.min(aLength, bLength);
    for (let i = skip; i < end; i++) {
      const difference = bytes[aKey + i]! - bytes[bKey + i]!;
      if (difference !== 0) return difference;
    }
    if (aLength !== bLength || !this.#goesOn(aLength)) return aLength - bLength;
    return this.#ties!.compare(a, b);
  }

  /** The place of the key of a line. */
  #lineKey(entry: number): number {
    if (this.#keyed) return entry + 1;
    return linePlace(this.#bytes, entry) + this.#format.keyStart;
  }

  /** The length of the key of a line, as far as the kernel sees it. */
  #lineKeyBytes(entry: number): number {
    if (this.#keyed) return this.#bytes[entry]! & KEY_LENGTH;
    const length = lineLength(this.#bytes, entry);
    return Math.max(0, Math.min(length, this.#seenEnd) - this.#format.keyStart);
  }

  /** Loads the word at `depth` of each key. */
  #loadWords(from: number, to: number, depth: number): void {
    const bytes = this.#bytes;
    const words = this.#words;
    const addresses = this.addresses;
    if (this.#format.recordBytes === 0) {
      for (let i = from; i < to; i++) {
        const address = addresses[i]!;
        const at = this.#lineKey(address) + depth;
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
    const start = this.#format.keyStart + depth;
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
