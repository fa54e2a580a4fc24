/**
 * The counts of a sort that reduces (unique or count): how many entries of the inputs an entry stands
 * for. In slots and on the wire, a count is a u32, little-endian, in front of its entry. The address of
 * an entry is the one behind its count, so all other code sees entries as in any sort.
 *
 * @module
 */

import { COUNT_BYTES } from "./record_format.ts";

/** The highest count of one entry. A key with more of them has several entries until the end. */
const MAX_COUNT = 2 ** 32 - 1;

/** The count of the entry at an address. */
export function readCount(bytes: Uint8Array, entry: number): number {
  const at = entry - COUNT_BYTES;
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
}

/** Writes the count of the entry at an address. */
export function writeCount(bytes: Uint8Array, entry: number, count: number): void {
  const at = entry - COUNT_BYTES;
  bytes[at] = count;
  bytes[at + 1] = count >>> 8;
  bytes[at + 2] = count >>> 16;
  bytes[at + 3] = count >>> 24;
}

/** Adds to the count of an entry, if the sum fits; returns whether it does. */
export function addCount(bytes: Uint8Array, entry: number, count: number): boolean {
  const sum = readCount(bytes, entry) + count;
  if (sum > MAX_COUNT) return false;
  writeCount(bytes, entry, sum);
  return true;
}
