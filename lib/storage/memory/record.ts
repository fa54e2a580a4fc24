/**
 * The form of an entry in the commit log: eight bytes for the expiry time (float64, little-endian,
 * milliseconds since the Unix epoch, 0 for never), then the value.
 *
 * @module
 */

import { type Value, valueFrom } from "../value.ts";

const HEAD_BYTES = 8;
const NEVER = new Uint8Array(HEAD_BYTES);
const head = new DataView(new ArrayBuffer(HEAD_BYTES));
const headBytes = new Uint8Array(head.buffer);

/** The head of a record. The bytes are valid until the next call. */
export function recordHead(expiresAtMs: number): Uint8Array {
  if (expiresAtMs === 0) return NEVER;
  head.setFloat64(0, expiresAtMs, true);
  return headBytes;
}

/** Decodes a record. The value is a copy. */
export function decodeRecord(record: Uint8Array): { value: Value; expiresAtMs: number } {
  const view = new DataView(record.buffer, record.byteOffset, HEAD_BYTES);
  return { value: valueFrom(record, HEAD_BYTES), expiresAtMs: view.getFloat64(0, true) };
}
