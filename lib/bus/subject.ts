/**
 * Subjects name streams of messages, and patterns select them. Both follow NATS
 * (https://docs.nats.io/nats-concepts/subjects): tokens separated by dots. In a pattern, the token
 * `*` stands for any one token, and `>` at the end for one or more.
 *
 * @module
 */

/** The maximum length of a subject or pattern, in UTF-16 code units. */
export const SUBJECT_MAX_LENGTH = 2048;

/** The maximum number of tokens of a subject or pattern. */
export const SUBJECT_MAX_TOKENS = 128;

const DOT = 46;
const BLANK = 32;
const DELETE = 127;
const STAR = 42;
const REST = 62;

/** Whether messages can be published on `text`: valid tokens, no wildcard. */
export function isSubject(text: string): boolean {
  return kindOf(text) === "subject";
}

/** Whether `text` can be subscribed to: a subject, or one with wildcards. */
export function isPattern(text: string): boolean {
  return kindOf(text) !== undefined;
}

/** Whether a valid pattern has wildcards. */
export function hasWildcard(pattern: string): boolean {
  return (pattern.includes("*") || pattern.includes(">")) && kindOf(pattern) === "wildcard";
}

/**
 * Whether a pattern selects every subject that another one does. A subject is a pattern, too. Both
 * must be valid.
 */
export function covers(pattern: string, other: string): boolean {
  const others = other.split(".");
  const tokens = pattern.split(".");
  for (const [i, token] of tokens.entries()) {
    const theirs = others[i];
    if (theirs === undefined) return false;
    if (token === ">") return true;
    if (token === "*" ? theirs === ">" : token !== theirs) return false;
  }
  return tokens.length === others.length;
}

/**
 * Classifies a text. As in nats-server, `*` and `>` are wildcards only as whole tokens; `a*` is an
 * ordinary token.
 */
function kindOf(text: string): "subject" | "wildcard" | undefined {
  if (text.length === 0 || text.length > SUBJECT_MAX_LENGTH) return undefined;
  let wildcard = false;
  let tokens = 1;
  let tokenStart = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT;
    if (code <= BLANK || code === DELETE) return undefined;
    if (code !== DOT) continue;
    if (i === tokenStart) return undefined;
    if (i === tokenStart + 1) {
      const only = text.charCodeAt(tokenStart);
      if (only === REST && i < text.length) return undefined;
      if (only === REST || only === STAR) wildcard = true;
    }
    if (i < text.length && ++tokens > SUBJECT_MAX_TOKENS) return undefined;
    tokenStart = i + 1;
  }
  return wildcard ? "wildcard" : "subject";
}
