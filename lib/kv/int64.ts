/**
 * Whole numbers the way the protocols have them: decimal, signed, 64 bits. A number that fits is a
 * `number`, which is many times faster; only what lies beyond is a `bigint`.
 *
 * @module
 */

/** A whole number of 64 bits; a `bigint` only where a `number` would not be exact. */
export type Int64 = number | bigint;

/** The range of a signed 64-bit integer. */
export const MAX_INT64 = 2n ** 63n - 1n;
export const MIN_INT64 = -(2n ** 63n);

/** `-9223372036854775808` has so many characters. */
export const MAX_INT64_CHARS = 20;

/** Texts of up to so many characters are exact as a `number`. */
const MAX_EXACT_CHARS = 15;

/**
 * Reads a whole number: no sign but `-`, no leading zeros, no blanks.
 *
 * @returns The number, or `undefined` if it is none or does not fit into 64 bits.
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

/** A `bigint` in the form of an {@linkcode Int64}, or `undefined` if it does not fit. */
export function int64(value: bigint): Int64 | undefined {
  if (value > MAX_INT64 || value < MIN_INT64) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** The sum of two numbers, or `undefined` if it does not fit. */
export function addInt64(a: Int64, b: Int64): Int64 | undefined {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return int64(BigInt(a) + BigInt(b));
}

/** A number times -1, or `undefined` if that does not fit. */
export function negateInt64(value: Int64): Int64 | undefined {
  if (value === 0) return 0;
  return typeof value === "number" ? -value : int64(-value);
}
