/**
 * The checksum of a set of records: the sum of the CRC-32 of each. It does not depend on their
 * order, so it is the same before and after sorting, and sums of parts add up to that of the whole.
 *
 * @module
 */

import { crc32 } from "node:zlib";

/** What sets of records are compared by. */
export interface Tally {
  /** How many records. */
  records: number;
  /** Their bytes, a newline for each line included. */
  bytes: number;
  /** The sum of the CRC-32 (that of zlib) of every record. */
  sum: bigint;
}

/** A tally of nothing. */
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

// A record's CRC is below 2^32, so this many of them add up exactly in a double.
const CRCS_PER_NUMBER = 2 ** 20;

/** Sums CRCs without making a bigint for each. */
export class CrcSum {
  #total = 0n;
  #part = 0;
  #count = 0;

  /** Adds the CRC-32 of `record`. */
  add(record: Uint8Array): void {
    this.#part += crc32(record);
    if (++this.#count === CRCS_PER_NUMBER) this.#carry();
  }

  /** The sum of all that was added. */
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
