import type { BeanstalkCommand } from "./command.ts";
import { MAX_NAME_BYTES, type Mistake } from "./words.ts";

/** The end of a line is CR LF. */
export const CR = 0x0d;
export const LF = 0x0a;

const SPACE = 0x20;
const ZERO = 0x30;
const NINE = 0x39;
const HYPHEN = 0x2d;
/** The greatest id that the protocol knows. */
export const MAX_ID = 2n ** 64n - 1n;

/** 1 for each byte that a name may contain. */
const NAME_BYTES = new Uint8Array(256);
for (
  const character of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-+/;.$_()"
) NAME_BYTES[character.charCodeAt(0)] = 1;

/** Parses the arguments of a command line, from left to right. */
export class LineArguments {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** Starts over with the bytes from `at` to `end`. */
  set(bytes: Uint8Array, at: number, end: number): void {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  /** Whether nothing is left, not even a space. */
  get done(): boolean {
    return this.#at === this.#end;
  }

  /** Whether a space comes next. */
  get atSpace(): boolean {
    return !this.done && this.#bytes[this.#at] === SPACE;
  }

  /** Parses a number from 0 to `max`, after any spaces; -1 if there is none. */
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

  /** Parses a job id, up to 2^64 - 1; -1 if there is none. Above 2^53 it is only approximate. */
  id(): number {
    const start = this.#skipBlanks();
    const id = this.number(Infinity);
    if (id < 2 ** 63) return id;
    return BigInt(this.#text(start, this.#at)) > MAX_ID ? -1 : id;
  }

  /** Parses the rest of the line as a name; `null` if it is not valid. */
  nameToEnd(): string | null {
    return this.#name(this.#end);
  }

  /** Parses a name, after any spaces and up to the next space; `null` if it is not valid. */
  name(): string | null {
    let end = this.#skipBlanks();
    while (end < this.#end && this.#bytes[end] !== SPACE) end++;
    return this.#name(end);
  }

  /** The rest of the line: empty, or a space and what follows it; `null` if there is no space. */
  options(): string | null {
    if (!this.done && this.#bytes[this.#at] !== SPACE) return null;
    return this.#text(this.#at, this.#end);
  }

  #name(end: number): string | null {
    const start = this.#at;
    if (!isNameAt(this.#bytes, start, end)) return null;
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

function isNameAt(bytes: ArrayLike<number>, start: number, end: number): boolean {
  const length = end - start;
  if (length === 0 || length > MAX_NAME_BYTES || bytes[start] === HYPHEN) return false;
  for (let at = start; at < end; at++) {
    if (NAME_BYTES[bytes[at]!] !== 1) return false;
  }
  return true;
}

/** Whether a text is the name of a tube or a key. */
export function isName(text: string): boolean {
  const codes = Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
  return isNameAt(codes, 0, codes.length);
}

/** The index of the first CRLF between `start` and `end`; -1 if there is none. */
export function findLineEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at + 1 < end; at++) {
    if (bytes[at] === CR && bytes[at + 1] === LF) return at;
  }
  return -1;
}

/** The command of a client that made a mistake. */
export function mistake(reply: Mistake): BeanstalkCommand {
  return { kind: "mistake", reply };
}
