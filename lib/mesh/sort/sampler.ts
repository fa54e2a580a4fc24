/**
 * Picks keys from an input without reading all of it.
 *
 * The input is divided into sections of equal length, and a byte is picked at random from each: the
 * entry that it belongs to is sampled. So entries are picked as often as they have bytes, a presorted
 * input yields its exact quantiles, and a periodic one cannot mislead the sample.
 *
 * @module
 */

import type { KeyEncoder } from "../keys/key_encoder.ts";
import { countBytesOf, keyOf, type RecordFormat } from "../records/record_format.ts";
import { lengthPlace, lineLength, linePlace } from "../records/line_entry.ts";
import { LineOrder } from "../records/line_order.ts";
import { SampledFiles } from "./sampled_files.ts";
import type { InputFile } from "./sort_messages.ts";
import { type Extent, spilledBlocks } from "./spilled_blocks.ts";
import { orderOf, type SampledKey } from "./splitters.ts";

/** The most keys that a node samples. From all nodes together, so many make shares equal to within 1 %. */
export const SAMPLE_KEYS = 16_384;
/** The fewest keys that a node samples. */
const MIN_SAMPLE_KEYS = 1024;
/** The keys for each bucket. Finding a key takes as long as sorting a few kilobytes. */
const KEYS_PER_BUCKET = 16;
/** The most bytes that all keys of a sample may have together. */
export const SAMPLE_BYTES = 1024 * 1024;

/**
 * The most bytes of a key of a file that are sampled. A longer key stands for all that begin with
 * them, which no cut can divide; sort_phase.ts splits them later on, if they are too many.
 */
export const SAMPLED_KEY_BYTES = 4096;
/** As many keys are kept in any case, however long they are: a cut needs one on each side. */
const MIN_KEYS = 2;
/** Sampling long lines reads much of the input: at most this part, */
const MAX_READ_PART = 1 / 8;
/** but no more than this, */
const MAX_READ_BYTES = 256 * 1024 * 1024;
/** and not less than this. */
const MIN_READ_BYTES = 4 * 1024 * 1024;

/**
 * How many keys a node samples. A node alone has no shares to balance, and needs only enough keys for
 * its buckets; several share out the number that balances them.
 *
 * @param buckets The number of buckets that the input of the node fills.
 */
export function sampleKeysFor({ buckets, nodes }: { buckets: number; nodes: number }): number {
  const balancing = nodes === 1 ? 0 : SAMPLE_KEYS / nodes;
  const wanted = Math.max(MIN_SAMPLE_KEYS, balancing, KEYS_PER_BUCKET * buckets);
  return Math.ceil(Math.min(SAMPLE_KEYS, wanted));
}

/**
 * Samples an input.
 *
 * @param files Its files; their sizes are multiples of the record size unless they have lines.
 * @param node The node that has the input.
 * @param keys How many keys to sample, at most {@linkcode SAMPLE_KEYS}.
 * @throws {Error} If one cannot be read, or has become shorter.
 */
export function sampleFiles(
  files: readonly InputFile[],
  { format, node, keys = SAMPLE_KEYS }: { format: RecordFormat; node: number; keys?: number },
): SampledKey[] {
  const sample = new KeySample(format, SAMPLED_KEY_BYTES);
  using sampled = new SampledFiles(files, format);
  const { size } = sampled;
  if (format.recordBytes) {
    const records = size / format.recordBytes;
    const sections = Math.min(records, keys);
    const entry = new Uint8Array(format.recordBytes);
    for (let i = 0; i < sections; i++) {
      const at = pickFrom(i, sections, records) * format.recordBytes;
      const position = sampled.record(at, entry);
      sample.add(entry, [0, entry.length], orderOf(node, position));
    }
    return sample.keys(size);
  }
  const mostBytes = Math.min(MAX_READ_BYTES, Math.max(MIN_READ_BYTES, size * MAX_READ_PART));
  const sections = Math.min(size, keys);
  const step = coprimeStep(sections);
  for (let i = 0; i < sections && sampled.readBytes < mostBytes; i++) {
    // The sections are visited in an order that covers the input evenly even if it ends early.
    const found = sampled.lineAt(pickFrom(i * step % sections, sections, size));
    if (!found) continue;
    sample.add(found.bytes, [found.from, found.to], orderOf(node, found.position));
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
 * @param extents The places of the entries.
 */
export function sampleExtents(
  file: Deno.FsFile,
  extents: readonly Extent[],
  { format, records, keys }: ExtentsOptions,
): SampledKey[] {
  // Keys are sampled at any length: only a cut between two of them makes the parts smaller.
  const sample = new KeySample(format, Infinity);
  const { keyed } = new LineOrder(format);
  const countBytes = countBytesOf(format);
  const stride = Math.max(1, records / keys);
  let size = 0;
  let next = 0;
  let seen = 0;
  for (const { bytes, length, position } of spilledBlocks(file, extents)) {
    for (let at = 0; at < length; seen++) {
      const entry = at + countBytes;
      const place = format.recordBytes ? entry : lengthPlace(bytes, entry, keyed);
      const start = format.recordBytes ? entry : linePlace(bytes, place);
      const end = start + (format.recordBytes || lineLength(bytes, place));
      if (seen >= next) {
        next += stride;
        sample.add(bytes, [start, end], position + at);
      }
      at = end;
    }
    size = position + length;
  }
  return sample.keys(size);
}

/** Collects the keys of entries. */
class KeySample {
  readonly #format: RecordFormat;
  readonly #limitBytes: number;
  readonly #encoder: KeyEncoder | undefined;
  readonly #sample = new BoundedSample();

  /** @param limitBytes How much of each key is kept. */
  constructor(format: RecordFormat, limitBytes: number) {
    this.#format = format;
    this.#limitBytes = limitBytes;
    this.#encoder = new LineOrder(format).newEncoder();
  }

  /** Adds the key of an entry. */
  add(bytes: Uint8Array, [from, to]: readonly [number, number], order: number): void {
    const encoder = this.#encoder;
    const limit = this.#limitBytes;
    if (encoder) {
      encoder.encode(bytes, from, to, limit);
      const key = encoder.bytes.subarray(0, encoder.length);
      return this.#sample.add(key, encoder.cut ? -1 : order);
    }
    const key = keyOf(this.#format, bytes.subarray(from, to));
    // Order -1 is that of a cut before all entries whose keys begin with this one.
    this.#sample.add(key.subarray(0, limit), key.length > limit ? -1 : order);
  }

  /** The keys, which together represent `size` bytes. */
  keys(size: number): SampledKey[] {
    return this.#sample.keys(size);
  }
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
    while (
      this.#kept.length > SAMPLE_KEYS ||
      (this.#bytes > SAMPLE_BYTES && this.#kept.length > MIN_KEYS)
    ) {
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
