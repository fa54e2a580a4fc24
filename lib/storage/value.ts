/**
 * Values, which come in two forms with the same meaning: a string with one character a byte, or
 * the bytes themselves.
 *
 * A typed array costs most of a microsecond to make and some 200 bytes to keep, whatever its
 * length; a short string costs a tenth of both. Long values are better off as bytes, which live
 * outside of the heap of JavaScript and are sent without a conversion. Either form is right at any
 * length, so nobody but {@linkcode valueFrom} and {@linkcode valueOf} needs to know where the line is.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** A value: one character a byte (0 to 255), or bytes that nobody changes. */
export type Value = string | Uint8Array;

/** Up to here {@linkcode valueFrom} makes strings. */
const MAX_STRING_BYTES = 1024;

/** Up to here a loop is faster than a call out of JavaScript. */
const MAX_LOOP_CHARS = 48;

const encoder = new TextEncoder();

/** The bytes of a range as a string with one character a byte. */
export function latin1From(bytes: Uint8Array, start = 0, end = bytes.length): string {
  if (end - start <= 4) {
    switch (end - start) {
      case 1:
        return String.fromCharCode(bytes[start]!);
      case 2:
        return String.fromCharCode(bytes[start]!, bytes[start + 1]!);
      case 3:
        return String.fromCharCode(bytes[start]!, bytes[start + 1]!, bytes[start + 2]!);
      case 4:
        return String.fromCharCode(
          bytes[start]!,
          bytes[start + 1]!,
          bytes[start + 2]!,
          bytes[start + 3]!,
        );
      default:
        return "";
    }
  }
  return latin1Slice.call(bytes, start, end);
}

// A native function of any Uint8Array; calling it on the array itself saves making a Buffer of it.
const latin1Slice =
  (Buffer.prototype as unknown as { latin1Slice(start: number, end: number): string }).latin1Slice;

/** The value of a range of bytes, copied, in the form that suits its length. */
export function valueFrom(bytes: Uint8Array, start = 0, end = bytes.length): Value {
  return end - start <= MAX_STRING_BYTES ? latin1From(bytes, start, end) : bytes.slice(start, end);
}

/** The value of bytes that nobody else has, in the form that suits their length. */
export function valueOf(bytes: Uint8Array): Value {
  return bytes.length <= MAX_STRING_BYTES ? latin1From(bytes) : bytes;
}

/** A value as a string with one character a byte. */
export function valueText(value: Value): string {
  return typeof value === "string" ? value : latin1From(value);
}

/** A value as bytes; nobody may change them. */
export function valueBytes(value: Value): Uint8Array {
  if (typeof value !== "string") return value;
  const bytes = new Uint8Array(value.length);
  copyValue(value, bytes, 0);
  return bytes;
}

/**
 * Copies a value into bytes that have room for it.
 *
 * @param at Where its first byte goes; it takes as many as its `length`.
 */
export function copyValue(value: Value, into: Uint8Array, at: number): void {
  if (typeof value !== "string") {
    into.set(value, at);
    return;
  }
  const { length } = value;
  if (length > MAX_LOOP_CHARS) {
    // UTF-8 is one byte a character as long as they all are ASCII; else it is done over.
    const { read, written } = encoder.encodeInto(value, into.subarray(at, at + length));
    if (read === length && written === length) return;
  }
  for (let index = 0; index < length; index++) into[at + index] = value.charCodeAt(index);
}

/** Whether two values are the same bytes. */
export function sameValue(a: Value, b: Value): boolean {
  if (a.length !== b.length) return false;
  if (typeof a === "string" && typeof b === "string") return a === b;
  const x = valueBytes(a), y = valueBytes(b);
  for (let index = 0; index < x.length; index++) if (x[index] !== y[index]) return false;
  return true;
}
