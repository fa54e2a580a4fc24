/**
 * The escapes of the text protocol. A backslash stands before what would otherwise end a line or
 * an item: `\\`, `\n` (newline), `\r` (carriage return), and in lists `\,` and `\=`.
 *
 * @module
 */

const BACKSLASH = 0x5c, NEWLINE = 0x0a, CARRIAGE_RETURN = 0x0d, COMMA = 0x2c, EQUALS = 0x3d;

/** What stands for itself behind a backslash. */
const LITERAL = "\\,=";

/**
 * Takes the escapes out of a text.
 *
 * @returns The text, or `undefined` if a backslash stands before anything else.
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

/** What a code is written as behind a backslash; 0 if it needs none. */
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
