/**
 * Encodes the output of the text protocol.
 *
 * @module
 */

import { copyValue, type Value } from "../../storage/value.ts";
import type { FailedReply } from "../held_replies.ts";
import type { Sink } from "../resp/writer.ts";
import { EMPTY_WORD, escapeOf, LETTER_X, type TextPart } from "./escapes.ts";

const BACKSLASH = 0x5c;

/** The length of the longest escape, `\xHH`. */
const MAX_ESCAPE_BYTES = 4;

/** The initial size of the buffer, and its size after a large one was released. */
const INITIAL_BYTES = 1024;

/** A buffer of up to this size is reused for the next batch. */
const KEPT_BYTES = 64 * 1024;

/** The size of the pieces in which a long value is escaped and sent. */
export const PIECE_BYTES = 64 * 1024;

/** Output of this size is sent before anything more is appended. */
export const MAX_TEXT_OUTPUT_BYTES = 256 * 1024;

/** Collects encoded lines. */
export class TextWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  /** The number of bytes waiting to be sent. */
  get size(): number {
    return this.#length;
  }

  /** Appends text with one character per byte, without escaping it. */
  text(text: string): void {
    this.#reserve(text.length);
    copyValue(text, this.#bytes, this.#length);
    this.#length += text.length;
  }

  /** Appends a range of bytes as a value, escaped. */
  range(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(2 * (end - start));
    const into = this.#bytes;
    let to = this.#length;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      const escape = escapeOf(byte, "value");
      if (escape === 0) {
        into[to++] = byte;
      } else {
        into[to++] = BACKSLASH;
        into[to++] = escape;
      }
    }
    this.#length = to;
  }

  /** Removes what was written since it had this size. */
  cut(size: number): void {
    this.#length = size;
  }

  /** Replaces replies that were not sent yet by errors. */
  replace(failed: readonly FailedReply[], asReply: (error: unknown) => string): void {
    const bytes = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    let at = 0;
    const keep = (end: number) => {
      this.#reserve(end - at);
      this.#bytes.set(bytes.subarray(at, end), this.#length);
      this.#length += end - at;
    };
    for (const { start, end, error } of failed) {
      keep(start);
      this.text(`${asReply(error)}\n`);
      at = end;
    }
    keep(bytes.length);
  }

  /**
   * Appends a value or a key, escaped. A long one is sent piece by piece, so that memory never
   * holds a second copy of it.
   *
   * @returns For a long value, a promise to await before appending anything else.
   */
  value(value: Value, part: TextPart, sink: Sink): Promise<void> | undefined {
    if (value.length > PIECE_BYTES) return this.#longValue(value, part, sink);
    if (part === "key" && value.length === 0) this.text(EMPTY_WORD);
    else this.#escaped(value, part);
    return undefined;
  }

  /** Sends everything collected. Do not append anything before the promise resolves. */
  flush(sink: Sink): Promise<void> {
    const bytes = this.#bytes, length = this.#length;
    if (length === 0) return Promise.resolve();
    this.#length = 0;
    if (bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(INITIAL_BYTES);
    return sink.write(bytes.subarray(0, length));
  }

  async #longValue(value: Value, part: TextPart, sink: Sink): Promise<void> {
    for (let at = 0; at < value.length; at += PIECE_BYTES) {
      this.#escaped(value.slice(at, at + PIECE_BYTES), part);
      if (this.#length >= MAX_TEXT_OUTPUT_BYTES) await this.flush(sink);
    }
  }

  #escaped(value: Value, part: TextPart): void {
    this.#reserve((part === "key" ? MAX_ESCAPE_BYTES : 2) * value.length);
    const bytes = this.#bytes;
    const start = this.#length;
    copyValue(value, bytes, start);
    const end = start + value.length;
    let added = 0;
    for (let at = start; at < end; at++) {
      const escape = escapeOf(bytes[at]!, part);
      if (escape !== 0) added += escape === LETTER_X ? MAX_ESCAPE_BYTES - 1 : 1;
    }
    this.#length = end + added;
    // Work backwards, so that bytes move before they are overwritten.
    for (let from = end - 1, to = end + added - 1; to > from; from--) {
      const byte = bytes[from]!;
      const escape = escapeOf(byte, part);
      if (escape === 0) {
        bytes[to--] = byte;
        continue;
      }
      if (escape === LETTER_X) {
        bytes[to--] = hexDigit(byte & 15);
        bytes[to--] = hexDigit(byte >> 4);
      }
      bytes[to--] = escape;
      bytes[to--] = BACKSLASH;
    }
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** The character code of a hexadecimal digit. */
function hexDigit(value: number): number {
  return value < 10 ? 0x30 + value : 0x57 + value;
}
