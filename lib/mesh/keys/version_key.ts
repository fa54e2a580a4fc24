/**
 * Version numbers and file names as bytes that compare as in `sort -V`.
 *
 * The order is that of Debian's versions: parts without digits compare by character (`~` below the
 * end, the end below letters, letters below all else), parts with digits by value. Of file names, the
 * extensions such as ".tar.gz" count only if all else is equal, and those that begin with a point
 * come first. Source: the manual of coreutils, "Version sort ordering".
 *
 * @module
 */

import { isDigit, isLetter } from "./characters.ts";
import type { KeyWriter } from "./key_writer.ts";

/** Classes of names, in ascending order. */
const CLASS = { EMPTY: 1, POINT: 2, TWO_POINTS: 3, HIDDEN: 4, OTHER: 5 } as const;

const POINT = 0x2e;
const TILDE = 0x7e;
const ZERO = 0x30;

/** The weights of characters. All but these three are in {@linkcode WEIGHTS}. */
const WEIGHT_TILDE = 0x01;
const WEIGHT_END = 0x02;
/** Introduces a number: a part of digits, or an absent one, whose value is 0. */
const WEIGHT_NUMBER = 0x03;
const WEIGHTS = makeWeights();

/** Numbers with more digits than this have their count in four more bytes. */
const MAX_SHORT_DIGITS = 250;

function makeWeights(): Uint8Array {
  const weights = new Uint8Array(256);
  let next = WEIGHT_NUMBER + 1;
  for (let byte = 0; byte < 256; byte++) if (isLetter(byte)) weights[byte] = next++;
  for (let byte = 0; byte < 256; byte++) {
    if (!isLetter(byte) && !isDigit(byte) && byte !== TILDE) weights[byte] = next++;
  }
  weights[TILDE] = WEIGHT_TILDE;
  return weights;
}

/** Adds a version. */
export function putVersion(writer: KeyWriter, text: Uint8Array, from: number, to: number): void {
  const kind = classOf(text, from, to);
  writer.put(kind);
  if (kind < CLASS.HIDDEN) return;
  putParts(writer, text, from, endOfStem(text, from, to));
  putParts(writer, text, from, to);
}

function classOf(text: Uint8Array, from: number, to: number): number {
  if (from === to) return CLASS.EMPTY;
  if (text[from] !== POINT) return CLASS.OTHER;
  if (to - from === 1) return CLASS.POINT;
  return to - from === 2 && text[from + 1] === POINT ? CLASS.TWO_POINTS : CLASS.HIDDEN;
}

/** The end of a name without its extensions, each a point, a letter or tilde, and more of those or digits. */
function endOfStem(text: Uint8Array, from: number, to: number): number {
  for (let at = from;; at++) {
    const stem = at;
    while (at + 1 < to && text[at] === POINT && beginsExtension(text[at + 1]!)) {
      at += 2;
      while (at < to && (beginsExtension(text[at]!) || isDigit(text[at]!))) at++;
    }
    if (at >= to) return stem;
  }
}

function beginsExtension(byte: number): boolean {
  return isLetter(byte) || byte === TILDE;
}

/** Adds parts without digits and numbers in turn, beginning with the former and ending with the latter. */
function putParts(writer: KeyWriter, text: Uint8Array, from: number, to: number): void {
  for (let at = from; !writer.cut;) {
    for (; at < to && !isDigit(text[at]!); at++) writer.put(WEIGHTS[text[at]!]!);
    writer.put(WEIGHT_NUMBER);
    while (at < to && text[at] === ZERO) at++;
    const first = at;
    while (at < to && isDigit(text[at]!)) at++;
    const digits = at - first;
    writer.put(Math.min(digits, MAX_SHORT_DIGITS + 1));
    if (digits > MAX_SHORT_DIGITS) writer.putWord(digits);
    for (let i = first; i < at; i++) writer.put(text[i]!);
    if (at === to) return writer.put(WEIGHT_END);
  }
}
