/**
 * Values as strings of bits. Bit 0 is the most significant bit of the first byte, as in Redis.
 *
 * Each function works on a range, so that a caller can divide a long value into steps. The loops
 * take four bytes at a time, which is three to five times as fast as one.
 *
 * @module
 */

import type { Value } from "../../storage/value.ts";

/** How BITOP combines values. */
export type BitOperation = "and" | "or" | "xor";

const BYTES_PER_WORD = 4;

/** A bit of a value; 0 beyond its end. */
export function bitAt(value: Value, offset: number): 0 | 1 {
  const at = Math.floor(offset / 8);
  const byte = typeof value === "string" ? value.charCodeAt(at) : value[at] ?? 0;
  return (byte & (0x80 >> offset % 8)) === 0 ? 0 : 1;
}

/** The number of bits that are 1, from bit `first` to bit `last`, both inside the array. */
export function countBits(bytes: Uint8Array, first: number, last: number): number {
  const start = Math.floor(first / 8), end = Math.floor(last / 8) + 1;
  const before = bytes[start]! & ~(0xff >> first % 8);
  const after = bytes[end - 1]! & (0x7f >> last % 8);
  return countInBytes(bytes, start, end) - onesIn(before) - onesIn(after);
}

function countInBytes(bytes: Uint8Array, start: number, end: number): number {
  const { head, words, tail } = splitRange(bytes, start, end);
  let count = 0;
  for (let at = start; at < head; at++) count += onesIn(bytes[at]!);
  for (let index = 0; index < words.length; index++) count += onesIn(words[index]!);
  for (let at = tail; at < end; at++) count += onesIn(bytes[at]!);
  return count;
}

/** The number of ones in a 32-bit word, by adding neighbouring fields of 1, 2, 4 and 8 bits. */
function onesIn(word: number): number {
  let sum = word - ((word >>> 1) & 0x55555555);
  sum = (sum & 0x33333333) + ((sum >>> 2) & 0x33333333);
  sum = (sum + (sum >>> 4)) & 0x0f0f0f0f;
  return Math.imul(sum, 0x01010101) >>> 24;
}

/** The first bit with a value, from bit `first` to bit `last`, both inside the array; or -1. */
export function findBit(bytes: Uint8Array, bit: 0 | 1, first: number, last: number): number {
  const start = Math.floor(first / 8), end = Math.floor(last / 8) + 1;
  // With the other bits turned, the first one in the first byte that is not 0 is the bit wanted.
  const turn = bit === 1 ? 0 : 0xff;
  let byte = (bytes[start]! ^ turn) & (0xff >> first % 8);
  let at = start;
  if (byte === 0) {
    at = findOtherByte(bytes, turn, start + 1, end);
    if (at === end) return -1;
    byte = bytes[at]! ^ turn;
  }
  const found = 8 * at + Math.clz32(byte) - 24;
  return found <= last ? found : -1;
}

/** The index of the first byte that differs from `byte`; `end` if there is none. */
function findOtherByte(bytes: Uint8Array, byte: number, start: number, end: number): number {
  const { head, words, tail } = splitRange(bytes, start, end);
  for (let at = start; at < head; at++) if (bytes[at] !== byte) return at;
  const word = Math.imul(byte, 0x01010101);
  let index = 0;
  while (index < words.length && words[index] === word) index++;
  let at = index < words.length ? head + BYTES_PER_WORD * index : tail;
  while (at < end && bytes[at] === byte) at++;
  return at;
}

/** Turns over all bits of the bytes from `start` to `end - 1`. */
export function invertBits(bytes: Uint8Array, start: number, end: number): void {
  const { head, words, tail } = splitRange(bytes, start, end);
  for (let at = start; at < head; at++) bytes[at]! ^= 0xff;
  for (let index = 0; index < words.length; index++) words[index] = ~words[index]!;
  for (let at = tail; at < end; at++) bytes[at]! ^= 0xff;
}

/**
 * Combines the bytes from `start` to `end - 1` of one array with those of another, and writes the
 * result over the first. The second counts as zero beyond its end.
 *
 * @param start A multiple of 4.
 */
export function combineBits(
  operation: BitOperation,
  into: Uint8Array,
  from: Uint8Array,
  { start, end }: { start: number; end: number },
): void {
  const both = Math.max(start, Math.min(end, from.length));
  const a = wordsOf(into, start, both), b = wordsOf(from, start, both);
  const tail = start + BYTES_PER_WORD * a.length;
  switch (operation) {
    case "and":
      for (let index = 0; index < a.length; index++) a[index]! &= b[index]!;
      for (let at = tail; at < both; at++) into[at]! &= from[at]!;
      into.fill(0, both, end);
      break;
    case "or":
      for (let index = 0; index < a.length; index++) a[index]! |= b[index]!;
      for (let at = tail; at < both; at++) into[at]! |= from[at]!;
      break;
    case "xor":
      for (let index = 0; index < a.length; index++) a[index]! ^= b[index]!;
      for (let at = tail; at < both; at++) into[at]! ^= from[at]!;
      break;
  }
}

/** A range of bytes as whole words, and where the bytes before and after those lie. */
interface SplitRange {
  /** Bytes from the start of the range to here are not part of a word. */
  head: number;
  words: Int32Array;
  /** Bytes from here to the end of the range are not part of a word. */
  tail: number;
}

function splitRange(bytes: Uint8Array, start: number, end: number): SplitRange {
  const misaligned = (bytes.byteOffset + start) % BYTES_PER_WORD;
  const head = Math.min(end, misaligned === 0 ? start : start + BYTES_PER_WORD - misaligned);
  const count = Math.floor((end - head) / BYTES_PER_WORD);
  const tail = head + BYTES_PER_WORD * count;
  // No array of words may begin at an unaligned address, not even an empty one.
  const words = count === 0
    ? new Int32Array(0)
    : new Int32Array(bytes.buffer, bytes.byteOffset + head, count);
  return { head, words, tail };
}

/** The whole words of a range; a copy of them if the range is not aligned. */
function wordsOf(bytes: Uint8Array, start: number, end: number): Int32Array {
  const { head, words } = splitRange(bytes, start, end);
  if (head === start || end - start < BYTES_PER_WORD) return words;
  const copy = bytes.slice(start, end);
  return new Int32Array(copy.buffer, 0, Math.floor(copy.length / BYTES_PER_WORD));
}
