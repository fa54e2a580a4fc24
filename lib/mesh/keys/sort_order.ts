/**
 * How lines are ordered: the options that `sort` of coreutils has, those for CSV and JSON, and their
 * parser. Nodes and threads pass an order on as its words, which each parses for itself.
 *
 * @module
 */

/** How the text of a key is read. */
export type Reading = "text" | "numeric" | "general" | "human" | "version" | "month";

/** A place in the fields of a line, both counted from 0. */
export interface FieldPlace {
  field: number;
  /** The first character; of an end, the number of characters, 0 for the whole field. */
  char: number;
  /** Whether blanks at the start of the field are passed over before characters are counted. */
  skipBlanks: boolean;
}

/** One key of an order. */
export interface SortKey {
  from: FieldPlace;
  /** The end; `undefined` for the end of the line. */
  to: FieldPlace | undefined;
  /** In an object of JSON: the names that lead to the value. The places do not count then. */
  path: readonly string[] | undefined;
  reading: Reading;
  /** Whether lower-case letters count as upper-case ones. */
  fold: boolean;
  reverse: boolean;
}

/** An order of lines. */
export interface SortOrder {
  /** The byte between fields; `undefined` for the place between a non-blank and a blank. */
  separator: number | undefined;
  /** Lines are records of CSV, whose quoted fields may contain newlines; the first is a header. */
  csv: boolean;
  keys: readonly SortKey[];
  /** Whether lines with equal keys are in reverse order, */
  reverse: boolean;
  /** or stay as they are. */
  stable: boolean;
  /** Whether only the first line of each key is wanted. Not part of the words of the order. */
  unique: boolean;
}

/** The words of an order, as on a command line; empty for lines compared as a whole. */
export type OrderWords = readonly string[];

/** The most keys of an order. */
const MAX_KEYS = 32;
/** and the most characters that its words may have together: they are part of the first line of a link. */
export const MAX_ORDER_CHARACTERS = 2000;
/** The highest number of a field or character; higher ones are taken for this. */
const MAX_PLACE = 2 ** 31 - 1;
const COMMA = 0x2c;
const QUOTE = 0x22;

/** Options that hold for a key or for all keys. */
interface Letters {
  reading: Reading;
  fold: boolean;
  reverse: boolean;
  skipBlanks: boolean;
}

const READINGS: Readonly<Record<string, Reading>> = {
  g: "general",
  h: "human",
  M: "month",
  n: "numeric",
  V: "version",
};

/**
 * Parses an order.
 *
 * @param words Such as `-t,`, `-k2,2n`, `-rs`, `--csv` and `--json-key=NAME`. The values of `-t` and
 * `-k` may also be words of their own.
 * @throws {SyntaxError} If a word is not known or malformed, or words contradict each other.
 */
export function parseSortOrder(words: OrderWords): SortOrder {
  const global = noLetters();
  let separator: number | undefined;
  let [csv, stable, unique] = [false, false, false];
  const keyTexts: string[] = [];
  const names: string[] = [];
  const rest = [...words];
  if (words.join(" ").length > MAX_ORDER_CHARACTERS) {
    throw new SyntaxError(`the order has more than ${MAX_ORDER_CHARACTERS} characters`);
  }
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--csv") csv = true;
    else if (word.startsWith("--json-key=")) names.push(word.slice("--json-key=".length));
    else if (/^-\w/.test(word)) {
      // Letters, of which the last may be t or k with its value.
      const [, letters, valued, attached] = /^-([^tk]*)([tk]?)(.*)$/s.exec(word)!;
      for (const letter of letters!) {
        if (letter === "s") stable = true;
        else if (letter === "u") unique = true;
        else setLetter(global, letter, word);
      }
      if (valued === "") continue;
      const value = attached || (rest.shift() ?? "");
      if (valued === "t") separator = parseSeparator(value);
      else keyTexts.push(value);
    } else throw new SyntaxError(`unknown option "${word.slice(0, 40)}" of an order`);
  }
  if (csv && separator === QUOTE) {
    throw new SyntaxError("a quote cannot separate the fields of CSV");
  }
  if (names.length > 0 && (csv || separator !== undefined || keyTexts.length > 0)) {
    throw new SyntaxError("a key of JSON cannot be used together with fields (-t, -k or --csv)");
  }
  if (keyTexts.length + names.length > MAX_KEYS) {
    throw new SyntaxError(`there are more than ${MAX_KEYS} keys`);
  }
  const keys = [
    ...names.map((name) => wholeLine(global, jsonPath(name))),
    ...keyTexts.map((text) => parseKey(text, global)),
  ];
  // Without keys, the letters apply to the whole line; -r alone only reverses it.
  if (keys.length === 0 && !isPlain(global)) keys.push(wholeLine(global, undefined));
  return {
    separator: separator ?? (csv ? COMMA : undefined),
    csv,
    keys,
    reverse: global.reverse,
    stable,
    unique,
  };
}

/** Whether lines are compared as a whole, byte by byte, so that they need no keys. */
export function comparesWholeLines({ keys, reverse }: SortOrder): boolean {
  return keys.length === 0 && !reverse;
}

/** The words of an order in a form that is the same for the same order. */
export function formatSortOrder({ separator, csv, keys, reverse, stable }: SortOrder): string[] {
  const words: string[] = [];
  if (csv) words.push("--csv");
  if (separator !== undefined && !(csv && separator === COMMA)) {
    words.push(`-t${separator === 0 ? "\\0" : String.fromCharCode(separator)}`);
  }
  for (const key of keys) {
    if (key.path) words.push(`--json-key=${jsonName(key.path)}`);
    else words.push(`-k${formatKey(key)}`);
  }
  const json = keys.find(({ path }) => path);
  const letters = json ? lettersOf(json).replace("r", "") : "";
  const last = `${letters}${reverse ? "r" : ""}${stable ? "s" : ""}`;
  if (last !== "") words.push(`-${last}`);
  return words;
}

function noLetters(): Letters {
  return { reading: "text", fold: false, reverse: false, skipBlanks: false };
}

/** Whether no letter but -r is set. */
function isPlain({ reading, fold, skipBlanks }: Letters): boolean {
  return reading === "text" && !fold && !skipBlanks;
}

function setLetter(letters: Letters, letter: string, word: string): void {
  const reading = READINGS[letter];
  if (letter === "b") letters.skipBlanks = true;
  else if (letter === "f") letters.fold = true;
  else if (letter === "r") letters.reverse = true;
  else if (reading !== undefined) {
    if (letters.reading !== "text" && letters.reading !== reading) {
      throw new SyntaxError(`"${word}" reads the same text in two ways: only one of g, h, M, n, V`);
    }
    letters.reading = reading;
  } else {
    throw new SyntaxError(
      `unknown letter "${letter}" in "${word}": known are b, f, g, h, M, n, r, V`,
    );
  }
}

const NAMED_SEPARATORS: ReadonlyMap<string, number> = new Map([["\\t", 0x09], ["\\0", 0x00]]);

/** Parses `-t`: one character, or "\t" or "\0". */
function parseSeparator(text: string): number {
  const byte = NAMED_SEPARATORS.get(text) ?? (text.length === 1 ? text.charCodeAt(0) : 0x80);
  if (byte >= 0x80 || byte === 0x0a) {
    throw new SyntaxError(`Cannot use "${text}" as a separator: it has to be one ASCII character`);
  }
  return byte;
}

const KEY_FORM = /^(\d+)(?:\.(\d+))?([a-zA-Z]*)(?:,(\d+)(?:\.(\d+))?([a-zA-Z]*))?$/;

function parseKey(text: string, global: Letters): SortKey {
  const match = KEY_FORM.exec(text);
  if (!match) {
    throw new SyntaxError(
      `Cannot read "${text}" as a key: expected FIELD[.CHAR][LETTERS][,FIELD[.CHAR][LETTERS]]`,
    );
  }
  const [, field, char, startLetters, endField, endChar, endLetters] = match;
  if (place(field) === 0 || place(endField) === 0) {
    throw new SyntaxError(`Cannot read "${text}" as a key: fields are numbered from 1`);
  }
  if (place(char) === 0) {
    throw new SyntaxError(`Cannot read "${text}" as a key: characters are numbered from 1`);
  }
  const letters = noLetters();
  for (const letter of `${startLetters}${endLetters ?? ""}`) setLetter(letters, letter, text);
  const inherits = isPlain(letters) && !letters.reverse;
  const { reading, fold, reverse } = inherits ? global : letters;
  const skips = (own: string | undefined) =>
    inherits ? global.skipBlanks : own?.includes("b") ?? false;
  return {
    from: {
      field: place(field)! - 1,
      char: (place(char) ?? 1) - 1,
      skipBlanks: skips(startLetters),
    },
    to: endField === undefined ? undefined : {
      field: place(endField)! - 1,
      char: place(endChar) ?? 0,
      skipBlanks: skips(endLetters),
    },
    path: undefined,
    reading,
    fold,
    reverse,
  };
}

function place(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Math.min(Number(digits), MAX_PLACE);
}

function wholeLine(global: Letters, path: string[] | undefined): SortKey {
  const { reading, fold, reverse, skipBlanks } = global;
  return { from: { field: 0, char: 0, skipBlanks }, to: undefined, path, reading, fold, reverse };
}

/** The path of a name: itself, or the parts of a JSON Pointer (RFC 6901). */
function jsonPath(name: string): string[] {
  if (name === "") throw new SyntaxError("a key of JSON needs the name of a field");
  if (!name.startsWith("/")) return [name];
  return name.slice(1).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function jsonName(path: readonly string[]): string {
  if (path.length === 1 && !path[0]!.startsWith("/") && path[0] !== "") return path[0]!;
  return path.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function lettersOf({ from, reading, fold, reverse }: SortKey): string {
  const letter = Object.keys(READINGS).find((letter) => READINGS[letter] === reading) ?? "";
  return `${from.skipBlanks ? "b" : ""}${fold ? "f" : ""}${letter}${reverse ? "r" : ""}`;
}

function formatKey(key: SortKey): string {
  const { from, to } = key;
  const start = `${from.field + 1}${from.char > 0 ? `.${from.char + 1}` : ""}${lettersOf(key)}`;
  if (!to) return start;
  return `${start},${to.field + 1}${to.char > 0 ? `.${to.char}` : ""}${to.skipBlanks ? "b" : ""}`;
}
