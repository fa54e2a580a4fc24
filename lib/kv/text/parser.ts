/**
 * The parser of the text protocol: a line in, a command out.
 *
 * @module
 */

import type { Key } from "../../storage/store.ts";
import { latin1From, type Value, valueBytes, valueFrom, valueOf } from "../../storage/value.ts";
import { type Int64, parseInt64 } from "../int64.ts";
import { unescapeText } from "./escapes.ts";

/** The longest key in this protocol. */
export const MAX_KEY_BYTES = 1024;

/** The longest time to live, in seconds: a thousand years. */
export const MAX_SECONDS = 31_536_000_000;

const BLANK = 0x20, TAB = 0x09, BACKSLASH = 0x5c;

/** A request. */
export type TextCommand =
  | { name: "put"; key: Key; value: Value }
  | { name: "get"; key: Key }
  | { name: "delete" | "exists"; key: Key }
  | { name: "list"; prefix: Key; after?: Key; limit: number }
  | { name: "incr"; key: Key; by: Int64 }
  | { name: "cas"; key: Key; expected: string; value: Value }
  | { name: "putex"; key: Key; seconds: number; value: Value }
  | { name: "count" | "help" | "quit" };

/** The syntax of each command, for errors and HELP. */
export const FORMS = {
  put: "PUT key value",
  get: "GET key",
  delete: "DELETE key",
  list: "LIST [prefix] [AFTER key] [LIMIT count]",
  exists: "EXISTS key",
  incr: "INCR key [amount]",
  cas: "CAS key expected value",
  putex: "PUTEX key seconds value",
  count: "COUNT",
  help: "HELP",
  quit: "QUIT",
} as const;

/** The name of a command, in lower case. */
export type TextName = keyof typeof FORMS;

/** An invalid request; the message is sent to the client. */
export class TextError extends Error {
  override name = "TextError";
}

/** Whether the protocol has a command with this name, given in lower case. */
export function isTextName(name: string): name is TextName {
  return Object.hasOwn(FORMS, name);
}

/** Reads the arguments of a line one by one. */
class ArgumentReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** The next word, escapes included; "" at the end of the line. */
  word(): string {
    const bytes = this.#bytes, end = this.#end;
    let at = this.#at;
    while (at < end && isBlank(bytes[at]!)) at++;
    const start = at;
    while (at < end && !isBlank(bytes[at]!)) at++;
    this.#at = at;
    return latin1From(bytes, start, at);
  }

  /** The next word, unescaped. */
  text(): string {
    return unescaped(this.word());
  }

  /** The next word as a key. */
  key(): Key {
    const key = this.text();
    if (key.length === 0 || key.length > MAX_KEY_BYTES) {
      throw new TextError(`a key is 1 to ${MAX_KEY_BYTES} bytes`);
    }
    return key;
  }

  /** The rest of the line after the blank that ended the last word, unescaped. */
  rest(): Value | undefined {
    if (this.#at === this.#end) return undefined;
    const start = this.#at + 1;
    const escaped = this.#bytes.subarray(start, this.#end).includes(BACKSLASH);
    if (!escaped) return valueFrom(this.#bytes, start, this.#end);
    const text = unescaped(latin1From(this.#bytes, start, this.#end));
    return valueOf(valueBytes(text));
  }

  /** All remaining words. */
  words(): string[] {
    const words = [];
    for (let word = this.word(); word !== ""; word = this.word()) words.push(word);
    return words;
  }
}

/**
 * Parses a line, given without its line end.
 *
 * @throws {TextError} If it is not a valid command.
 */
export function parseTextLine(bytes: Uint8Array, start: number, end: number): TextCommand {
  const args = new ArgumentReader(bytes, start, end);
  const word = args.word();
  const name = word.length <= 16 ? word.toLowerCase() : "";
  if (!isTextName(name)) {
    throw new TextError(word === "" ? "empty request, try HELP" : "unknown command, try HELP");
  }
  switch (name) {
    case "put":
      return { name, key: args.key(), value: valueAt(args, name) };
    case "get":
    case "delete":
    case "exists": {
      const key = args.key();
      expectEnd(args, name);
      return { name, key };
    }
    case "incr": {
      const key = args.key();
      const amount = args.word();
      expectEnd(args, name);
      return { name, key, by: amount === "" ? 1 : integer(amount) };
    }
    case "cas":
      return { name, key: args.key(), expected: args.text(), value: valueAt(args, name) };
    case "putex": {
      const key = args.key();
      const seconds = Number(integer(args.word()));
      if (seconds < 1 || seconds > MAX_SECONDS) {
        throw new TextError(`the seconds are 1 to ${MAX_SECONDS}`);
      }
      return { name, key, seconds, value: valueAt(args, name) };
    }
    case "list":
      return list(args.words());
    default:
      expectEnd(args, name);
      return { name };
  }
}

/** Parses the arguments of LIST. Options are pairs, so an odd number of words means a prefix. */
function list(words: readonly string[]): TextCommand {
  const command: TextCommand & { name: "list" } = { name: "list", prefix: "", limit: Infinity };
  let at = 0;
  if (words.length % 2 === 1) command.prefix = unescaped(words[at++]!);
  for (; at < words.length; at += 2) {
    const option = words[at]!.toUpperCase(), value = words[at + 1]!;
    if (option === "AFTER" && command.after === undefined) {
      command.after = unescaped(value);
    } else if (option === "LIMIT" && command.limit === Infinity) {
      const limit = integer(value);
      if (limit < 0) throw new TextError("the limit is 0 or more");
      command.limit = Number(limit);
    } else {
      throw malformed("list");
    }
  }
  return command;
}

function isBlank(byte: number): boolean {
  return byte === BLANK || byte === TAB;
}

function unescaped(text: string): string {
  const plain = unescapeText(text);
  if (plain === undefined) {
    throw new TextError("a backslash stands before \\, n, r, a comma or an equals sign");
  }
  return plain;
}

function valueAt(args: ArgumentReader, name: TextName): Value {
  const value = args.rest();
  if (value === undefined) throw malformed(name);
  return value;
}

function expectEnd(args: ArgumentReader, name: TextName): void {
  if (args.word() !== "") throw malformed(name);
}

function integer(text: string): Int64 {
  const value = parseInt64(text);
  if (value === undefined) throw new TextError("a number is whole and has 64 bits");
  return value;
}

function malformed(name: TextName): TextError {
  return new TextError(`expected ${FORMS[name]}`);
}
