/**
 * The parser of Redis requests: bytes in, requests out. It resumes where it stopped, so a request
 * that arrives in a thousand pieces is still scanned only once.
 *
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/
 * @module
 */

import { splitInline } from "./inline.ts";
import { Request } from "./request.ts";

const STAR = 0x2a, DOLLAR = 0x24, CR = 0x0d, LF = 0x0a, MINUS = 0x2d, ZERO = 0x30;

/** The longest inline command, and the longest line with a length. */
export const MAX_INLINE_BYTES = 64 * 1024;

/** The largest number of arguments that a request can announce. */
const MAX_ANNOUNCED_ARGUMENTS = 2 ** 31 - 1;

/** The limits before a client has authenticated. */
const MAX_STRICT_ARGUMENTS = 10;
const MAX_STRICT_BYTES = 16 * 1024;

/** The result of a call: part of a request, a whole one, or a protocol error. */
export type RespStatus = "incomplete" | "request" | "error";

/** The limits on requests. */
export interface RespLimits {
  /** The size of an argument. */
  maxArgumentBytes: number;
  /** The size of a request. */
  maxRequestBytes: number;
  /** The number of arguments of a request. */
  maxArguments: number;
}

/** Parses requests, both arrays of bulk strings and inline commands. */
export class RespParser {
  /** The request, after {@linkcode parse} has returned "request". */
  request: Request;
  /** The number of bytes consumed from the start. Drop them before the next call. */
  consumed = 0;
  /** The error, after {@linkcode parse} has returned "error". The parser is then unusable. */
  error = "";
  readonly #limits: RespLimits;
  /** The limits in force: `#limits`, or stricter ones. */
  #current: RespLimits;
  readonly #array = new Request();
  /** The number of arguments still missing; 0 between requests. */
  #missing = 0;
  /** Where to resume, relative to the first byte not consumed. */
  #at = 0;
  /** Where to resume the search for a line end, relative to the same byte. */
  #scanned = 0;

  constructor(limits: RespLimits) {
    this.#limits = this.#current = limits;
    this.request = this.#array;
  }

  /** Whether to apply the stricter limits for clients that have not authenticated. */
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
   * Parses the next request of a range. The range must start with the bytes that the previous call
   * did not consume.
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

/** The position of a byte in a range, or -1. A loop, because it is usually close. */
function findByte(bytes: Uint8Array, byte: number, start: number, end: number): number {
  for (let at = start; at < end; at++) if (bytes[at] === byte) return at;
  return -1;
}

/** Parses a decimal integer without leading zeros; NaN if it is invalid. */
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
