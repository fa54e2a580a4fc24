/**
 * The checksum of a set of records: the sum of the CRC-32 of each. It does not depend on their order,
 * so sorting preserves it, and the checksums of parts add up to the checksum of the whole.
 *
 * @module
 */

import { crc32 } from "node:zlib";

/** Count, size and checksum of a set of records, by which sets are compared. */
export interface Tally {
  /** The number of records. */
  records: number;
  /** Their size in bytes; each line counts with its newline. */
  bytes: number;
  /** The sum of the CRC-32 (as zlib computes it) of every record. */
  sum: bigint;
}

/** The tally of no records. */
export function emptyTally(): Tally {
  return { records: 0, bytes: 0, sum: 0n };
}

/** Adds `part` to `total`. */
export function addTally(total: Tally, part: Tally): void {
  total.records += part.records;
  total.bytes += part.bytes;
  total.sum += part.sum;
}

/** Whether two sets have the same count, size and checksum. */
export function sameTally(a: Tally, b: Tally): boolean {
  return a.records === b.records && a.bytes === b.bytes && a.sum === b.sum;
}

/** The checksum as valsort prints it: lower-case hex without leading zeros. */
export function formatSum(sum: bigint): string {
  return sum.toString(16);
}

/** A CRC is below 2^32, so this many of them add up exactly in a double: 2^52. */
const CRCS_PER_NUMBER = 2 ** 20;

/** The CRC-32 of a byte followed by 0 to 15 zero bytes, in rows of 256. */
const TABLES = makeTables(16);

function makeTables(rows: number): Uint32Array {
  const tables = new Uint32Array(rows * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    tables[byte] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const crc = tables[i - 256]!;
    tables[i] = (crc >>> 8) ^ tables[crc & 0xff]!;
  }
  return tables;
}

/**
 * Copies a short record and returns its CRC-32, 16 bytes at a time with 16 tables. A call of the
 * runtime's `crc32` takes as long as the CRC of 200 bytes and allocates a view for each record,
 * whereas here the words are loaded for the copy anyway. Requires a little-endian machine.
 *
 * @param source Contains the record.
 * @param from Index of its first word.
 * @param target Receives the copy.
 * @param to Index of the first word of the copy.
 * @param count Number of words.
 */
export function copyWithCrc32(
  source: Uint32Array,
  from: number,
  target: Uint32Array,
  to: number,
  count: number,
): number {
  const t = TABLES;
  const end = from + count;
  let crc = 0xffffffff;
  for (; from + 4 <= end; from += 4, to += 4) {
    let a = source[from]!;
    const b = source[from + 1]!;
    const c = source[from + 2]!;
    const d = source[from + 3]!;
    target[to] = a;
    target[to + 1] = b;
    target[to + 2] = c;
    target[to + 3] = d;
    a ^= crc;
    crc = t[3840 + (a & 0xff)]! ^ t[3584 + ((a >>> 8) & 0xff)]! ^
      t[3328 + ((a >>> 16) & 0xff)]! ^ t[3072 + (a >>> 24)]! ^
      t[2816 + (b & 0xff)]! ^ t[2560 + ((b >>> 8) & 0xff)]! ^
      t[2304 + ((b >>> 16) & 0xff)]! ^ t[2048 + (b >>> 24)]! ^
      t[1792 + (c & 0xff)]! ^ t[1536 + ((c >>> 8) & 0xff)]! ^
      t[1280 + ((c >>> 16) & 0xff)]! ^ t[1024 + (c >>> 24)]! ^
      t[768 + (d & 0xff)]! ^ t[512 + ((d >>> 8) & 0xff)]! ^
      t[256 + ((d >>> 16) & 0xff)]! ^ t[d >>> 24]!;
  }
  for (; from < end; from++, to++) {
    const word = source[from]!;
    target[to] = word;
    const a = word ^ crc;
    crc = t[768 + (a & 0xff)]! ^ t[512 + ((a >>> 8) & 0xff)]! ^
      t[256 + ((a >>> 16) & 0xff)]! ^ t[a >>> 24]!;
  }
  return ~crc >>> 0;
}

/** Up to this length a loop over eight bytes at a time is faster than the call of the runtime. */
const MAX_LOOP_BYTES = 512;

/**
 * The CRC-32 of a range of bytes. A call of the runtime's `crc32` costs as much as 100 bytes do,
 * and needs a view.
 */
export function crc32Of(bytes: Uint8Array, from: number, to: number): number {
  if (to - from > MAX_LOOP_BYTES) return crc32(bytes.subarray(from, to));
  const t = TABLES;
  let crc = 0xffffffff;
  let at = from;
  for (; at + 8 <= to; at += 8) {
    crc = t[1792 + ((bytes[at]! ^ crc) & 0xff)]! ^
      t[1536 + ((bytes[at + 1]! ^ crc >>> 8) & 0xff)]! ^
      t[1280 + ((bytes[at + 2]! ^ crc >>> 16) & 0xff)]! ^ t[1024 + (bytes[at + 3]! ^ crc >>> 24)]! ^
      t[768 + bytes[at + 4]!]! ^ t[512 + bytes[at + 5]!]! ^
      t[256 + bytes[at + 6]!]! ^ t[bytes[at + 7]!]!;
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}

/**
 * Copies a short line and returns its CRC-32, so that its bytes are loaded once. The ranges must not
 * overlap.
 *
 * @param source Contains the line.
 * @param from Its place there.
 * @param target Receives the copy.
 * @param to The place of the copy.
 * @param count The number of bytes.
 */
export function copyBytesWithCrc32(
  source: Uint8Array,
  from: number,
  target: Uint8Array,
  to: number,
  count: number,
): number {
  const t = TABLES;
  const end = from + count;
  let crc = 0xffffffff;
  for (; from + 8 <= end; from += 8, to += 8) {
    const a = source[from]!;
    const b = source[from + 1]!;
    const c = source[from + 2]!;
    const d = source[from + 3]!;
    const e = source[from + 4]!;
    const f = source[from + 5]!;
    const g = source[from + 6]!;
    const h = source[from + 7]!;
    target[to] = a;
    target[to + 1] = b;
    target[to + 2] = c;
    target[to + 3] = d;
    target[to + 4] = e;
    target[to + 5] = f;
    target[to + 6] = g;
    target[to + 7] = h;
    crc = t[1792 + ((a ^ crc) & 0xff)]! ^ t[1536 + ((b ^ crc >>> 8) & 0xff)]! ^
      t[1280 + ((c ^ crc >>> 16) & 0xff)]! ^ t[1024 + (d ^ crc >>> 24)]! ^
      t[768 + e]! ^ t[512 + f]! ^ t[256 + g]! ^ t[h]!;
  }
  for (; from < end; from++, to++) {
    const byte = source[from]!;
    target[to] = byte;
    crc = (crc >>> 8) ^ t[(crc ^ byte) & 0xff]!;
  }
  return ~crc >>> 0;
}

/** The CRC-32 of some bytes and one more, from that of the bytes. */
export function crc32With(crc: number, byte: number): number {
  return ~(TABLES[(~crc ^ byte) & 0xff]! ^ (~crc >>> 8)) >>> 0;
}

/** Adds up CRCs without creating a bigint for each. */
export class CrcSum {
  #total = 0n;
  #part = 0;
  #count = 0;

  /** Adds the CRC-32 of `record`. */
  add(record: Uint8Array): void {
    this.addCrc(crc32(record));
  }

  /** Adds a CRC-32. */
  addCrc(crc: number): void {
    this.#part += crc;
    if (++this.#count === CRCS_PER_NUMBER) this.#carry();
  }

  /** The sum so far. */
  get value(): bigint {
    this.#carry();
    return this.#total;
  }

  #carry(): void {
    this.#total += BigInt(this.#part);
    this.#part = 0;
    this.#count = 0;
  }
}
