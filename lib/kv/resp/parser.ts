/**
 * The parser of Redis requests: bytes in, requests out, nothing else. It goes on where it stopped,
 * so a request that arrives in a thousand pieces is read once.
 *
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/
 * @module
 */

import { splitInline } from "./inline.ts";
import { Request } from "./request.ts";

const STAR = 0x2a, DOLLAR = 0x24, CR = 0x0d, LF = 0x0a, MINUS = 0x2d, ZERO = 0x30;

/** The longest inline command, and the longest line that announces a length. */
export const MAX_INLINE_BYTES = 64 * 1024;

/** The largest number of arguments that can be announced. */
const MAX_ANNOUNCED_ARGUMENTS = 2 ** 31 - 1;

/** What a client may send that has yet to show a token. */
const MAX_STRICT_ARGUMENTS = 10;
const MAX_STRICT_BYTES = 16 * 1024;

/** What there was to read: part of a request, a whole one, or something that is none. */
export type RespStatus = "incomplete" | "request" | "error";

/** What a request may have. */
export interface RespLimits {
  /** Bytes of one argument. */
  maxArgumentBytes: number;
  /** Bytes of one request. */
  maxRequestBytes: number;
  /** Arguments of one request. */
  maxArguments: number;
}

/** Reads requests: arrays of bulk strings as well as inline commands. */
export class RespParser {
  /** The request, when there is a whole one. */
  request: Request;
  /** How many bytes from the start are done with. Drop them before the next call. */
  consumed = 0;
  /** What is wrong, when something is. Nothing can be read after that. */
  error = "";
  readonly #limits: RespLimits;
  /** What holds at the moment: the limits, or less. */
  #current: RespLimits;
  readonly #array = new Request();
  /** Arguments that are still missing; 0 before a request. */
  #missing = 0;
  /** Where to go on, counted from the first byte that has not been consumed. */
  #at = 0;
  /** Where to go on looking for the end of a line, counted the same way. */
  #scanned = 0;

  constructor(limits: RespLimits) {
    this.#limits = this.#current = limits;
    this.request = this.#array;
  }

  /** Says whether the client has yet to show a token; until then it may not send much. */
  set strict(strict: boolean) {
    const { maxArguments, maxArgumentBytes } = this.#limits;
    this.#current = strict
      ? {
        ...this.#limits,
        maxArguments: Math.min(maxArguments, MAX_STRICT_ARGUMENTS),
        maxArgumentBytes: Math.min(maxArgumentBytes, MAX_STRICT_BYTES),
      }
      : this.#limits;
  }

  /**
   * Reads the next request of a range. What a call before this one left unconsumed has to be at
   * the start of the range again.
   */
  parse(bytes: Uint8Array, start: number, end: number): RespStatus {
    const request = this.request = this.#array;
    request.bytes = bytes;
    let base = start;
    let at = start + this.#at;
    this.consumed = 0;
    while (this.#missing === 0) {
      if (at === end) return this.#incomplete(base - start, 0, 0);
      const isArray = bytes[at] === STAR;
      const newline = findByte(bytes, isArray ? CR : LF, Math.max(at, base + this.#scanned), end);
      if (newline < 0 || (isArray && newline + 1 === end)) {
        if (end - at > MAX_INLINE_BYTES) {
          return this.#fail(isArray ? "too big mbulk count string" : "too big inline request");
        }
        return this.#incomplete(base - start, 0, (newline < 0 ? end : newline) - base);
      }
      this.#scanned = 0;
      if (!isArray) {
        const words = splitInline(bytes.subarray(at, newline));
        if (words === undefined) return this.#fail("unbalanced quotes in request");
        base = at = newline + 1;
        if (words.length === 0) continue;
        this.request = requestOf(words);
        this.#at = 0;
        this.consumed = base - start;
        return "request";
      }
      const count = parseLength(bytes, at + 1, newline);
      if (!(count <= MAX_ANNOUNCED_ARGUMENTS && count <= this.#current.maxArguments)) {
        const early = count <= this.#limits.maxArguments;
        return this.#fail(`${early ? "unauthenticated" : "invalid"} multibulk length`);
      }
      at = newline + 2;
      if (count > 0) {
        this.#missing = count;
        request.clear();
      } else {
        base = at;
      }
    }
    request.base = base;
    for (; this.#missing > 0; this.#missing--) {
      const newline = findByte(bytes, CR, Math.max(at, base + this.#scanned), end);
      if (newline < 0 || newline + 1 === end) {
        if (end - at > MAX_INLINE_BYTES) return this.#fail("too big bulk count string");
        return this.#incomplete(base - start, at - base, (newline < 0 ? end : newline) - base);
      }
      if (bytes[at] !== DOLLAR) {
        return this.#fail(`expected '$', got '${String.fromCharCode(bytes[at]!)}'`);
      }
      const length = parseLength(bytes, at + 1, newline);
      if (!(length >= 0 && length <= this.#current.maxArgumentBytes)) {
        const early = length >= 0 && length <= this.#limits.maxArgumentBytes;
        return this.#fail(`${early ? "unauthenticated" : "invalid"} bulk length`);
      }
      const first = newline + 2;
      const next = first + length + 2;
      if (next - base > this.#limits.maxRequestBytes) return this.#fail("too big request");
      if (next > end) return this.#incomplete(base - start, at - base, newline - base);
      request.add(first - base, first + length - base);
      at = next;
    }
    this.#at = this.#scanned = 0;
    this.consumed = at - start;
    return "request";
  }

  #incomplete(consumed: number, at: number, scanned: number): RespStatus {
    this.consumed = consumed;
    this.#at = at;
    this.#scanned = scanned;
    return "incomplete";
  }

  #fail(error: string): RespStatus {
    this.error = `Protocol error: ${error}`;
    return "error";
  }
}

/** Where a byte is in a range, or -1. What is sought is near, as a rule. */
function findByte(bytes: Uint8Array, byte: number, start: number, end: number): number {
  for (let at = start; at < end; at++) if (bytes[at] === byte) return at;
  return -1;
}

/** The decimal number in a range, or NaN: no sign but `-`, no leading zeros, no blanks. */
function parseLength(bytes: Uint8Array, start: number, end: number): number {
  const digits = bytes[start] === MINUS ? start + 1 : start;
  let value = 0;
  for (let at = digits; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    value = 10 * value + digit;
  }
  const count = end - digits;
  if (count === 0 || count > 19) return NaN;
  if (bytes[digits] === ZERO && (count > 1 || digits > start)) return NaN;
  return digits > start ? -value : value;
}

function requestOf(words: readonly Uint8Array[]): Request {
  const request = new Request();
  request.bytes = new Uint8Array(words.reduce((length, word) => length + word.length, 0));
  let at = 0;
  for (const word of words) {
    request.bytes.set(word, at);
    request.add(at, at += word.length);
  }
  return request;
}
