/**
 * Inline commands of the Redis protocol: a line of words, as a person would type it.
 *
 * @module
 */

const QUOTE = 0x22, APOSTROPHE = 0x27, BACKSLASH = 0x5c, X = 0x78;

/** The escapes of double quotes: the letter after the backslash, and the byte it stands for. */
const ESCAPES: Readonly<Record<number, number>> = {
  0x6e: 0x0a, // n
  0x72: 0x0d, // r
  0x74: 0x09, // t
  0x62: 0x08, // b
  0x61: 0x07, // a
};

/** Whether C's `isspace` accepts a byte. */
function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

/**
 * Splits a line into words. Double quotes support the escapes `\n`, `\r`, `\t`, `\b`, `\a` and
 * `\xHH`, and a backslash before any other character; single quotes support only `\'`. A closing
 * quote ends its word.
 *
 * @returns The words, or `undefined` if quotes are unbalanced.
 */
export function splitInline(line: Uint8Array): Uint8Array[] | undefined {
  const words: Uint8Array[] = [];
  const word = new Uint8Array(line.length);
  let at = 0;
  for (;;) {
    while (at < line.length && isBlank(line[at]!)) at++;
    // A NUL ends the line, too, as it ends a C string.
    if (at === line.length || line[at] === 0) return words;
    let length = 0;
    let quote = 0;
    for (;; at++) {
      const byte = line[at];
      if (quote !== 0) {
        if (byte === undefined || byte === 0) return undefined;
        if (byte === quote) {
          const after = line[at + 1];
          if (after !== undefined && after !== 0 && !isBlank(after)) return undefined;
          at++;
          break;
        }
        if (byte === BACKSLASH && quote === APOSTROPHE && line[at + 1] === APOSTROPHE) {
          word[length++] = APOSTROPHE;
          at++;
        } else if (byte === BACKSLASH && quote === QUOTE && at + 1 < line.length) {
          const high = hexDigit(line[at + 2]), low = hexDigit(line[at + 3]);
          const escaped = line[at + 1]!;
          if (escaped === X && high >= 0 && low >= 0) {
            word[length++] = 16 * high + low;
            at += 3;
          } else {
            word[length++] = ESCAPES[escaped] ?? escaped;
            at++;
          }
        } else {
          word[length++] = byte;
        }
      } else if (byte === undefined || byte === 0 || isBlank(byte)) {
        break;
      } else if (byte === QUOTE || byte === APOSTROPHE) {
        quote = byte;
      } else {
        word[length++] = byte;
      }
    }
    words.push(word.slice(0, length));
  }
}
