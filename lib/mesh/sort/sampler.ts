/**
 * Picks keys from an input without reading all of it.
 *
 * The input is cut into stretches of equal length and one entry is picked at random from each, so
 * that a presorted input gives its exact quantiles and a periodic one does not mislead.
 *
 * @module
 */

import {
  keyOf,
  LINE_PREFIX_BYTES,
  MAX_LINE_BYTES,
  type RecordFormat,
} from "../records/record_format.ts";
import { orderOf, type SampledKey } from "./splitters.ts";

/** How many keys a node samples: with as few as these, its share is even to within 1 %. */
export const SAMPLE_KEYS = 16_384;
/** All keys of a sample together have at most so many bytes. */
export const SAMPLE_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;
/** A line is looked for in windows of this size at first, and of up to two longest lines. */
const LINE_WINDOW_BYTES = 1024;
/** Long lines take much reading: this part of the input at most, */
const MAX_READ_PART = 1 / 8;
/** but no more than this, */
const MAX_READ_BYTES = 256 * 1024 * 1024;
/** and not less than this. */
const MIN_READ_BYTES = 4 * 1024 * 1024;

/**
 * Samples a file.
 *
 * @param file The open file.
 * @param size Its size, a multiple of the record size where there is one.
 * @param node Whose input it is.
 */
export function sampleFile(
  file: Deno.FsFile,
  size: number,
  { format, node }: { format: RecordFormat; node: number },
): SampledKey[] {
  const sample = new BoundedSample();
  if (format.recordBytes) {
    const records = size / format.recordBytes;
    const stretches = Math.min(records, SAMPLE_KEYS);
    for (let i = 0; i < stretches; i++) {
      const position = pickFrom(i, stretches, records) * format.recordBytes;
      const entry = readAt(file, position, format.recordBytes);
      sample.add(keyOf(format, entry), orderOf(node, position));
    }
    return sample.keys(size);
  }
  const lines = new LinePicker(file, size);
  const mostBytes = Math.min(MAX_READ_BYTES, Math.max(MIN_READ_BYTES, size * MAX_READ_PART));
  const stretches = Math.min(size, SAMPLE_KEYS);
  const step = coprimeStep(stretches);
  for (let i = 0; i < stretches && lines.readBytes < mostBytes; i++) {
    // Not in their order: if it ends early, the whole input has been visited evenly all the same.
    const found = lines.after(pickFrom(i * step % stretches, stretches, size));
    if (found) sample.add(keyOf(format, found.entry), orderOf(node, found.position));
  }
  return sample.keys(size);
}

/** A number from one of several stretches of `total`. */
function pickFrom(stretch: number, stretches: number, total: number): number {
  const from = Math.floor(stretch * total / stretches);
  const to = Math.floor((stretch + 1) * total / stretches);
  return from + Math.floor(Math.random() * (to - from));
}

/** A step that visits all of `count` places in turn, and is far from where it was every time. */
function coprimeStep(count: number): number {
  const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);
  let step = Math.max(1, Math.floor(count * (Math.sqrt(5) - 1) / 2));
  while (gcd(step, count) !== 1) step++;
  return step;
}

/** Where a piece of a bucket is in the spill file. */
export interface Extent {
  offset: number;
  bytes: number;
}

/**
 * Samples entries that were spilled.
 *
 * @param extents What the entries are in; each holds whole entries. They are numbered by the bytes
 * in front of them, as if the extents were one file.
 */
export function sampleExtents(
  file: Deno.FsFile,
  extents: readonly Extent[],
  format: RecordFormat,
): SampledKey[] {
  const MAX_EXTENTS = 512;
  const sample = new BoundedSample();
  let position = 0;
  let size = 0;
  const step = Math.max(1, extents.length / MAX_EXTENTS);
  let next = 0;
  extents.forEach(({ offset, bytes }, i) => {
    size += bytes;
    if (i >= next) {
      next += step;
      const block = readAt(file, offset, bytes);
      for (let at = 0; at < bytes;) {
        const prefix = format.recordBytes ? 0 : LINE_PREFIX_BYTES;
        const length = format.recordBytes || block[at]! | (block[at + 1]! << 8);
        const entry = block.subarray(at + prefix, at + prefix + length);
        sample.add(keyOf(format, entry), position + at);
        at += prefix + length;
      }
    }
    position += bytes;
  });
  return sample.keys(size);
}

/** Keeps every entry at first; when they get too many, every second, every fourth, and so on. */
class BoundedSample {
  #kept: { key: Uint8Array; order: number }[] = [];
  #bytes = 0;
  #seen = 0;
  #stride = 1;

  /** Takes a copy of the key. */
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

  /** What was kept, standing for `size` bytes together. */
  keys(size: number): SampledKey[] {
    const weight = size / this.#kept.length;
    return this.#kept.map(({ key, order }) => ({ key, order, weight }));
  }
}

function readAt(file: Deno.FsFile, position: number, bytes: number): Uint8Array {
  const block = new Uint8Array(bytes);
  file.seekSync(position, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < bytes) {
    const n = file.readSync(block.subarray(filled));
    if (n === null) {
      throw new Error(`Cannot read at ${position + filled}: the file has become shorter`);
    }
    filled += n;
  }
  return block;
}

/** Finds lines anywhere in a file. */
class LinePicker {
  /** How much it has read so far. */
  readBytes = 0;
  readonly #file: Deno.FsFile;
  readonly #size: number;
  /** As much as it took last time: lines of one file are often of one length. */
  #windowBytes = LINE_WINDOW_BYTES;

  constructor(file: Deno.FsFile, size: number) {
    this.#file = file;
    this.#size = size;
  }

  /** The first line that begins at or after `position`, if there is one of the allowed length. */
  after(position: number): { entry: Uint8Array; position: number } | undefined {
    const from = Math.max(0, position - 1);
    for (let window = this.#windowBytes;; window *= 2) {
      const block = readAt(this.#file, from, Math.min(window, this.#size - from));
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
