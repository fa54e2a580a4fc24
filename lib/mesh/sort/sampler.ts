/**
 * Picks keys from an input without reading all of it.
 *
 * The input is divided into sections of equal length, and one entry is picked at random from each.
 * So a presorted input yields its exact quantiles, and a periodic one cannot mislead the sample.
 *
 * @module
 */

import {
  keyOf,
  LINE_PREFIX_BYTES,
  MAX_ENTRY_BYTES,
  MAX_LINE_BYTES,
  type RecordFormat,
} from "../records/record_format.ts";
import { orderOf, type SampledKey } from "./splitters.ts";

/** The number of keys that a node samples; this many make the shares equal to within 1 %. */
export const SAMPLE_KEYS = 16_384;
/** The most bytes that all keys of a sample may have together. */
export const SAMPLE_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;
/** The first window in which a line is searched; it doubles, up to two lines of maximal length. */
const LINE_WINDOW_BYTES = 1024;
/** Sampling long lines reads much of the input: at most this part, */
const MAX_READ_PART = 1 / 8;
/** but no more than this, */
const MAX_READ_BYTES = 256 * 1024 * 1024;
/** and not less than this. */
const MIN_READ_BYTES = 4 * 1024 * 1024;

/**
 * Samples a file.
 *
 * @param size Its size in bytes; a multiple of the record size unless it has lines.
 * @param node The node that has the input.
 * @throws {Error} If it cannot be read, or has become shorter.
 */
export function sampleFile(
  file: Deno.FsFile,
  size: number,
  { format, node }: { format: RecordFormat; node: number },
): SampledKey[] {
  const sample = new BoundedSample();
  if (format.recordBytes) {
    const records = size / format.recordBytes;
    const sections = Math.min(records, SAMPLE_KEYS);
    const entry = new Uint8Array(format.recordBytes);
    for (let i = 0; i < sections; i++) {
      const position = pickFrom(i, sections, records) * format.recordBytes;
      readAt(file, position, entry);
      sample.add(keyOf(format, entry), orderOf(node, position));
    }
    return sample.keys(size);
  }
  const lines = new LinePicker(file, size);
  const mostBytes = Math.min(MAX_READ_BYTES, Math.max(MIN_READ_BYTES, size * MAX_READ_PART));
  const sections = Math.min(size, SAMPLE_KEYS);
  const step = coprimeStep(sections);
  for (let i = 0; i < sections && lines.readBytes < mostBytes; i++) {
    // The sections are visited in an order that covers the input evenly even if it ends early.
    const found = lines.after(pickFrom(i * step % sections, sections, size));
    if (found) sample.add(keyOf(format, found.entry), orderOf(node, found.position));
  }
  return sample.keys(size);
}

/** A random number from one of several equal sections of `total`. */
function pickFrom(section: number, sections: number, total: number): number {
  const from = Math.floor(section * total / sections);
  const to = Math.floor((section + 1) * total / sections);
  return from + Math.floor(Math.random() * (to - from));
}

/** A step, modulo `count`, that visits all numbers below `count` and always goes far. */
function coprimeStep(count: number): number {
  const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);
  let step = Math.max(1, Math.floor(count * (Math.sqrt(5) - 1) / 2));
  while (gcd(step, count) !== 1) step++;
  return step;
}

/** The place of a spilled piece in the spill file. */
export interface Extent {
  offset: number;
  bytes: number;
}

/** Options for {@linkcode sampleExtents}. */
export interface ExtentsOptions {
  format: RecordFormat;
  /** The number of entries in all extents together. */
  records: number;
  /** How many keys to sample; a few more or less are found, and at most {@linkcode SAMPLE_KEYS}. */
  keys: number;
}

/**
 * Samples spilled entries. Their order is the number of bytes before them, as if the extents were
 * one file.
 *
 * @param extents The places of the entries; each has whole entries, and at most a slot of them.
 */
export function sampleExtents(
  file: Deno.FsFile,
  extents: readonly Extent[],
  { format, records, keys }: ExtentsOptions,
): SampledKey[] {
  const sample = new BoundedSample();
  const block = new Uint8Array(MAX_ENTRY_BYTES);
  const prefix = format.recordBytes ? 0 : LINE_PREFIX_BYTES;
  const stride = Math.max(1, records / keys);
  let position = 0;
  let next = 0;
  let seen = 0;
  for (const { offset, bytes } of extents) {
    readAt(file, offset, block.subarray(0, bytes));
    for (let at = 0; at < bytes; seen++) {
      const length = format.recordBytes || block[at]! | (block[at + 1]! << 8);
      if (seen >= next) {
        next += stride;
        const start = at + prefix;
        sample.add(keyOf(format, block.subarray(start, start + length)), position + at);
      }
      at += prefix + length;
    }
    position += bytes;
  }
  return sample.keys(position);
}

/** Keeps every entry at first, then every second, every fourth and so on, to stay within bounds. */
class BoundedSample {
  #kept: { key: Uint8Array; order: number }[] = [];
  #bytes = 0;
  #seen = 0;
  #stride = 1;

  /** Adds a copy of a key. */
  add(key: Uint8Array, order: number): void {
    if (this.#seen++ % this.#stride !== 0) return;
    this.#kept.push({ key: key.slice(), order });
    this.#bytes += key.length;
    while (this.#kept.length > SAMPLE_KEYS || this.#bytes > SAMPLE_BYTES) {
      this.#stride *= 2;
      this.#kept = this.#kept.filter((_, i) => i % 2 === 0);
      this.#bytes = this.#kept.reduce((sum, { key }) => sum + key.length, 0);
    }
  }

  /** The kept keys, which together represent `size` bytes. */
  keys(size: number): SampledKey[] {
    const weight = size / this.#kept.length;
    return this.#kept.map(({ key, order }) => ({ key, order, weight }));
  }
}

/** Fills `into` from a position of a file. */
function readAt(file: Deno.FsFile, position: number, into: Uint8Array): void {
  file.seekSync(position, Deno.SeekMode.Start);
  for (let filled = 0; filled < into.length;) {
    const n = file.readSync(into.subarray(filled));
    if (n === null) {
      throw new Error(`Cannot read at ${position + filled}: the file has become shorter`);
    }
    filled += n;
  }
}

/** Finds lines at any position of a file. */
class LinePicker {
  /** Bytes read so far. */
  readBytes = 0;
  readonly #file: Deno.FsFile;
  readonly #size: number;
  /** The window that sufficed last time: the lines of a file often have similar lengths. */
  #windowBytes = LINE_WINDOW_BYTES;
  /** Space for the largest window so far. */
  #buffer = new Uint8Array(LINE_WINDOW_BYTES);

  constructor(file: Deno.FsFile, size: number) {
    this.#file = file;
    this.#size = size;
  }

  /**
   * The first line at or after `position`; `undefined` if there is none, or it is too long. The entry
   * is valid until the next call.
   */
  after(position: number): { entry: Uint8Array; position: number } | undefined {
    const from = Math.max(0, position - 1);
    for (let window = this.#windowBytes;; window *= 2) {
      if (this.#buffer.length < window) this.#buffer = new Uint8Array(window);
      const block = this.#buffer.subarray(0, Math.min(window, this.#size - from));
      readAt(this.#file, from, block);
      this.readBytes += block.length;
      this.#windowBytes = Math.max(LINE_WINDOW_BYTES, window / 2);
      const whole = from + block.length === this.#size;
      const isLast = whole || window > 2 * MAX_LINE_BYTES;
      const start = position === 0 ? 0 : block.indexOf(NEWLINE) + 1;
      if (position > 0 && start === 0) {
        if (isLast) return undefined;
        continue;
      }
      const end = block.indexOf(NEWLINE, start);
      if (end >= 0) return { entry: block.subarray(start, end), position: from + start };
      if (whole && start < block.length) {
        return { entry: block.subarray(start), position: from + start };
      }
      if (isLast) return undefined;
    }
  }
}
