/**
 * Which of its two languages a connection speaks. The first line that is not empty decides, for
 * good: an array or a word that only Redis has means Redis' protocol, everything else is the text
 * protocol. A word is enough; nobody waits for the rest of the line.
 *
 * @module
 */

import { latin1From } from "../storage/value.ts";
import { MAX_INLINE_BYTES } from "./resp/parser.ts";

/** A language, or what to do with a connection that speaks none. */
export type Language = "resp" | "text" | "unknown yet" | "hang up";

const STAR = 0x2a, CR = 0x0d, LF = 0x0a, BLANK = 0x20, TAB = 0x09;

/** Words that a browser sends which was lured here. Redis hangs up on them as well. */
const BROWSER_WORDS = ["post", "host:"];

/** The word of a login. */
const LOGIN_WORD = "auth";

/** The longest line that can be a login. */
const MAX_LOGIN_BYTES = 2048;

/** No word of either language is longer. */
const MAX_WORD_BYTES = 32;

/** What {@linkcode detectLanguage} needs to know. */
export interface LanguageWords {
  /** Whether the text protocol has a command, in lower case. */
  isText(word: string): boolean;
  /** Whether Redis has a command, in lower case. */
  isRedis(word: string): boolean;
}

/**
 * Tells the language of a connection from the bytes it has sent so far.
 *
 * @param options `login`: whether the first line may still be a login, which has no language.
 */
export function detectLanguage(
  bytes: Uint8Array,
  start: number,
  end: number,
  words: LanguageWords,
  { login = false }: { login?: boolean } = {},
): Language {
  let at = start;
  while (at < end && (bytes[at] === CR || bytes[at] === LF)) at++;
  if (at === end) return end - start > MAX_INLINE_BYTES ? "resp" : "unknown yet";
  if (bytes[at] === STAR) return "resp";
  let wordEnd = at;
  while (wordEnd < end && !endsWord(bytes[wordEnd]!)) wordEnd++;
  if (wordEnd === end) {
    // A line without an end is an error in Redis' protocol, and closes the connection.
    return end - at > MAX_INLINE_BYTES ? "resp" : "unknown yet";
  }
  if (wordEnd - at > MAX_WORD_BYTES) return "text";
  const word = String.fromCharCode(...bytes.subarray(at, wordEnd)).toLowerCase();
  if (BROWSER_WORDS.includes(word)) return "hang up";
  if (login && word === LOGIN_WORD) {
    // A line that has ended and was not a login is Redis' own, with a user's name perhaps.
    const line = bytes.subarray(at, Math.min(end, at + MAX_LOGIN_BYTES));
    return line.includes(LF) || end - at >= MAX_LOGIN_BYTES ? "resp" : "unknown yet";
  }
  return words.isRedis(word) && !words.isText(word) ? "resp" : "text";
}

/**
 * Reads a login that is a line by itself: `AUTH` and a token. In an array it is Redis' own.
 *
 * @returns The token, and how many bytes there were up to the end of its line; `undefined` if there
 * is no such line, or not all of it.
 */
export function readLogin(
  bytes: Uint8Array,
  start: number,
  end: number,
): { token: string; length: number } | undefined {
  const newline = bytes.subarray(start, Math.min(end, start + MAX_LOGIN_BYTES)).indexOf(LF);
  if (newline < 0) return undefined;
  const line = latin1From(bytes, start, start + newline);
  const match = /^auth[ \t]+(\S+)[ \t]*\r?$/i.exec(line);
  return match === null ? undefined : { token: match[1]!, length: newline + 1 };
}

function endsWord(byte: number): boolean {
  return byte === BLANK || byte === TAB || byte === CR || byte === LF;
}
