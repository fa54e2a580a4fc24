/**
 * The form of lines in slots and on the wire: the beginning of the key, if the order has keys, then
 * the length of the line, then the line without its newline.
 *
 *     key     u8 flags and length, up to 32 bytes; absent if lines are compared as they are
 *     length  u16, or the mark of a long line and u32; little-endian
 *     line
 *
 * A short line lies in one slot. A long one fills a slot of its own and goes on in the following
 * ones, which have nothing else: all but the first are called continuations.
 *
 * @module
 */

import { MAX_ENTRY_BYTES } from "./record_format.ts";

/** The most bytes of a key that are stored with its line. The rest is built anew when it decides. */
export const MAX_STORED_KEY_BYTES = 32;
/** In the first byte of a stored key: its length, */
export const KEY_LENGTH = 0x3f;
/** whether all parts of the key are there, so that only the line can follow, */
export const KEY_PARTS_WHOLE = 0x40;
/** and whether the key is longer. */
export const KEY_CUT = 0x80;

const KEY_HEADER_BYTES = 1;
const SHORT_PREFIX_BYTES = 2;
const LONG_PREFIX_BYTES = 6;
/** In the place of a short length. */
const LONG_MARK = 0xffff;

/** The longest line that lies in one slot, with the longest key. */
export const MAX_SHORT_LINE_BYTES = MAX_ENTRY_BYTES - KEY_HEADER_BYTES - MAX_STORED_KEY_BYTES -
  LONG_PREFIX_BYTES;

/** The place of the length of a line, behind the stored key. */
export function lengthPlace(bytes: Uint8Array, entry: number, keyed: boolean): number {
  return keyed ? entry + KEY_HEADER_BYTES + (bytes[entry]! & KEY_LENGTH) : entry;
}

/** The length of a line, without its newline. */
export function lineLength(bytes: Uint8Array, place: number): number {
  const short = bytes[place]! | bytes[place + 1]! << 8;
  if (short !== LONG_MARK) return short;
  return (bytes[place + 2]! | bytes[place + 3]! << 8 | bytes[place + 4]! << 16 |
    bytes[place + 5]! << 24) >>> 0;
}

/** The place of a line, behind its length. */
export function linePlace(bytes: Uint8Array, place: number): number {
  const isLong = (bytes[place]! & bytes[place + 1]!) === 0xff;
  return place + (isLong ? LONG_PREFIX_BYTES : SHORT_PREFIX_BYTES);
}

/** The bytes that the length of a line takes. */
export function prefixBytes(length: number): number {
  return length > MAX_SHORT_LINE_BYTES ? LONG_PREFIX_BYTES : SHORT_PREFIX_BYTES;
}

/** Writes the length of a line; returns the place behind it. */
export function writeLength(bytes: Uint8Array, place: number, length: number): number {
  const isLong = length > MAX_SHORT_LINE_BYTES;
  const short = isLong ? LONG_MARK : length;
  bytes[place] = short;
  bytes[place + 1] = short >>> 8;
  if (!isLong) return place + SHORT_PREFIX_BYTES;
  for (let i = 0; i < 4; i++) bytes[place + 2 + i] = length >>> 8 * i;
  return place + LONG_PREFIX_BYTES;
}
