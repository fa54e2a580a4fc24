/**
 * Encodes replies into one buffer that is sent with one write. Long values are not copied into it:
 * they are sent directly, between the parts of the buffer.
 *
 * @module
 */

import { copyValue, type Value } from "../../storage/value.ts";
import {
  ErrorReply,
  NO_REPLY,
  NULL_ARRAY,
  type Reply,
  ReplyMap,
  ReplySet,
  SimpleString,
  Verbatim,
} from "./reply.ts";

const CR = 0x0d, LF = 0x0a, ZERO = 0x30, MINUS = 0x2d;
const PLUS = 0x2b, DOLLAR = 0x24, COLON = 0x3a, STAR = 0x2a, PERCENT = 0x25, TILDE = 0x7e;
const EQUALS = 0x3d;

/** The initial size of the buffer, and its size after a large one was released. */
const INITIAL_BYTES = 1024;

/** A buffer of up to this size is reused for the next batch. */
const KEPT_BYTES = 64 * 1024;

/** Values of at least this length are sent without copying. */
const OWN_WRITE_BYTES = 16 * 1024;

/** The space reserved for a number: its type, sign, digits and line end. */
const MAX_NUMBER_BYTES = 24;

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

  /** Appends a reply. */
  write(reply: Reply): void {
    if (typeof reply === "string") this.#bulk(reply);
    else if (reply === null) this.#null();
    else if (typeof reply === "number") this.#number(COLON, reply);
    else if (typeof reply === "bigint") this.#line(COLON, reply.toString());
    else if (reply instanceof SimpleString) this.#line(PLUS, reply.text);
    else if (reply instanceof Uint8Array) this.#bulk(reply);
    else if (reply instanceof ErrorReply) this.#error(reply.message);
    else if (reply instanceof ReplyMap) this.#map(reply);
    else if (reply instanceof ReplySet) {
      this.#number(this.protocol === 2 ? STAR : TILDE, reply.items.length);
      for (const item of reply.items) this.write(item);
    } else if (reply instanceof Verbatim) this.#verbatim(reply.text);
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
      const tenth = Math.floor(rest / 10);
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
  let at = 0;
  for (const { at: before, value } of long) {
    if (before > at) await sink.write(bytes.subarray(at, before));
    at = before;
    await sink.write(value);
  }
  if (bytes.length > at) await sink.write(bytes.subarray(at));
}
