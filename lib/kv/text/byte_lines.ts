/**
 * PUT, GET and DELETE on ranges of bytes: from the read buffer to the store and from there to the
 * output, without a string or an object per key.
 *
 * Lines with escapes, long values and every error are left to the general form of the command.
 *
 * @module
 */

import type { ByteStore } from "../../storage/byte_store.ts";
import { TEXT_SPACE } from "./commands.ts";
import { isBlank, MAX_KEY_BYTES } from "./parser.ts";
import { PIECE_BYTES, type TextWriter } from "./writer.ts";

const BACKSLASH = 0x5c;

/** Up to this length a loop is faster than a call to a native function. */
const MAX_LOOP_BYTES = 128;

/** The commands that have a form on bytes. */
type ByteCommand = "put" | "get" | "delete";

/**
 * Runs a line, given without its line end, and appends its reply.
 *
 * @returns The name of the command; `undefined` if the line has to be run otherwise, and then
 * nothing has been changed or written.
 * @throws {OutOfMemoryError}
 * @throws {StorageUnavailableError}
 */
export function runByteLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  store: ByteStore,
  writer: TextWriter,
): ByteCommand | undefined {
  const name = nameAt(bytes, start, end);
  if (name === undefined) return undefined;
  let at = start + name.length;
  while (at < end && isBlank(bytes[at]!)) at++;
  const key = at;
  for (; at < end && !isBlank(bytes[at]!); at++) if (bytes[at] === BACKSLASH) return undefined;
  const keyEnd = at;
  if (keyEnd === key || keyEnd - key > MAX_KEY_BYTES) return undefined;
  if (name === "put") {
    const value = at + 1;
    if (value > end || hasBackslash(bytes, value, end)) return undefined;
    if (!store.hasRoom(keyEnd - key + end - value)) return undefined;
    store.put(TEXT_SPACE, bytes, key, keyEnd, bytes, value, end, 0);
    writer.text("OK\n");
    return name;
  }
  while (at < end && isBlank(bytes[at]!)) at++;
  if (at < end) return undefined;
  if (name === "delete") {
    writer.text(store.delete(TEXT_SPACE, bytes, key, keyEnd) ? "OK\n" : "NOT_FOUND\n");
    return name;
  }
  if (!store.get(TEXT_SPACE, bytes, key, keyEnd)) {
    writer.text("NOT_FOUND\n");
    return name;
  }
  const { value } = store;
  if (value.end - value.start > PIECE_BYTES) return undefined;
  writer.text("VALUE ");
  writer.range(value.bytes, value.start, value.end);
  writer.text("\n");
  return name;
}

/** The command that a line starts with, if it has a form on bytes. */
function nameAt(bytes: Uint8Array, start: number, end: number): ByteCommand | undefined {
  for (const name of ["get", "put", "delete"] as const) {
    const after = start + name.length;
    if (after >= end || !isBlank(bytes[after]!)) continue;
    let at = 0;
    while (at < name.length && (bytes[start + at]! | 0x20) === name.charCodeAt(at)) at++;
    if (at === name.length) return name;
  }
  return undefined;
}

function hasBackslash(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > MAX_LOOP_BYTES) return bytes.subarray(start, end).includes(BACKSLASH);
  for (let at = start; at < end; at++) if (bytes[at] === BACKSLASH) return true;
  return false;
}
