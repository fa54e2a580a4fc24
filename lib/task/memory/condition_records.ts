/**
 * The format of keys and deletions in a commit log. Numbers are little-endian.
 *
 * ```
 * key   version u8 · until f64 · tube length u8 · tube · key
 * lost  version u8
 * ```
 *
 * The key of a record is the id of the job.
 *
 * @module
 */

import { copyValue, latin1From } from "../../storage/value.ts";
import type { JobId } from "../queue.ts";
import type { TimedKey } from "./unique_keys.ts";

const VERSION = 1;
const KEY_HEAD_BYTES = 10;

/** The record of a job that was deleted without being done, while others are held for it. */
export const LOST_RECORD: Uint8Array = Uint8Array.of(VERSION);

/** The fields of a key that is held for a fixed time. */
export type KeyFields = Pick<TimedKey, "id" | "tube" | "key"> & { until: number };

/** Encodes a key that is held for a fixed time. */
export function encodeKey(
  { tube, key, dueAt }: Pick<TimedKey, "tube" | "key" | "dueAt">,
): Uint8Array {
  const record = new Uint8Array(KEY_HEAD_BYTES + tube.length + key.length);
  const view = new DataView(record.buffer);
  view.setUint8(0, VERSION);
  view.setFloat64(1, dueAt, true);
  view.setUint8(9, tube.length);
  copyValue(tube, record, KEY_HEAD_BYTES);
  copyValue(key, record, KEY_HEAD_BYTES + tube.length);
  return record;
}

/**
 * Decodes such a key.
 *
 * @throws {Error} If a newer version wrote the record.
 */
export function decodeKey(id: JobId, record: Uint8Array): KeyFields {
  checkVersion(record[0]!);
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const keyStart = KEY_HEAD_BYTES + view.getUint8(9);
  return {
    id,
    tube: latin1From(record, KEY_HEAD_BYTES, keyStart),
    key: latin1From(record, keyStart),
    until: view.getFloat64(1, true),
  };
}

/** @throws {Error} If a newer version wrote the record. */
export function checkVersion(version: number, newest = VERSION): void {
  if (version >= 1 && version <= newest) return;
  throw new Error(
    `Cannot read a record of version ${version}: the newest known version is ${newest}`,
  );
}
