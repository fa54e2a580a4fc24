/**
 * Where the fields of a line are, as `sort` of coreutils counts fields and characters.
 *
 * @module
 */

import { isBlank } from "./characters.ts";
import type { FieldPlace } from "./sort_order.ts";

/**
 * The start of a key.
 *
 * @param from Start of the line.
 * @param to End of the line; the key starts there at the latest.
 */
export function startOfKey(
  line: Uint8Array,
  from: number,
  to: number,
  place: FieldPlace,
  separator: number | undefined,
): number {
  let at = startOfField(line, from, to, place.field, separator);
  if (place.skipBlanks) at = skipBlanks(line, at, to);
  return Math.min(to, at + place.char);
}

/** The end of a key, which is before its start if the key is empty. */
export function endOfKey(
  line: Uint8Array,
  from: number,
  to: number,
  place: FieldPlace,
  separator: number | undefined,
): number {
  if (place.char !== 0) return startOfKey(line, from, to, place, separator);
  const at = startOfField(line, from, to, place.field, separator);
  return endOfField(line, at, to, separator);
}

/** The end of the field at a position. Without a separator, it begins with the blanks before it. */
export function endOfField(
  line: Uint8Array,
  from: number,
  to: number,
  separator: number | undefined,
): number {
  let at = from;
  if (separator === undefined) {
    at = skipBlanks(line, at, to);
    while (at < to && !isBlank(line[at]!)) at++;
  } else {
    while (at < to && line[at] !== separator) at++;
  }
  return at;
}

/** The first byte from a position on that is not blank. */
export function skipBlanks(line: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && isBlank(line[at]!)) at++;
  return at;
}

function startOfField(
  line: Uint8Array,
  from: number,
  to: number,
  field: number,
  separator: number | undefined,
): number {
  let at = from;
  for (let left = field; left > 0 && at < to; left--) {
    at = endOfField(line, at, to, separator);
    if (separator !== undefined && at < to) at++;
  }
  return at;
}
