/**
 * Glob patterns for keys, as in KEYS and SCAN of Redis: `*`, `?`, `[a-z]`, `[^a]`, and a backslash before a
 * literal character.
 *
 * A star matches as little as possible. If the rest of the pattern fails, only the last star is
 * extended by one character; extending an earlier star cannot help. The running time is therefore
 * at most the length of the pattern times the length of the key, and it is limited.
 *
 * @module
 */

/** As in Redis, a pattern with more stars than this matches nothing. */
const MAX_STARS = 1000;

/**
 * A match that takes more steps than this, and two for each character of the text, counts as none.
 * So many take about 10 ms. Only a text and a pattern made for it come that far.
 */
const MAX_STEPS = 4_000_000;

/** Matches any run of characters. */
const STAR = -1;

/** Matches any one character. */
const ANY = -2;

/** A character code, one of the constants above, or a class as a flag for each character. */
type Token = number | Uint8Array;

/** A compiled pattern. */
export class Glob {
  /** The literal prefix that every match starts with. */
  readonly prefix: string;
  /** Whether it ends with a star, so that whatever begins with a match is a match. */
  readonly open: boolean;
  /** Whether it has no wildcards, so that its prefix is all that it matches. */
  readonly literal: boolean;
  readonly #tokens: Token[];
  readonly #hopeless: boolean;

  /** @param pattern The pattern, with one character per byte. */
  constructor(pattern: string) {
    this.#tokens = tokenize(pattern);
    let prefix = "";
    for (const token of this.#tokens) {
      if (typeof token !== "number" || token < 0) break;
      prefix += String.fromCharCode(token);
    }
    this.prefix = prefix;
    this.open = this.#tokens.at(-1) === STAR;
    this.literal = prefix.length === this.#tokens.length;
    this.#hopeless = this.#tokens.filter((token) => token === STAR).length > MAX_STARS;
  }

  /**
   * Whether a string with one character per byte matches.
   *
   * @param maxSteps A match that takes more steps counts as none.
   */
  matches(text: string, maxSteps: number = MAX_STEPS + 2 * text.length): boolean {
    if (this.#hopeless) return false;
    const tokens = this.#tokens;
    let at = 0, token = 0;
    let star = -1, starAt = 0;
    let stepsLeft = maxSteps;
    while (at < text.length) {
      if (--stepsLeft < 0) return false;
      const expected = tokens[token];
      if (expected === STAR) {
        star = token++;
        starAt = at;
      } else if (expected !== undefined && matchesOne(expected, text.charCodeAt(at))) {
        token++;
        at++;
      } else if (star >= 0) {
        token = star + 1;
        at = ++starAt;
      } else {
        return false;
      }
      // A star at the end of the pattern matches the rest of the text.
      if (star >= 0 && token === tokens.length && star === token - 1) return true;
    }
    while (tokens[token] === STAR) token++;
    return token === tokens.length;
  }
}

/** Spells a text as a pattern that matches nothing else. */
export function escapeGlob(text: string): string {
  return text.replace(/[\\*?[]/g, "\\$&");
}

function matchesOne(token: Token, code: number): boolean {
  if (typeof token === "number") return token === code || token === ANY;
  return token[code] === 1;
}

function tokenize(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    if (char === "*") {
      if (tokens.at(-1) !== STAR) tokens.push(STAR);
    } else if (char === "?") {
      tokens.push(ANY);
    } else if (char === "[") {
      const { flags, end } = readClass(pattern, at + 1);
      tokens.push(flags);
      at = end;
    } else {
      if (char === "\\" && at + 1 < pattern.length) at++;
      tokens.push(pattern.charCodeAt(at));
    }
  }
  return tokens;
}

/** Parses a class after its bracket. An unclosed class ends with the pattern. */
function readClass(pattern: string, start: number): { flags: Uint8Array; end: number } {
  const flags = new Uint8Array(256);
  const negated = pattern[start] === "^";
  let at = negated ? start + 1 : start;
  for (; at < pattern.length && pattern[at] !== "]"; at++) {
    if (pattern[at] === "\\" && at + 1 < pattern.length) {
      flags[pattern.charCodeAt(++at)] = 1;
    } else if (pattern[at + 1] === "-" && at + 2 < pattern.length) {
      const a = pattern.charCodeAt(at), b = pattern.charCodeAt(at + 2);
      flags.fill(1, Math.min(a, b), Math.max(a, b) + 1);
      at += 2;
    } else {
      flags[pattern.charCodeAt(at)] = 1;
    }
  }
  if (negated) { for (let code = 0; code < 256; code++) flags[code] = 1 - flags[code]!; }
  return { flags, end: at };
}
