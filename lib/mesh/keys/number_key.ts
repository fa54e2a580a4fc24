/**
 * Numbers as bytes that compare as the numbers do, exactly and at any length.
 *
 * A number other than zero is ±0.d₁d₂… × 10^e with d₁ ≠ 0. Its bytes are a lead byte that has the
 * sign and the exponent, two digits per byte, and an end mark. Those of a negative number are
 * complemented.
 *
 * @module
 */

import { isBlank, isDigit, isSpace } from "./characters.ts";
import type { KeyWriter } from "./key_writer.ts";

/**
 * Lead bytes, in ascending order. Those of positive numbers are POSITIVE_ONE plus the exponent; the
 * complement of a positive lead byte is that of the negative number.
 */
const LEAD = {
  NO_NUMBER: 0x01,
  NAN: 0x02,
  MINUS_INFINITY: 0x03,
  ZERO: 0x80,
  /** Followed by the exponent in four bytes, as is LARGE. */
  SMALL: 0x87,
  POSITIVE_ONE: 0xc0,
  LARGE: 0xf9,
  INFINITY: 0xfb,
} as const;
/** The greatest exponent that fits in the lead byte. */
const MAX_SHORT_EXPONENT = 56;
/** Exponents are below this in magnitude; written ones beyond are taken for this. */
const MAX_EXPONENT = 1_000_000_000;
const EXPONENT_OFFSET = 2 ** 31;
/** Ends the digits; each pair of them is a byte from 1 to 100. */
const DIGITS_END = 0x00;

const ZERO = 0x30;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
/** Makes letters lower-case. */
const LOWER = 0x20;

/**
 * Adds the number at the start of a text, as `sort -n` reads it: blanks, a minus sign, digits, a
 * point, digits. Without digits it is zero.
 */
export function putNumeric(writer: KeyWriter, text: Uint8Array, from: number, to: number): void {
  let at = from;
  while (at < to && isBlank(text[at]!)) at++;
  const negative = at < to && text[at] === MINUS;
  if (negative) at++;
  putDecimal(writer, text, at, { end: endOfDecimal(text, at, to), negative, exponent: 0 });
}

/**
 * Adds the number at the start of a text, as `sort -g` reads it: white space, a sign, digits with a
 * point, an exponent; or `inf`, `infinity` or `nan`. A text that begins with none of these sorts
 * first, then NaN.
 *
 * Unlike GNU sort, this compares numbers exactly instead of as long doubles, and does not read
 * hexadecimal: `0x10` is read as the 0 that it begins with.
 */
export function putGeneral(writer: KeyWriter, text: Uint8Array, from: number, to: number): void {
  let at = from;
  while (at < to && isSpace(text[at]!)) at++;
  const sign = at < to ? text[at] : undefined;
  const negative = sign === MINUS;
  if (negative || sign === PLUS) at++;
  const end = endOfDecimal(text, at, to);
  const hasDigits = at < end && (isDigit(text[at]!) || end - at > 1);
  if (!hasDigits) {
    const word = lowerCase(text, at, Math.min(at + 3, to));
    if (word === "nan") writer.put(LEAD.NAN);
    else if (word === "inf") writer.put(negative ? LEAD.MINUS_INFINITY : LEAD.INFINITY);
    else writer.put(LEAD.NO_NUMBER);
    return;
  }
  putDecimal(writer, text, at, { end, negative, exponent: readExponent(text, end, to) });
}

/** Units of `sort -h` in ascending order; the upper-case K stands for both. */
const UNITS = "KMGTPEZYRQ";
/** The byte for no unit; those of negative numbers are below it. */
const NO_UNIT = 0x80;

/**
 * Adds the number at the start of a text, as `sort -h` reads it: as for `sort -n`, followed by a
 * unit such as K or G. The unit counts more than the number.
 */
export function putHuman(writer: KeyWriter, text: Uint8Array, from: number, to: number): void {
  let at = from;
  while (at < to && isBlank(text[at]!)) at++;
  const negative = at < to && text[at] === MINUS;
  if (negative) at++;
  const end = endOfDecimal(text, at, to);
  let hasValue = false;
  for (let i = at; i < end; i++) if (text[i]! > ZERO) hasValue = true;
  const letter = end < to ? String.fromCharCode(text[end]!) : "";
  const order = hasValue && letter !== "" ? UNITS.indexOf(letter === "k" ? "K" : letter) + 1 : 0;
  writer.put(NO_UNIT + (negative ? -order : order));
  putDecimal(writer, text, at, { end, negative, exponent: 0 });
}

/**
 * Adds a number.
 *
 * @param from Start of its digits, which may have a point among them.
 */
function putDecimal(
  writer: KeyWriter,
  text: Uint8Array,
  from: number,
  { end, negative, exponent }: { end: number; negative: boolean; exponent: number },
): void {
  let first = from;
  while (first < end && (text[first] === ZERO || text[first] === POINT)) first++;
  if (first === end) return writer.put(LEAD.ZERO);
  let last = end - 1;
  while (text[last] === ZERO || text[last] === POINT) last--;
  let point = from;
  while (point < end && text[point] !== POINT) point++;
  const size = (first < point ? point - first : point + 1 - first) + exponent;
  if (negative) writer.flip();
  if (size > MAX_SHORT_EXPONENT || size < -MAX_SHORT_EXPONENT) {
    writer.put(size > 0 ? LEAD.LARGE : LEAD.SMALL);
    writer.putWord(size + EXPONENT_OFFSET);
  } else {
    writer.put(LEAD.POSITIVE_ONE + size);
  }
  for (let i = first; i <= last && !writer.cut; i++) {
    if (i === point) i++;
    const tens = text[i]! - ZERO;
    if (++i === point) i++;
    const ones = i <= last ? text[i]! - ZERO : 0;
    writer.put(10 * tens + ones + 1);
  }
  writer.put(DIGITS_END);
  if (negative) writer.flip();
}

/** The end of the digits at a position, with at most one point among them. */
function endOfDecimal(text: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && isDigit(text[at]!)) at++;
  if (at < to && text[at] === POINT) {
    at++;
    while (at < to && isDigit(text[at]!)) at++;
  }
  return at;
}

/** The exponent at a position, such as "e-3"; 0 if there is none. */
function readExponent(text: Uint8Array, from: number, to: number): number {
  if (from >= to || (text[from]! | LOWER) !== 0x65) return 0;
  let at = from + 1;
  const negative = text[at] === MINUS;
  if (at < to && (negative || text[at] === PLUS)) at++;
  let exponent = 0;
  for (; at < to && isDigit(text[at]!); at++) {
    exponent = Math.min(MAX_EXPONENT, exponent * 10 + text[at]! - ZERO);
  }
  return negative ? -exponent : exponent;
}

function lowerCase(text: Uint8Array, from: number, to: number): string {
  let word = "";
  for (let i = from; i < to; i++) word += String.fromCharCode(text[i]! | LOWER);
  return word;
}
