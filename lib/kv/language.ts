/**
 * Which of its two languages a connection speaks. The first line that is not empty decides, for
 * good: an array or a word that only Redis has means Redis' protocol, everything else is the text
 * protocol. A word is enough; nobody waits for the rest of the line.
 *
 * @module
 */

import { MAX_INLINE_BYTES } from "./resp/parser.ts";

/** A language, or what to do with a connection that speaks none. */
export type Language = "resp" | "text" | "unknown yet" | "hang up";

const STAR = 0x2a, CR = 0x0d, LF = 0x0a, BLANK = 0x20, TAB = 0x09;

/** Words that a browser sends which was lured here. Redis hangs up on them as well. */
const BROWSER_WORDS = ["post", "host:"];

/** No word of either language is longer. */
const MAX_WORD_BYTES = 32;

/** What {@linkcode detectLanguage} needs to know. */
export interface LanguageWords {
  /** Whether the text protocol has a command, in lower case. */
  isText(word: string): boolean;
  /** Whether Redis has a command, in lower case. */
  isRedis(word: string): boolean;
}

/** Tells the language of a connection from the bytes it has sent so far. */
export function detectLanguage(
  bytes: Uint8Array,
  start: number,
  end: number,
  words: LanguageWords,
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
  return words.isRedis(word) && !words.isText(word) ? "resp" : "text";
}

function endsWord(byte: number): boolean {
  return byte === BLANK || byte === TAB || byte === CR || byte === LF;
}
