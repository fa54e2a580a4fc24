/**
 * Picks keys from an input without reading all of it.
 *
 * The input is cut into stretches of equal length and one entry is picked at random from each, so
 * that a presorted input gives its exact quantiles and a periodic one does not mislead.
 *
 * @module
 */

import { keyOf, LINE_PREFIX_BYTES, MAX_LINE_BYTES, type RecordFormat } from "./record_format.ts";
import { orderOf, type SampledKey } from "./splitters.ts";

/** How many keys a node samples: with as few as these, its share is even to within 1 %. */
export const SAMPLE_KEYS = 16_384;
/** All keys of a sample together have at most so many bytes. */
export const SAMPLE_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;
/** A line is looked for in windows of this size, and of up to two longest lines. */
const LINE_WINDOW_BYTES = 4096;

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
  const unit = format.recordBytes || 1;
  const units = size / unit;
  const stretches = Math.min(units, SAMPLE_KEYS);
  const sample = new BoundedSample();
  for (let i = 0; i < stretches; i++) {
    const from = Math.floor(i * units / stretches);
    const to = Math.floor((i + 1) * units / stretches);
    const position = (from + Math.floor(Math.random() * (to - from))) * unit;
    const found = format.recordBytes
      ? { entry: readAt(file, position, unit), position }
      : lineAfter(file, position, size);
    if (found) sample.add(keyOf(format, found.entry).slice(), orderOf(node, found.position));
  }
  return sample.keys(size);
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
        sample.add(keyOf(format, entry).slice(), position + at);
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

  add(key: Uint8Array, order: number): void {
    if (this.#seen++ % this.#stride !== 0) return;
    this.#kept.push({ key, order });
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

/** The first line that begins at or after `position`. */
function lineAfter(
  file: Deno.FsFile,
  position: number,
  size: number,
): { entry: Uint8Array; position: number } | undefined {
  const from = Math.max(0, position - 1);
  for (let window = LINE_WINDOW_BYTES;; window *= 8) {
    const block = readAt(file, from, Math.min(window, size - from));
    const start = position === 0 ? 0 : block.indexOf(NEWLINE) + 1;
    const whole = from + block.length === size;
    const end = block.indexOf(NEWLINE, start);
    if (position > 0 && start === 0) {
      if (whole || window > 2 * MAX_LINE_BYTES) return undefined;
    } else if (end >= 0) {
      return { entry: block.subarray(start, end), position: from + start };
    } else if (whole) {
      if (start === block.length) return undefined;
      return { entry: block.subarray(start), position: from + start };
    } else if (window > 2 * MAX_LINE_BYTES) return undefined;
  }
}
