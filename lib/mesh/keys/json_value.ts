/**
 * Values in lines of JSON, found without parsing all of the line.
 *
 * @module
 */

/** What a name leads to, in the order in which the kinds are sorted. */
export const JSON_KIND = {
  /** There is no such value, it is null, or the line is no object. */
  NOTHING: 1,
  FALSE: 2,
  TRUE: 3,
  NUMBER: 4,
  STRING: 5,
  /** An array or an object. */
  STRUCTURE: 6,
} as const;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NO_BYTES = new Uint8Array(0);

/** Finds values. It reads what it needs, so it may find something in a line that is not valid. */
export class JsonValue {
  /** One of {@linkcode JSON_KIND}. */
  kind: number = JSON_KIND.NOTHING;
  /** Contains the value: a string without its quotes and escapes, all else as it is written, */
  bytes: Uint8Array = NO_BYTES;
  /** from here */
  from = 0;
  /** to here. */
  to = 0;
  readonly #path: readonly Uint8Array[];

  /** @param path The names that lead to the value, from the outermost object inwards. */
  constructor(path: readonly string[]) {
    this.#path = path.map((name) => encoder.encode(name));
  }

  /** Finds the value in a line. Of equal names the first one counts. */
  find(line: Uint8Array, from: number, to: number): void {
    this.#set(JSON_KIND.NOTHING, NO_BYTES, 0, 0);
    let at = skipSpace(line, from, to);
    for (const name of this.#path) {
      at = findName(line, at, to, name);
      if (at < 0) return;
    }
    this.#read(line, at, to);
  }

  #read(line: Uint8Array, from: number, to: number): void {
    const end = endOfValue(line, from, to);
    const first = line[from]!;
    if (end <= from) return;
    if (first === QUOTE) {
      if (line[end - 1] !== QUOTE || end - from < 2) return;
      const text = line.subarray(from + 1, end - 1);
      if (!text.includes(BACKSLASH)) {
        return this.#set(JSON_KIND.STRING, line, from + 1, end - 1);
      }
      const decoded = unescape(text);
      if (decoded) this.#set(JSON_KIND.STRING, decoded, 0, decoded.length);
    } else if (first === OPEN_BRACE || first === OPEN_BRACKET) {
      this.#set(JSON_KIND.STRUCTURE, line, from, end);
    } else if (first === 0x2d || (first >= 0x30 && first <= 0x39)) {
      this.#set(JSON_KIND.NUMBER, line, from, end);
    } else if (first === 0x74) this.#set(JSON_KIND.TRUE, line, from, end);
    else if (first === 0x66) this.#set(JSON_KIND.FALSE, line, from, end);
  }

  #set(kind: number, bytes: Uint8Array, from: number, to: number): void {
    this.kind = kind;
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }
}

/** The start of the value of a name in the object at a position; -1 if there is none. */
function findName(line: Uint8Array, from: number, to: number, name: Uint8Array): number {
  if (from >= to || line[from] !== OPEN_BRACE) return -1;
  let at = skipSpace(line, from + 1, to);
  while (at < to && line[at] === QUOTE) {
    const end = endOfString(line, at, to);
    const isWanted = isName(line, at + 1, end - 1, name);
    at = skipSpace(line, end, to);
    if (line[at] !== COLON || at >= to) return -1;
    at = skipSpace(line, at + 1, to);
    if (isWanted) return at;
    at = skipSpace(line, endOfValue(line, at, to), to);
    if (line[at] !== COMMA || at >= to) return -1;
    at = skipSpace(line, at + 1, to);
  }
  return -1;
}

function isName(line: Uint8Array, from: number, to: number, name: Uint8Array): boolean {
  let plain = to - from === name.length;
  for (let i = 0; plain && i < name.length; i++) plain = line[from + i] === name[i];
  if (plain) return true;
  // Escapes make a name longer, so a shorter text cannot be this name.
  if (to - from <= name.length) return false;
  const text = line.subarray(from, to);
  if (!text.includes(BACKSLASH)) return false;
  const decoded = unescape(text);
  return decoded !== undefined && decoded.length === name.length &&
    decoded.every((byte, i) => byte === name[i]);
}

/** The text of a string without its escapes; `undefined` if one is malformed. */
function unescape(text: Uint8Array): Uint8Array | undefined {
  try {
    return encoder.encode(JSON.parse(`"${decoder.decode(text)}"`));
  } catch {
    return undefined;
  }
}

/** The end of the value at a position. */
function endOfValue(line: Uint8Array, from: number, to: number): number {
  if (line[from] === QUOTE) return endOfString(line, from, to);
  let depth = 0;
  for (let at = from; at < to; at++) {
    const byte = line[at]!;
    if (byte === QUOTE) at = endOfString(line, at, to) - 1;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (byte === COMMA || isSpace(byte))) return at;
  }
  return to;
}

/** The position behind the quote that ends the string at a position. */
function endOfString(line: Uint8Array, from: number, to: number): number {
  for (let at = from + 1; at < to; at++) {
    if (line[at] === BACKSLASH) at++;
    else if (line[at] === QUOTE) return at + 1;
  }
  return to;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d;
}

function skipSpace(line: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && isSpace(line[at]!)) at++;
  return at;
}
