/**
 * Decodes what a script returns, in the form that lua/prelude.lua describes.
 *
 * @module
 */

import { latin1From, type Value, valueFrom } from "../../storage/value.ts";
import {
  ErrorReply,
  type Reply,
  ReplyMap,
  ReplySet,
  SimpleString,
  Verbatim,
} from "../resp/reply.ts";

const LF = 0x0a;

/** The result in a range of bytes, as a reply. */
export function decodeResult(bytes: Uint8Array, start: number): Reply {
  return new Decoder(bytes, start).next();
}

class Decoder {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  next(): Reply {
    const type = String.fromCharCode(this.#bytes[this.#at++]!);
    const number = this.#line();
    switch (type) {
      case "$":
        return this.#value(Number(number));
      case ":":
        return integerOf(number);
      case "#":
        return number === "t";
      case "_":
        return null;
      case "+":
        return new SimpleString(oneLine(this.#text(number)));
      case "-":
        return new ErrorReply(oneLine(this.#text(number)));
      case "=":
        return new Verbatim(this.#text(number));
      case "%":
        return new ReplyMap(this.#items(number, () => [this.next(), this.next()]));
      case "~":
        return new ReplySet(this.#items(number, () => this.next()));
      case "*":
        return this.#items(number, () => this.next());
      default:
        throw new SyntaxError(`Cannot decode a script's result of type "${type}"`);
    }
  }

  #line(): string {
    const start = this.#at;
    while (this.#bytes[this.#at] !== LF) this.#at++;
    return latin1From(this.#bytes, start, this.#at++);
  }

  #value(length: number): Value {
    const start = this.#at;
    this.#at += length;
    return valueFrom(this.#bytes, start, this.#at);
  }

  #text(length: string): string {
    const start = this.#at;
    this.#at += Number(length);
    return latin1From(this.#bytes, start, this.#at);
  }

  #items<T>(count: string, item: () => T): T[] {
    const items: T[] = [];
    for (let left = Number(count); left > 0; left--) items.push(item());
    return items;
  }
}

function integerOf(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

/** A status or an error ends at the first line end, so it must not contain one. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]/g, " ");
}
