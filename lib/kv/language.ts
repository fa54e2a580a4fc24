/**
 * Detects which of the two protocols a connection speaks. The first non-empty line decides, once
 * and for all: an array, or a word that only Redis has, means the Redis protocol; anything else is
 * the text protocol, also words that both have, such as GET and TTL. The first word is enough; the
 * rest of the line need not have arrived.
 *
 * @module
 */

import { latin1From } from "../storage/value.ts";
import { MAX_INLINE_BYTES } from "./resp/parser.ts";

/** The language of a connection, or what to do if it has none. */
export type Language = "resp" | "text" | "unknown yet" | "hang up";

const STAR = 0x2a, CR = 0x0d, LF = 0x0a, BLANK = 0x20, TAB = 0x09;

/**
 * The first words of HTTP requests, sent by browsers that were tricked into connecting. Redis hangs
 * up on them, too.
 */
const BROWSER_WORDS = ["post", "host:"];

/** The word that starts a login. */
const LOGIN_WORD = "auth";

/** The longest line that is considered a login. */
const MAX_LOGIN_BYTES = 2048;

/** Longer than any command name of either protocol. */
const MAX_WORD_BYTES = 32;

/** The commands of both protocols, for {@linkcode detectLanguage}. */
export interface LanguageWords {
  /** Whether the text protocol has this command, given in lower case. */
  isText(word: string): boolean;
  /** Whether the Redis protocol has this command, given in lower case. */
  isRedis(word: string): boolean;
}

/**
 * Detects the language of a connection from the bytes received so far.
 *
 * @param options `login`: whether the first line may be a login, which belongs to no language.
 */
export function detectLanguage(
  bytes: Uint8Array,
  start: number,
  end: number,
  words: LanguageWords,
  { login = false }: { login?: boolean } = {},
): Language {
  const at = skipLineEnds(bytes, start, end);
  if (at === end) return end - start > MAX_INLINE_BYTES ? "resp" : "unknown yet";
  if (bytes[at] === STAR) return "resp";
  const wordEnd = findWordEnd(bytes, at, end);
  if (wordEnd === end) {
    // In the Redis protocol, an overlong line is an error that closes the connection.
    return end - at > MAX_INLINE_BYTES ? "resp" : "unknown yet";
  }
  if (wordEnd - at > MAX_WORD_BYTES) return "text";
  const word = String.fromCharCode(...bytes.subarray(at, wordEnd)).toLowerCase();
  if (BROWSER_WORDS.includes(word)) return "hang up";
  if (login && word === LOGIN_WORD) {
    // A complete line that readLogin() did not accept is the Redis command, with a user perhaps.
    const line = bytes.subarray(at, Math.min(end, at + MAX_LOGIN_BYTES));
    return line.includes(LF) || end - at >= MAX_LOGIN_BYTES ? "resp" : "unknown yet";
  }
  return words.isRedis(word) && !words.isText(word) ? "resp" : "text";
}

/**
 * Parses a login on a line of its own: `AUTH` and a token. An AUTH sent as an array is the Redis
 * command instead.
 *
 * @returns The token, and the number of bytes up to the end of the line; `undefined` if the bytes
 * do not start with a complete login line.
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

/** The first word, by which the language was detected, for messages: shortened, in ASCII. */
export function shownFirstWord(bytes: Uint8Array): string {
  const start = skipLineEnds(bytes, 0, bytes.length);
  const end = findWordEnd(bytes, start, Math.min(bytes.length, start + MAX_WORD_BYTES));
  return latin1From(bytes, start, end).replace(/[^!-~]/g, "?");
}

function skipLineEnds(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] === CR || bytes[at] === LF)) at++;
  return at;
}

function findWordEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && !endsWord(bytes[at]!)) at++;
  return at;
}

function endsWord(byte: number): boolean {
  return byte === BLANK || byte === TAB || byte === CR || byte === LF;
}
