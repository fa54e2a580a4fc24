/**
 * Keys and their orders as one array of bytes.
 *
 * Samples and plans have tens of thousands of keys. Copying that many objects between threads takes
 * the main thread hundreds of milliseconds, and seconds on a busy machine, during which it neither
 * answers peers nor serves anybody else. So it only passes lists on, and the workers decode them.
 *
 * A list is a u32 count and, for each key, an f64 order, a u32 length and the bytes; all numbers are
 * big-endian.
 *
 * @module
 */

import type { Splitter } from "./splitters.ts";

/** An encoded list. */
export type KeyList = Uint8Array<ArrayBuffer>;

const COUNT_BYTES = 4;
const KEY_HEADER_BYTES = 12;

/** Encodes keys. */
export function encodeKeyList(keys: readonly Splitter[]): KeyList {
  const size = keys.reduce((sum, { key }) => sum + KEY_HEADER_BYTES + key.length, COUNT_BYTES);
  const list = new Uint8Array(size);
  const view = new DataView(list.buffer);
  view.setUint32(0, keys.length);
  let at = COUNT_BYTES;
  for (const { key, order } of keys) {
    view.setFloat64(at, order);
    view.setUint32(at + 8, key.length);
    list.set(key, at + KEY_HEADER_BYTES);
    at += KEY_HEADER_BYTES + key.length;
  }
  return list;
}

/** Decodes a list that {@linkcode isKeyList}. The keys are parts of it, not copies. */
export function decodeKeyList(list: KeyList): Splitter[] {
  const view = new DataView(list.buffer, list.byteOffset, list.length);
  let at = COUNT_BYTES;
  return Array.from({ length: keyCount(list) }, () => {
    const order = view.getFloat64(at);
    const start = at + KEY_HEADER_BYTES;
    at = start + view.getUint32(at + 8);
    return { key: list.subarray(start, at), order };
  });
}

/** The number of keys in a list. */
export function keyCount(list: KeyList): number {
  return new DataView(list.buffer, list.byteOffset, list.length).getUint32(0);
}

/** Whether bytes are a whole list and nothing more. */
export function isKeyList(bytes: KeyList): boolean {
  if (bytes.length < COUNT_BYTES) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = COUNT_BYTES;
  for (let left = keyCount(bytes); left > 0; left--) {
    if (at + KEY_HEADER_BYTES > bytes.length) return false;
    at += KEY_HEADER_BYTES + view.getUint32(at + 8);
  }
  return at === bytes.length;
}
