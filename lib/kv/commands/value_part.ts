/**
 * Part of the value of a key. Where the engine allows it, only that part is read and written, since
 * the value may be long.
 *
 * @module
 */

import type { Place, Transaction } from "../../storage/store.ts";
import { copyValue, type Value, valueOf } from "../../storage/value.ts";

/** Longer parts are views of the value, shorter ones copies. */
const MAX_COPY_BYTES = 16 * 1024;

/** The length of a value; -1 if there is none. */
export function lengthOf(tx: Transaction, { space, key }: Place): number {
  return tx.length?.(space, key) ?? tx.get(space, key)?.value.length ?? -1;
}

/** The part of a value from `start` to `end - 1`, as far as there is one. */
export function readPart(
  tx: Transaction,
  { space, key }: Place,
  { start, end }: { start: number; end: number },
): Value {
  if (end - start <= MAX_COPY_BYTES && tx.read !== undefined) {
    return valueOf(tx.read(space, key, start, end) ?? new Uint8Array(0));
  }
  const value = tx.get(space, key)?.value ?? "";
  return typeof value === "string" ? value.slice(start, end) : value.subarray(start, end);
}

/**
 * Writes into a value, which is created if there is none. Bytes between its end and `offset` become
 * zero.
 *
 * @throws {OutOfMemoryError}
 */
export function writePart(
  tx: Transaction,
  { space, key }: Place,
  { offset, part }: { offset: number; part: Value },
): void {
  if (tx.write !== undefined) {
    if (tx.length!(space, key) < 0) {
      if (offset === 0) return tx.put(space, key, part, 0);
      tx.put(space, key, "", 0);
    }
    if (tx.write(space, key, offset, part)) return;
    // Making room for the part has evicted the key.
  }
  const entry = tx.get(space, key), before = entry?.value ?? "";
  tx.put(space, key, overlay(before, offset, part), entry?.expiresAtMs ?? 0);
}

function overlay(before: Value, offset: number, part: Value): Value {
  if (before.length === 0 && offset === 0) return part;
  const bytes = new Uint8Array(Math.max(before.length, offset + part.length));
  copyValue(before, bytes, 0);
  copyValue(part, bytes, offset);
  return valueOf(bytes);
}
