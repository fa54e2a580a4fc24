/**
 * config.toml as a manual: its keys and sections with the comments that explain them. The editor
 * schema and the manual page are made from these.
 *
 * @module
 */

import { parse, TomlError } from "smol-toml";

/** A key, or the header of a section. */
export interface ManualEntry {
  /**
   * The keys that lead to it, with numbers for the tables of a list. The keys shared by all services
   * are in a section {@linkcode SHARED_SECTION}.
   */
  readonly path: readonly string[];
  /** Its line in the file, without what comments it out and without a comment behind it. */
  readonly statement: string;
  /** The value that the file shows; `undefined` for a header. */
  readonly value: unknown;
  /** Whether it is commented out: an example of a key that is unset by default. */
  readonly commented: boolean;
  /** Its explanation in one line, which it may share with the keys before it; empty if it has none. */
  readonly comment: string;
}

/** The content of config.toml. */
export interface Manual {
  /** The paragraphs before the first key, each in one line. */
  readonly introduction: readonly string[];
  /** All keys and headers in the order of the file. */
  readonly entries: readonly ManualEntry[];
}

/** The name of the section of the keys that every service has. */
export const SHARED_SECTION = "shared";

/** The beginning of the comment that takes the place of a header before the shared keys. */
export const SHARED_HEADER = "Keys shared by all services.";

/** What comments out a key or a header, as opposed to what begins a line of explanation. */
export const COMMENTED = /^# (?=\[\[?[\w.]+\]\]?$|\w+ = )/;

/** A comment for editors, such as "#:schema FILE". */
const DIRECTIVE = /^#:/;

/** The next line of a comment that stands behind a key. */
const CONTINUATION = /^# {4,}# (.*)$/;

/**
 * Parses config.toml, or a file written like it: one key per line, and each comment before the keys
 * that it explains, or behind one of them.
 */
export function parseManual(text: string): Manual {
  const introduction: string[] = [];
  const entries: ManualEntry[] = [];
  const lists = new Map<string, number>();
  let section: string[] = [];
  let comment = "";
  // Whether the next line of text continues the comment.
  let open = false;
  for (const line of text.split("\n")) {
    const continued = CONTINUATION.exec(line)?.[1];
    const commented = COMMENTED.test(line);
    const statement = line.replace(COMMENTED, "");
    const list = /^\[\[([\w.]+)\]\]$/.exec(statement)?.[1];
    const header = /^\[([\w.]+)\]$/.exec(statement)?.[1];
    if (DIRECTIVE.test(line)) continue;
    if (continued !== undefined) {
      const last = entries.pop()!;
      entries.push({ ...last, comment: `${last.comment} ${continued}` });
    } else if (list !== undefined || header !== undefined) {
      section = (list ?? header!).split(".");
      if (list !== undefined) {
        const place = lists.get(list) ?? 0;
        lists.set(list, place + 1);
        section.push(String(place));
      }
      entries.push({ path: section, statement, value: undefined, commented, comment });
      comment = "";
      open = false;
    } else if (/^\w+ = /.test(statement)) {
      if (comment.startsWith(SHARED_HEADER)) {
        section = [SHARED_SECTION];
        entries.push({ path: section, statement: "", value: undefined, commented, comment });
        comment = "";
      }
      const { key, behind, ...rest } = parseKey(statement);
      entries.push({ path: [...section, key], ...rest, commented, comment: behind || comment });
      open = false;
    } else if (line.startsWith("# ")) {
      comment = open ? `${comment} ${line.slice(2)}` : line.slice(2);
      open = true;
    } else {
      if (entries.length === 0 && comment !== "") introduction.push(comment);
      comment = "";
      open = false;
    }
  }
  return { introduction, entries };
}

/** Parses a line with a key, its value and perhaps a comment behind it. */
function parseKey(line: string) {
  for (let end = line.indexOf(" #"); end !== -1; end = line.indexOf(" #", end + 1)) {
    const statement = line.slice(0, end).trimEnd();
    const value = tryParse(statement);
    if (value !== undefined) return { ...value, statement, behind: line.slice(end + 2).trim() };
  }
  const value = tryParse(line);
  if (value === undefined) throw new SyntaxError(`Cannot read "${line}" as a key with a value`);
  return { ...value, statement: line, behind: "" };
}

function tryParse(text: string): { key: string; value: unknown } | undefined {
  try {
    // The parser's tables have no prototype.
    const [[key, value]] = Object.entries(structuredClone(parse(text))) as [[string, unknown]];
    return { key, value };
  } catch (error) {
    if (error instanceof TomlError) return undefined;
    throw error;
  }
}
