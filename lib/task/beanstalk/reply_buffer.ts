import { copyValue, type Value } from "../../storage/value.ts";
import { REPLIES, type ReplyWord } from "./words.ts";

const INITIAL_BYTES = 1024;

/** A buffer that a big reply made larger than this is not kept. */
const KEEP_BYTES = 256 * 1024;

const encoder = new TextEncoder();
const WORDS = Object.fromEntries(
  REPLIES.map((word) => [word, encoder.encode(`${word}\r\n`)]),
) as Record<ReplyWord, Uint8Array>;

/** Collects the replies to one client, to be sent in one write. */
export class ReplyBuffer {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  /** How many bytes are waiting to be sent. */
  get length(): number {
    return this.#length;
  }

  /** The bytes waiting to be sent; valid until the next `clear`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Empties the buffer. */
  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > KEEP_BYTES) this.#bytes = new Uint8Array(INITIAL_BYTES);
  }

  /** Adds a reply of one word. */
  word(word: ReplyWord): void {
    const bytes = WORDS[word];
    this.#reserve(bytes.length);
    for (let at = 0; at < bytes.length; at++) this.#bytes[this.#length++] = bytes[at]!;
  }

  /** Adds a line of ASCII text. */
  line(text: string): void {
    this.#reserve(text.length + 2);
    this.#ascii(text);
    this.#crlf();
  }

  /** Adds a line "<word> <id> <bytes>" and a body. */
  body(word: string, id: number, body: Value): void {
    this.#reserve(word.length + body.length + 64);
    this.#ascii(word);
    this.#bytes[this.#length++] = 0x20;
    this.#ascii(String(id));
    this.#bytes[this.#length++] = 0x20;
    this.#ascii(String(body.length));
    this.#crlf();
    copyValue(body, this.#bytes, this.#length);
    this.#length += body.length;
    this.#crlf();
  }

  /** Adds a line "<head> <bytes>" and a body. */
  chunk(head: string, body: Value): void {
    this.#reserve(head.length + body.length + 32);
    this.#ascii(`${head} ${body.length}`);
    this.#crlf();
    copyValue(body, this.#bytes, this.#length);
    this.#length += body.length;
    this.#crlf();
  }

  #ascii(text: string): void {
    for (let at = 0; at < text.length; at++) this.#bytes[this.#length++] = text.charCodeAt(at);
  }

  #crlf(): void {
    this.#bytes[this.#length++] = 0x0d;
    this.#bytes[this.#length++] = 0x0a;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    bytes.set(this.bytes);
    this.#bytes = bytes;
  }
}
