/**
 * The output of a connection that speaks the text protocol.
 *
 * @module
 */

import { copyValue, type Value } from "../../storage/value.ts";
import type { Sink } from "../resp/writer.ts";
import { escapeOf } from "./escapes.ts";

const BACKSLASH = 0x5c;

/** How large the buffer is at first, and again after it had to grow far. */
const INITIAL_BYTES = 1024;

/** A buffer up to this size is kept from one batch to the next. */
const KEPT_BYTES = 64 * 1024;

/** How much of a value is escaped before what there is may be sent. */
export const PIECE_BYTES = 64 * 1024;

/** From so much output on, it is sent before anything more is appended. */
export const MAX_TEXT_OUTPUT_BYTES = 256 * 1024;

/** Collects lines. */
export class TextWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  /** How many bytes are waiting to be sent. */
  get size(): number {
    return this.#length;
  }

  /** Appends text as it is, one character a byte. */
  text(text: string): void {
    this.#reserve(text.length);
    copyValue(text, this.#bytes, this.#length);
    this.#length += text.length;
  }

  /**
   * Appends a value with escapes. A long one is sent in pieces while it is written, so that it
   * never stands in memory twice.
   *
   * @returns What to wait for before anything else is appended, if it was long.
   */
  value(value: Value, inList: boolean, sink: Sink): Promise<void> | undefined {
    if (value.length > PIECE_BYTES) return this.#longValue(value, inList, sink);
    this.#escaped(value, inList);
    return undefined;
  }

  /**
   * Sends everything that was collected, and forgets it. Nothing may be appended before the promise
   * resolves.
   */
  flush(sink: Sink): Promise<void> {
    const bytes = this.#bytes, length = this.#length;
    if (length === 0) return Promise.resolve();
    this.#length = 0;
    if (bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(INITIAL_BYTES);
    return sink.write(bytes.subarray(0, length));
  }

  async #longValue(value: Value, inList: boolean, sink: Sink): Promise<void> {
    for (let at = 0; at < value.length; at += PIECE_BYTES) {
      this.#escaped(value.slice(at, at + PIECE_BYTES), inList);
      if (this.#length >= MAX_TEXT_OUTPUT_BYTES) await this.flush(sink);
    }
  }

  #escaped(value: Value, inList: boolean): void {
    this.#reserve(2 * value.length);
    const bytes = this.#bytes;
    const start = this.#length;
    copyValue(value, bytes, start);
    const end = start + value.length;
    let escapes = 0;
    for (let at = start; at < end; at++) if (escapeOf(bytes[at]!, inList) !== 0) escapes++;
    this.#length = end + escapes;
    // From the end, so that what moves does not overwrite what has yet to move.
    for (let from = end - 1, to = end + escapes - 1; to > from; from--) {
      const escape = escapeOf(bytes[from]!, inList);
      if (escape === 0) {
        bytes[to--] = bytes[from]!;
      } else {
        bytes[to--] = escape;
        bytes[to--] = BACKSLASH;
      }
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
