/**
 * Signed 64-bit integers, written in decimal as both protocols have them. An integer that a
 * `number` represents exactly is a `number`, which is many times faster; only others are `bigint`.
 *
 * @module
 */

/** A 64-bit integer; a `bigint` only where a `number` would not be exact. */
export type Int64 = number | bigint;

/** The range of a signed 64-bit integer. */
export const MAX_INT64 = 2n ** 63n - 1n;
export const MIN_INT64 = -(2n ** 63n);

/** The length of the longest integer, `-9223372036854775808`. */
export const MAX_INT64_CHARS = 20;

/** Integers of up to this many characters are always exact as a `number`. */
const MAX_EXACT_CHARS = 15;

/**
 * Parses an integer: no sign but `-`, no leading zeros, no blanks.
 *
 * @returns The integer, or `undefined` if the text is not one or exceeds 64 bits.
 */
export function parseInt64(text: string): Int64 | undefined {
  const { length } = text;
  if (length === 0 || length > MAX_INT64_CHARS) return undefined;
  const negative = text.charCodeAt(0) === 0x2d;
  const first = negative ? 1 : 0;
  let value = 0;
  for (let at = first; at < length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = 10 * value + digit;
  }
  if (length === first) return undefined;
  if (text.charCodeAt(first) === 0x30) return length === 1 ? 0 : undefined;
  if (length <= MAX_EXACT_CHARS) return negative ? -value : value;
  return int64(BigInt(text));
}

/**
 * Parses an integer of up to 15 characters, as {@linkcode parseInt64} does.
 *
 * @returns The integer, or `NaN` if the range is not one or is longer.
 */
export function parseShortInteger(bytes: Uint8Array, start: number, end: number): number {
  const negative = bytes[start] === 0x2d;
  const first = negative ? start + 1 : start;
  if (first >= end || end - start > MAX_EXACT_CHARS) return NaN;
  if (bytes[first] === 0x30) return end - start === 1 ? 0 : NaN;
  let value = 0;
  for (let at = first; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return NaN;
    value = 10 * value + digit;
  }
  return negative ? -value : value;
}

/** Converts a `bigint` to an {@linkcode Int64}; `undefined` if it exceeds 64 bits. */
export function int64(value: bigint): Int64 | undefined {
  if (value > MAX_INT64 || value < MIN_INT64) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Adds two integers; `undefined` on overflow. */
export function addInt64(a: Int64, b: Int64): Int64 | undefined {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return int64(BigInt(a) + BigInt(b));
}

/** Negates an integer; `undefined` on overflow. */
export function negateInt64(value: Int64): Int64 | undefined {
  if (value === 0) return 0;
  return typeof value === "number" ? -value : int64(-value);
}
