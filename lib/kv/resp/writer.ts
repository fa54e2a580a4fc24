/**
 * Encodes replies into one buffer that is sent with one write. Long values are not copied into it:
 * they are sent directly, between the parts of the buffer.
 *
 * @module
 */

import { copyValue, type Value } from "../../storage/value.ts";
import { Turn } from "../../turn.ts";
import type { FailedReply } from "../held_replies.ts";
import { EncodedItems } from "./item_encoder.ts";
import {
  ErrorReply,
  NO_REPLY,
  NULL_ARRAY,
  Push,
  Pushes,
  type Reply,
  ReplyMap,
  ReplySet,
  SimpleString,
  Verbatim,
} from "./reply.ts";

const CR = 0x0d, LF = 0x0a, ZERO = 0x30, MINUS = 0x2d;
const PLUS = 0x2b,
  DOLLAR = 0x24,
  COLON = 0x3a,
  STAR = 0x2a,
  PERCENT = 0x25,
  TILDE = 0x7e,
  GREATER = 0x3e;
const EQUALS = 0x3d, LETTER_O = 0x4f, LETTER_K = 0x4b;

/** The initial size of the buffer, and its size after a large one was released. */
const INITIAL_BYTES = 1024;

/** A buffer of up to this size is reused for the next batch. */
const KEPT_BYTES = 64 * 1024;

/** Values of at least this length are sent without copying. */
const OWN_WRITE_BYTES = 16 * 1024;

/** The size of the pieces in which a long value is sent. */
const PIECE_BYTES = 512 * 1024;

/** The space reserved for a number: its type, sign, digits and line end. */
const MAX_NUMBER_BYTES = 24;

/** Up to this length a loop copies faster than a call to a native function. */
const MAX_LOOP_BYTES = 48;

/** Integers below this can be divided by 10 without floating-point arithmetic. */
const MAX_SMALL_INTEGER = 2 ** 31;

/** A value to send between two parts of the buffer. */
interface LongValue {
  /** The number of buffered bytes that precede it. */
  at: number;
  value: Uint8Array;
}

/** A destination for output. */
export interface Sink {
  write(bytes: Uint8Array): Promise<void>;
}

/** Collects encoded replies. */
export class ReplyWriter {
  /** The version of the protocol: 2 or 3. */
  protocol = 2;
  readonly #onError: ((message: string) => void) | undefined;
  #bytes = new Uint8Array(INITIAL_BYTES);
  #length = 0;
  #long: LongValue[] = [];
  #longBytes = 0;

  /** @param onError Called with each error reply. */
  constructor(onError?: (message: string) => void) {
    this.#onError = onError;
  }

  /** The number of bytes waiting to be sent. */
  get size(): number {
    return this.#length + this.#longBytes;
  }

  /** The buffered bytes; replaced when the buffer grows. Only for what was just written. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** The end of the buffered bytes: where the next reply starts. */
  get position(): number {
    return this.#length;
  }

  /** Appends `+OK`. */
  ok(): void {
    this.#reserve(5);
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = PLUS;
    bytes[at++] = LETTER_O;
    bytes[at++] = LETTER_K;
    bytes[at++] = CR;
    bytes[at++] = LF;
    this.#length = at;
  }

  /** Appends an integer. */
  integer(value: number): void {
    this.#number(COLON, value);
  }

  /** Appends a missing value. */
  missing(): void {
    this.#null();
  }

  /**
   * Appends a range of bytes as a bulk string.
   *
   * @param stable Whether the bytes will never change, so that a long range need not be copied.
   */
  bulk(bytes: Uint8Array, start: number, end: number, stable: boolean): void {
    const length = end - start;
    if (length >= OWN_WRITE_BYTES) {
      return this.#bulk(stable ? bytes.subarray(start, end) : bytes.slice(start, end));
    }
    this.#number(DOLLAR, length);
    this.#reserve(length + 2);
    const into = this.#bytes;
    let at = this.#length;
    if (length <= MAX_LOOP_BYTES) {
      for (let from = start; from < end; from++) into[at++] = bytes[from]!;
    } else {
      into.set(bytes.subarray(start, end), at);
      at += length;
    }
    into[at++] = CR;
    into[at++] = LF;
    this.#length = at;
  }

  /** Removes what was written since a {@linkcode ReplyWriter.position}. */
  cut(position: number): void {
    this.#length = position;
    while (this.#long.length > 0 && this.#long.at(-1)!.at > position) {
      this.#longBytes -= this.#long.pop()!.value.length;
    }
  }

  /** Replaces buffered replies by errors. */
  replace(failed: readonly FailedReply[], asReply: (error: unknown) => ErrorReply): void {
    const bytes = this.#bytes.slice(0, this.#length), long = this.#long;
    this.#length = this.#longBytes = 0;
    this.#long = [];
    let at = 0, next = 0;
    const keep = (end: number) => {
      const shift = this.#length - at;
      for (; next < long.length && long[next]!.at <= end; next++) {
        const { at: before, value } = long[next]!;
        this.#long.push({ at: before + shift, value });
        this.#longBytes += value.length;
      }
      this.#reserve(end - at);
      this.#bytes.set(bytes.subarray(at, end), this.#length);
      this.#length += end - at;
    };
    for (const { start, end, error } of failed) {
      keep(start);
      this.write(asReply(error));
      while (next < long.length && long[next]!.at < end) next++;
      at = end;
    }
    keep(bytes.length);
  }

  /** Appends a reply. */
  write(reply: Reply): void {
    if (typeof reply === "string") this.#bulk(reply);
    else if (reply === null) this.#null();
    else if (typeof reply === "boolean") this.#boolean(reply);
    else if (typeof reply === "number") this.#number(COLON, reply);
    else if (typeof reply === "bigint") this.#line(COLON, reply.toString());
    else if (reply instanceof SimpleString) this.#line(PLUS, reply.text);
    else if (reply instanceof Uint8Array) this.#bulk(reply);
    else if (reply instanceof ErrorReply) this.#error(reply.message);
    else if (reply instanceof ReplyMap) this.#map(reply);
    else if (reply instanceof ReplySet) {
      this.#number(this.protocol === 2 ? STAR : TILDE, reply.items.length);
      for (const item of reply.items) this.write(item);
    } else if (reply instanceof EncodedItems) {
      this.beginArray(reply.count);
      for (const value of reply.chunks) {
        this.#long.push({ at: this.#length, value });
        this.#longBytes += value.length;
      }
    } else if (reply instanceof Verbatim) this.#verbatim(reply.text);
    else if (reply instanceof Push) {
      this.#number(this.protocol === 2 ? STAR : GREATER, reply.items.length);
      for (const item of reply.items) this.write(item);
    } else if (reply instanceof Pushes) { for (const push of reply.all) this.write(push); }
    else if (reply === NULL_ARRAY) {
      if (this.protocol === 2) this.#text("*-1\r\n");
      else this.#null();
    } else if (reply !== NO_REPLY) {
      this.beginArray(reply.length);
      for (const item of reply) this.write(item);
    }
  }

  /** Starts an array. Its items are then written one by one, and may be flushed in between. */
  beginArray(length: number): void {
    this.#number(STAR, length);
  }

  /** Sends everything collected. Do not append anything before the promise resolves. */
  flush(sink: Sink): Promise<void> {
    const bytes = this.#bytes, length = this.#length, long = this.#long;
    this.#length = 0;
    if (bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(INITIAL_BYTES);
    if (long.length === 0) return sink.write(bytes.subarray(0, length));
    this.#long = [];
    this.#longBytes = 0;
    return sendParts(sink, bytes.subarray(0, length), long);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  #text(text: string): void {
    this.#reserve(text.length);
    copyValue(text, this.#bytes, this.#length);
    this.#length += text.length;
  }

  #line(type: number, text: string): void {
    this.#reserve(text.length + 3);
    this.#bytes[this.#length++] = type;
    this.#text(text);
    this.#newline();
  }

  /** Appends a line end; the caller has reserved the space. */
  #newline(): void {
    this.#bytes[this.#length++] = CR;
    this.#bytes[this.#length++] = LF;
  }

  #number(type: number, value: number): void {
    this.#reserve(MAX_NUMBER_BYTES);
    const bytes = this.#bytes;
    bytes[this.#length++] = type;
    let rest = value;
    if (rest < 0) {
      bytes[this.#length++] = MINUS;
      rest = -rest;
    }
    let digits = 1;
    for (let power = 10; power <= rest; power *= 10) digits++;
    for (let at = this.#length + digits - 1; at >= this.#length; at--) {
      const tenth = rest < MAX_SMALL_INTEGER ? (rest / 10) | 0 : Math.floor(rest / 10);
      bytes[at] = ZERO + (rest - 10 * tenth);
      rest = tenth;
    }
    this.#length += digits;
    this.#newline();
  }

  #bulk(value: Value): void {
    const { length } = value;
    this.#number(DOLLAR, length);
    if (typeof value !== "string" && length >= OWN_WRITE_BYTES) {
      this.#long.push({ at: this.#length, value });
      this.#longBytes += length;
      this.#reserve(2);
    } else {
      this.#reserve(length + 2);
      copyValue(value, this.#bytes, this.#length);
      this.#length += length;
    }
    this.#newline();
  }

  #boolean(value: boolean): void {
    if (this.protocol === 2) this.#number(COLON, value ? 1 : 0);
    else this.#text(value ? "#t\r\n" : "#f\r\n");
  }

  #null(): void {
    this.#text(this.protocol === 2 ? "$-1\r\n" : "_\r\n");
  }

  #error(message: string): void {
    this.#onError?.(message);
    // A line end inside the message would end the reply.
    this.#text(`-${message.replace(/[\r\n]+$/, "").replace(/[\r\n]/g, " ")}\r\n`);
  }

  #map({ pairs }: ReplyMap): void {
    if (this.protocol === 2) this.#number(STAR, 2 * pairs.length);
    else this.#number(PERCENT, pairs.length);
    for (const [key, value] of pairs) {
      this.write(key);
      this.write(value);
    }
  }

  #verbatim(text: string): void {
    if (this.protocol === 2) {
      this.#bulk(text);
      return;
    }
    this.#number(EQUALS, text.length + 4);
    this.#text(`txt:${text}\r\n`);
  }
}

/** Sends long values between the parts of a buffer. */
async function sendParts(sink: Sink, bytes: Uint8Array, long: LongValue[]): Promise<void> {
  // A write that is ready at once lets nobody else run.
  const turn = new Turn();
  let at = 0;
  for (const { at: before, value } of long) {
    if (before > at) await sink.write(bytes.subarray(at, before));
    at = before;
    for (let from = 0; from < value.length; from += PIECE_BYTES) {
      const isWhole = value.length <= PIECE_BYTES;
      await sink.write(isWhole ? value : value.subarray(from, from + PIECE_BYTES));
      if (turn.over) await turn.next();
    }
  }
  if (bytes.length > at) await sink.write(bytes.subarray(at));
}
