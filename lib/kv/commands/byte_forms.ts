/**
 * The most frequent commands on ranges of bytes: from the read buffer to the store and from there
 * to the output, without a string or an object per key.
 *
 * They cover the usual arguments. Everything else, and every error in the arguments, is left to the
 * general form of the command, so that there is one place for each message.
 *
 * @module
 */

import { parseShortInteger } from "../int64.ts";
import type { Request } from "../resp/request.ts";
import type { ByteForm } from "./command.ts";

/** The longest times that EXPIRE and SET handle here: in seconds 30 000 years, in milliseconds 30. */
const MAX_UNITS = 1e12;

/** The most keys that MGET handles here. Each may have a value of 64 KiB that has to be copied. */
const MAX_MGET_KEYS = 128;

/** The length of the longest sum of two integers of 15 characters. */
const MAX_SUM_BYTES = 17;

/** GET. */
export const getBytes: ByteForm = (request, { db }, store, writer) => {
  if (store.get(db, request.bytes, request.start(1), request.end(1))) {
    const { bytes, start, end } = store.value;
    writer.bulk(bytes, start, end, store.stable);
  } else {
    writer.missing();
  }
  return true;
};

/** MGET of so many keys that their values, most of which are short, may be encoded at once. */
export const mgetBytes: ByteForm = (request, { db }, store, writer) => {
  const { bytes, count } = request;
  if (count - 1 > MAX_MGET_KEYS) return false;
  writer.beginArray(count - 1);
  for (let at = 1; at < count; at++) {
    if (store.get(db, bytes, request.start(at), request.end(at))) {
      const { value } = store;
      writer.bulk(value.bytes, value.start, value.end, store.stable);
    } else {
      writer.missing();
    }
  }
  return true;
};

/** SET, alone or with EX or PX. */
export const setBytes: ByteForm = (request, { db }, store, writer) => {
  let expiresAtMs = 0;
  if (request.count > 3) {
    const unitMs = request.count === 5 ? unitOf(request) : 0;
    if (unitMs === 0) return false;
    expiresAtMs = expiryAt(request, 4, unitMs);
    if (expiresAtMs === 0) return false;
  }
  const { bytes } = request;
  const start = request.start(1), end = request.end(1);
  const from = request.start(2), to = request.end(2);
  if (!store.hasRoom(end - start + to - from)) return false;
  store.put(db, bytes, start, end, bytes, from, to, expiresAtMs);
  writer.ok();
  return true;
};

/** MSET. All its puts are part of one commit, because nothing is awaited between them. */
export const msetBytes: ByteForm = (request, { db }, store, writer) => {
  const { bytes, count } = request;
  if (count % 2 === 0 || !store.hasRoom(request.byteLength)) return false;
  for (let at = 1; at < count; at += 2) {
    const from = request.start(at + 1), to = request.end(at + 1);
    store.put(db, bytes, request.start(at), request.end(at), bytes, from, to, 0);
  }
  writer.ok();
  return true;
};

/** APPEND to an existing key. */
export const appendBytes: ByteForm = (request, { db, maxValueBytes }, store, writer) => {
  const { bytes } = request;
  const start = request.start(1), end = request.end(1);
  const from = request.start(2), to = request.end(2);
  const before = store.length(db, bytes, start, end);
  const after = before + to - from;
  if (before < 0 || after > maxValueBytes || !store.hasRoom(to - from)) return false;
  // The key itself may have been evicted to make room.
  if (!store.write(db, bytes, start, end, before, bytes, from, to)) return false;
  writer.integer(after);
  return true;
};

/** SETRANGE of an existing key. */
export const setrangeBytes: ByteForm = (request, { db, maxValueBytes }, store, writer) => {
  const { bytes } = request;
  const start = request.start(1), end = request.end(1);
  const from = request.start(3), to = request.end(3);
  const offset = parseShortInteger(bytes, request.start(2), request.end(2));
  const written = offset + to - from;
  // Not a number, or one that is out of range, or nothing to write.
  if (!(offset >= 0 && written <= maxValueBytes) || from === to) return false;
  const before = store.length(db, bytes, start, end);
  if (before < 0 || !store.hasRoom(Math.max(0, written - before))) return false;
  if (!store.write(db, bytes, start, end, offset, bytes, from, to)) return false;
  writer.integer(Math.max(before, written));
  return true;
};

/** DEL and UNLINK. */
export const delBytes: ByteForm = (request, { db }, store, writer) => {
  const { bytes, count } = request;
  let removed = 0;
  for (let at = 1; at < count; at++) {
    if (store.delete(db, bytes, request.start(at), request.end(at))) removed++;
  }
  writer.integer(removed);
  return true;
};

/** EXISTS and TOUCH. */
export const existsBytes: ByteForm = (request, { db }, store, writer) => {
  const { bytes, count } = request;
  let found = 0;
  for (let at = 1; at < count; at++) {
    if (store.get(db, bytes, request.start(at), request.end(at))) found++;
  }
  writer.integer(found);
  return true;
};

/** INCR and DECR, and with `sign` alone INCRBY and DECRBY. */
export function incrementBytes(sign: 1 | -1): ByteForm {
  return (request, { db }, store, writer) => {
    const { bytes } = request;
    const by = request.count === 2
      ? sign
      : sign * parseShortInteger(bytes, request.start(2), request.end(2));
    const start = request.start(1), end = request.end(1);
    let before = 0, expiresAtMs = 0;
    if (store.get(db, bytes, start, end)) {
      const { value } = store;
      before = parseShortInteger(value.bytes, value.start, value.end);
      expiresAtMs = store.expiresAtMs;
    }
    const sum = before + by;
    // Not an integer, or one that may not fit.
    if (!Number.isSafeInteger(sum) || !store.hasRoom(end - start + MAX_SUM_BYTES)) return false;
    const position = writer.position;
    writer.integer(sum);
    // The reply is `:`, the digits and a line end: the new value is in the output already.
    store.put(
      db,
      bytes,
      start,
      end,
      writer.bytes,
      position + 1,
      writer.position - 2,
      expiresAtMs,
    );
    return true;
  };
}

/** EXPIRE and PEXPIRE without options, if the time is in the future. */
export function expireBytes(unitMs: 1 | 1000): ByteForm {
  return (request, { db }, store, writer) => {
    const expiresAtMs = request.count === 3 ? expiryAt(request, 2, unitMs) : 0;
    if (expiresAtMs === 0) return false;
    const { bytes } = request;
    const found = store.expire(db, bytes, request.start(1), request.end(1), expiresAtMs);
    writer.integer(found ? 1 : 0);
    return true;
  };
}

/** The Unix time of an argument that is a positive number of units; 0 if it is not. */
function expiryAt(request: Request, index: number, unitMs: number): number {
  const units = parseShortInteger(request.bytes, request.start(index), request.end(index));
  return units > 0 && units <= MAX_UNITS ? Date.now() + unitMs * units : 0;
}

/** The unit of the option EX or PX in argument 3; 0 if it is another one. */
function unitOf(request: Request): number {
  const { bytes } = request;
  const start = request.start(3);
  if (request.end(3) - start !== 2 || (bytes[start + 1]! | 0x20) !== 0x78) return 0;
  const letter = bytes[start]! | 0x20;
  return letter === 0x65 ? 1000 : letter === 0x70 ? 1 : 0;
}
