/**
 * The escapes of the text protocol: `\\`, `\n` (newline) and `\r` (carriage return), and in lists
 * also `\,` and `\=`. They stand for characters that would otherwise end a line or an item.
 *
 * @module
 */

const BACKSLASH = 0x5c, NEWLINE = 0x0a, CARRIAGE_RETURN = 0x0d, COMMA = 0x2c, EQUALS = 0x3d;

/** Characters that stand for themselves after a backslash. */
const LITERAL = "\\,=";

/**
 * Replaces the escapes in a text.
 *
 * @returns The text, or `undefined` if an escape is invalid.
 */
export function unescapeText(text: string): string | undefined {
  let at = text.indexOf("\\");
  if (at < 0) return text;
  let plain = "";
  let from = 0;
  for (; at >= 0; at = text.indexOf("\\", from)) {
    const escaped = text[at + 1];
    if (escaped === undefined) return undefined;
    plain += text.slice(from, at);
    if (escaped === "n") plain += "\n";
    else if (escaped === "r") plain += "\r";
    else if (LITERAL.includes(escaped)) plain += escaped;
    else return undefined;
    from = at + 2;
  }
  return plain + text.slice(from);
}

/** The character that follows the backslash in the escape of a character; 0 if it needs none. */
export function escapeOf(code: number, inList: boolean): number {
  switch (code) {
    case BACKSLASH:
      return BACKSLASH;
    case NEWLINE:
      return 0x6e; // n
    case CARRIAGE_RETURN:
      return 0x72; // r
    case COMMA:
    case EQUALS:
      return inList ? code : 0;
    default:
      return 0;
  }
}
