import { MAX_NAME_BYTES } from "./words.ts";

const SPACE = 0x20;
const ZERO = 0x30;
const NINE = 0x39;
const HYPHEN = 0x2d;
const MAX_U64 = 2n ** 64n - 1n;

/** Which bytes a name may have. */
const NAME_BYTES = new Uint8Array(256);
for (
  const character of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-+/;.$_()"
) NAME_BYTES[character.charCodeAt(0)] = 1;

/** Reads the arguments of a command line, from left to right. */
export class LineArguments {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** Starts with the bytes from `at` to `end`. */
  set(bytes: Uint8Array, at: number, end: number): void {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  /** Whether nothing is left, not even a blank. */
  get done(): boolean {
    return this.#at === this.#end;
  }

  /** A number from 0 to `max`, with blanks before it; -1 if there is none. */
  number(max: number): number {
    const start = this.#skipBlanks();
    let value = 0;
    let at = start;
    for (; at < this.#end; at++) {
      const byte = this.#bytes[at]!;
      if (byte < ZERO || byte > NINE) break;
      value = value * 10 + (byte - ZERO);
    }
    this.#at = at;
    return at === start || value > max ? -1 : value;
  }

  /** The id of a job, up to 2^64 - 1; -1 if there is none. Beyond 2^53 it is only about right. */
  id(): number {
    const start = this.#skipBlanks();
    const id = this.number(Infinity);
    if (id < 2 ** 63) return id;
    return BigInt(this.#text(start, this.#at)) > MAX_U64 ? -1 : id;
  }

  /** The rest of the line as a name; `null` if it is not a valid one. */
  nameToEnd(): string | null {
    return this.#name(this.#end);
  }

  /** A name, with blanks before it and a blank or nothing after it; `null` if it is not valid. */
  name(): string | null {
    let end = this.#skipBlanks();
    while (end < this.#end && this.#bytes[end] !== SPACE) end++;
    return this.#name(end);
  }

  #name(end: number): string | null {
    const start = this.#at;
    const length = end - start;
    if (length === 0 || length > MAX_NAME_BYTES || this.#bytes[start] === HYPHEN) return null;
    for (let at = start; at < end; at++) {
      if (NAME_BYTES[this.#bytes[at]!] === 0) return null;
    }
    this.#at = end;
    return this.#text(start, end);
  }

  #skipBlanks(): number {
    while (this.#at < this.#end && this.#bytes[this.#at] === SPACE) this.#at++;
    return this.#at;
  }

  #text(start: number, end: number): string {
    return String.fromCharCode(...this.#bytes.subarray(start, end));
  }
}
