/**
 * The parser of the text protocol: a line in, a command out.
 *
 * @module
 */

import type { Key } from "../../storage/store.ts";
import { latin1From, type Value, valueBytes, valueFrom, valueOf } from "../../storage/value.ts";
import { type Int64, parseInt64 } from "../int64.ts";
import { unescapeText, unescapeWord } from "./escapes.ts";

/** The longest key in this protocol. */
export const MAX_KEY_BYTES = 1024;

/** The longest time to live, in seconds: a thousand years. */
export const MAX_SECONDS = 31_536_000_000;

/** The maximum number of keys in one MGET, which is one transaction and so not interrupted. */
export const MAX_KEYS = 1024;

const BLANK = 0x20, TAB = 0x09, BACKSLASH = 0x5c;

/** A request of the form `name key`. */
type KeyRequest<Name> = Name extends string ? { name: Name; key: Key } : never;

/** A request of the form `name key value`. */
type ValueRequest<Name> = Name extends string ? { name: Name; key: Key; value: Value } : never;

/** A request. */
export type TextCommand =
  | KeyRequest<"get" | "delete" | "exists" | "ttl" | "persist">
  | ValueRequest<"put" | "putnx" | "deleteif">
  | { name: "mget"; keys: Key[] }
  | { name: "list"; prefix: Key; after?: Key; limit: number }
  | { name: "incr"; key: Key; by: Int64 }
  | { name: "increx"; key: Key; by: Int64; seconds: number }
  | { name: "cas"; key: Key; expected: string; value: Value }
  | { name: "putex"; key: Key; seconds: number; value: Value }
  | { name: "expire"; key: Key; seconds: number }
  | { name: "follow"; prefix: Key }
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
  putnx: "PUTNX key value",
  deleteif: "DELETEIF key value",
  mget: "MGET key ...",
  increx: "INCREX key amount seconds",
  ttl: "TTL key",
  expire: "EXPIRE key seconds",
  persist: "PERSIST key",
  follow: "FOLLOW [prefix]",
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

/** A request that names no command of this protocol. */
export class UnknownTextCommandError extends TextError {
  override name = "UnknownTextCommandError";
  /** The name in lower case; "" if it is longer than any name. */
  readonly command: string;

  /** @param command The name in lower case. */
  constructor(command: string) {
    super("unknown command, try HELP");
    this.command = command;
  }
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
  text(name: TextName): string {
    const word = this.word();
    if (word === "") throw malformed(name);
    return unescapedWord(word);
  }

  /** The next word as a key. */
  key(name: TextName): Key {
    const key = this.text(name);
    if (key.length > MAX_KEY_BYTES) {
      throw new TextError(`a key is at most ${MAX_KEY_BYTES} bytes`);
    }
    return key;
  }

  /** The next word as a number. */
  integer(name: TextName): Int64 {
    const word = this.word();
    if (word === "") throw malformed(name);
    return integer(word);
  }

  /** The next word as a time to live. */
  seconds(name: TextName): number {
    const seconds = Number(this.integer(name));
    if (seconds < 1 || seconds > MAX_SECONDS) {
      throw new TextError(`the seconds are 1 to ${MAX_SECONDS}`);
    }
    return seconds;
  }

  /** All remaining words as keys, of which there must be one. */
  keys(name: TextName): Key[] {
    const keys: Key[] = [];
    do {
      if (keys.length === MAX_KEYS) throw new TextError(`a request has at most ${MAX_KEYS} keys`);
      keys.push(this.key(name));
    } while (this.more());
    return keys;
  }

  /** Whether another word follows. */
  more(): boolean {
    while (this.#at < this.#end && isBlank(this.#bytes[this.#at]!)) this.#at++;
    return this.#at < this.#end;
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
    if (word === "") throw new TextError("empty request, try HELP");
    throw new UnknownTextCommandError(name);
  }
  switch (name) {
    case "put":
    case "putnx":
    case "deleteif":
      return { name, key: args.key(name), value: valueAt(args, name) };
    case "get":
    case "delete":
    case "exists":
    case "ttl":
    case "persist": {
      const key = args.key(name);
      expectEnd(args, name);
      return { name, key };
    }
    case "mget":
      return { name, keys: args.keys(name) };
    case "incr": {
      const key = args.key(name);
      const by = args.more() ? args.integer(name) : 1;
      expectEnd(args, name);
      return { name, key, by };
    }
    case "increx": {
      const key = args.key(name);
      const by = args.integer(name);
      const seconds = args.seconds(name);
      expectEnd(args, name);
      return { name, key, by, seconds };
    }
    case "cas":
      return {
        name,
        key: args.key(name),
        expected: args.text(name),
        value: valueAt(args, name),
      };
    case "putex":
      return {
        name,
        key: args.key(name),
        seconds: args.seconds(name),
        value: valueAt(args, name),
      };
    case "expire": {
      const key = args.key(name);
      const seconds = args.seconds(name);
      expectEnd(args, name);
      return { name, key, seconds };
    }
    case "list":
      return list(args.words());
    case "follow": {
      const prefix = args.more() ? args.text(name) : "";
      expectEnd(args, name);
      return { name, prefix };
    }
    default:
      expectEnd(args, name);
      return { name };
  }
}

/** Parses the arguments of LIST. Options are pairs, so an odd number of words means a prefix. */
function list(words: readonly string[]): TextCommand {
  const command: TextCommand & { name: "list" } = { name: "list", prefix: "", limit: Infinity };
  let at = 0;
  if (words.length % 2 === 1) command.prefix = unescapedWord(words[at++]!);
  for (; at < words.length; at += 2) {
    const option = words[at]!.toUpperCase(), value = words[at + 1]!;
    if (option === "AFTER" && command.after === undefined) {
      command.after = unescapedWord(value);
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

/** Whether a byte separates words. */
export function isBlank(byte: number): boolean {
  return byte === BLANK || byte === TAB;
}

function unescaped(text: string): string {
  const plain = unescapeText(text);
  if (plain === undefined) {
    throw new TextError("a backslash stands before \\, n, r, a comma or an equals sign");
  }
  return plain;
}

function unescapedWord(word: string): string {
  const plain = unescapeWord(word);
  if (plain === undefined) {
    throw new TextError(
      "in a key, a backslash stands before \\, n, r, s, a comma, an equals sign or xHH; " +
        "the empty key is \\e",
    );
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
