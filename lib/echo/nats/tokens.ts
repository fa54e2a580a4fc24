import { MAX_SIZE_DIGITS } from "./words.ts";

const TAB = 9;
const LF = 10;
const CR = 13;
const BLANK = 32;
const ZERO = 48;

/** No operation has more arguments than this; any others are only counted. */
const MAX_TOKENS = 5;

/** The arguments of an operation, as ranges of the input: token `i` is `bytes[starts[i]..ends[i])`. */
export class Tokens {
  /** The number of tokens. */
  count = 0;
  readonly starts = new Uint32Array(MAX_TOKENS);
  readonly ends = new Uint32Array(MAX_TOKENS);

  /**
   * Splits at blanks, tabs and carriage returns, up to a newline.
   *
   * @param from Where the arguments begin.
   * @param end The end of the input.
   * @returns The index after the newline; -1 if there is none.
   */
  split(bytes: Uint8Array, from: number, end: number): number {
    let count = 0;
    let start = -1;
    for (let at = from; at < end; at++) {
      const byte = bytes[at]!;
      if (byte > BLANK || (byte !== BLANK && byte !== TAB && byte !== CR && byte !== LF)) {
        if (start === -1) start = at;
        continue;
      }
      if (start !== -1) {
        if (count < MAX_TOKENS) {
          this.starts[count] = start;
          this.ends[count] = at;
        }
        count++;
        start = -1;
      }
      if (byte === LF) {
        this.count = count;
        return at + 1;
      }
    }
    return -1;
  }

  /** Token `i` as a size; -1 if it is none. */
  size(bytes: Uint8Array, i: number): number {
    const start = this.starts[i]!;
    const end = this.ends[i]!;
    if (end - start > MAX_SIZE_DIGITS) return -1;
    let size = 0;
    for (let at = start; at < end; at++) {
      const digit = bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) return -1;
      size = 10 * size + digit;
    }
    return size;
  }
}

// Without `stream`, a call leaves nothing behind in it.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text in a range; `undefined` if it is not valid UTF-8. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string | undefined {
  try {
    return utf8.decode(bytes.subarray(start, end));
  } catch {
    return undefined;
  }
}

/** A text that is decoded again only when its bytes have changed. */
export class TextMemo {
  #bytes = new Uint8Array(0);
  #text: string | undefined = "";

  /** Whether a range holds the same bytes as the last one decoded. */
  holds(bytes: Uint8Array, start: number, end: number): boolean {
    const known = this.#bytes;
    if (end - start !== known.length) return false;
    for (let i = 0; i < known.length; i++) if (bytes[start + i] !== known[i]) return false;
    return true;
  }

  /** The text in a range; `undefined` if it is not valid UTF-8. */
  decode(bytes: Uint8Array, start: number, end: number): string | undefined {
    if (this.holds(bytes, start, end)) return this.#text;
    this.#bytes = bytes.slice(start, end);
    return this.#text = decodeUtf8(bytes, start, end);
  }
}
