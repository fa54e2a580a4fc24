/**
 * Keys and values as strings, turned into bytes for the table.
 *
 * @module
 */

import type { Key } from "../store.ts";
import { copyValue, type Value } from "../value.ts";

/** A longer buffer is not kept. */
const MAX_KEPT_BYTES = 64 * 1024;
const FIRST_BYTES = 1024;

/** A buffer for the key and the value of one call. */
export class KeyBytes {
  /** The key, from 0 to {@linkcode KeyBytes.end}. Valid until the next call. */
  bytes: Uint8Array = new Uint8Array(FIRST_BYTES);
  end = 0;
  /** The array with the value, which begins at {@linkcode KeyBytes.from}. */
  value: Uint8Array = this.bytes;
  from = 0;
  to = 0;

  /** Sets the key. */
  set(key: Key): void {
    this.#reserve(key.length);
    copyValue(key, this.bytes, 0);
    this.end = key.length;
  }

  /** Sets the key and the value. */
  setBoth(key: Key, value: Value): void {
    const inside = typeof value === "string";
    this.#reserve(key.length + (inside ? value.length : 0));
    copyValue(key, this.bytes, 0);
    this.end = key.length;
    this.value = inside ? this.bytes : value;
    this.from = inside ? this.end : 0;
    this.to = this.from + value.length;
    if (inside) copyValue(value, this.bytes, this.from);
  }

  #reserve(length: number): void {
    if (length > this.bytes.length) this.bytes = new Uint8Array(length * 2);
    else if (length <= FIRST_BYTES && this.bytes.length > MAX_KEPT_BYTES) {
      this.bytes = new Uint8Array(FIRST_BYTES);
    }
  }
}
