/**
 * The escapes of the text protocol. They stand for characters that would otherwise end a line, a
 * word or an item of a list:
 *
 * - everywhere `\\`, `\n` (newline), `\r` (carriage return), `\,` and `\=`;
 * - in words such as keys also `\s` (blank), `\xHH` (any byte) and, alone, `\e` (the empty word).
 *
 * @module
 */

const BACKSLASH = 0x5c, NEWLINE = 0x0a, CARRIAGE_RETURN = 0x0d, BLANK = 0x20, DELETE = 0x7f;
const COMMA = 0x2c, EQUALS = 0x3d;
const LETTER_N = 0x6e, LETTER_R = 0x72, LETTER_S = 0x73;

/** The character after the backslash in `\xHH`, the only escape longer than two characters. */
export const LETTER_X = 0x78;

/** The empty word. */
export const EMPTY_WORD = "\\e";

/** Characters that stand for themselves after a backslash. */
const LITERAL = "\\,=";

/** What is written: the value of GET, a value in a list, or a key. */
export type TextPart = "value" | "item" | "key";

/**
 * Replaces the escapes in a value.
 *
 * @returns The value, or `undefined` if an escape is invalid.
 */
export function unescapeText(text: string): string | undefined {
  return unescape(text, false);
}

/**
 * Replaces the escapes in a word, such as a key.
 *
 * @returns The word, or `undefined` if an escape is invalid.
 */
export function unescapeWord(word: string): string | undefined {
  return word === EMPTY_WORD ? "" : unescape(word, true);
}

function unescape(text: string, inWord: boolean): string | undefined {
  let at = text.indexOf("\\");
  if (at < 0) return text;
  let plain = "";
  let from = 0;
  for (; at >= 0; at = text.indexOf("\\", from)) {
    const escaped = text[at + 1];
    if (escaped === undefined) return undefined;
    plain += text.slice(from, at);
    from = at + 2;
    if (escaped === "n") plain += "\n";
    else if (escaped === "r") plain += "\r";
    else if (LITERAL.includes(escaped)) plain += escaped;
    else if (inWord && escaped === "s") plain += " ";
    else if (inWord && escaped === "x") {
      const digits = text.slice(from, from + 2);
      if (!/^[0-9a-f]{2}$/i.test(digits)) return undefined;
      plain += String.fromCharCode(parseInt(digits, 16));
      from += 2;
    } else return undefined;
  }
  return plain + text.slice(from);
}

/**
 * The character that follows the backslash in the escape of a character; 0 if it needs none. After
 * {@linkcode LETTER_X} follow two hexadecimal digits.
 */
export function escapeOf(code: number, part: TextPart): number {
  switch (code) {
    case BACKSLASH:
      return BACKSLASH;
    case NEWLINE:
      return LETTER_N;
    case CARRIAGE_RETURN:
      return LETTER_R;
    case COMMA:
    case EQUALS:
      return part === "value" ? 0 : code;
  }
  if (part !== "key") return 0;
  if (code === BLANK) return LETTER_S;
  // A tab would end the word. The other control characters would only confuse a terminal.
  return code < BLANK || code === DELETE ? LETTER_X : 0;
}
