/**
 * Values come in two equivalent forms: a string with one character per byte, or the bytes.
 *
 * A typed array costs most of a microsecond to create and some 200 bytes of overhead, whatever its
 * length; a short string costs a tenth of both. Long values are better off as bytes, which live
 * outside the JavaScript heap and are sent without conversion. Both forms are valid at any length,
 * so only {@linkcode valueFrom} and {@linkcode valueOf} know the threshold.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** A value: one character per byte (0 to 255), or bytes that must not be changed. */
export type Value = string | Uint8Array;

/** Up to this length {@linkcode valueFrom} makes strings. */
const MAX_STRING_BYTES = 1024;

/** Up to this length a loop is faster than a call to a native function. */
const MAX_LOOP_CHARS = 48;

const encoder = new TextEncoder();

/** A range of bytes as a string with one character per byte. */
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

// The native function works on any Uint8Array; a direct call saves creating a Buffer.
const latin1Slice =
  (Buffer.prototype as unknown as { latin1Slice(start: number, end: number): string }).latin1Slice;

/** Copies a range of bytes into a value, in the form that suits its length. */
export function valueFrom(bytes: Uint8Array, start = 0, end = bytes.length): Value {
  return end - start <= MAX_STRING_BYTES ? latin1From(bytes, start, end) : bytes.slice(start, end);
}

/** Turns bytes that the caller gives up into a value, in the form that suits their length. */
export function valueOf(bytes: Uint8Array): Value {
  return bytes.length <= MAX_STRING_BYTES ? latin1From(bytes) : bytes;
}

/** A value as a string with one character per byte. */
export function valueText(value: Value): string {
  return typeof value === "string" ? value : latin1From(value);
}

/** A value as bytes, which must not be changed. */
export function valueBytes(value: Value): Uint8Array {
  if (typeof value !== "string") return value;
  const bytes = new Uint8Array(value.length);
  copyValue(value, bytes, 0);
  return bytes;
}

/**
 * Copies a value into an array with enough space.
 *
 * @param at The index of the first byte. The value takes `length` bytes.
 */
export function copyValue(value: Value, into: Uint8Array, at: number): void {
  if (typeof value !== "string") {
    into.set(value, at);
    return;
  }
  const { length } = value;
  if (length > MAX_LOOP_CHARS) {
    // For ASCII, UTF-8 is one byte per character. If it was not ASCII, the loop below does it over.
    const { read, written } = encoder.encodeInto(value, into.subarray(at, at + length));
    if (read === length && written === length) return;
  }
  for (let index = 0; index < length; index++) into[at + index] = value.charCodeAt(index);
}

/** Whether two values have the same bytes. */
export function sameValue(a: Value, b: Value): boolean {
  if (a.length !== b.length) return false;
  if (typeof a === "string" && typeof b === "string") return a === b;
  return Buffer.compare(valueBytes(a), valueBytes(b)) === 0;
}
