/**
 * Text as the source of manual pages, for the macros of man(7).
 *
 * @module
 */

/** Characters that mean something else to the formatter, or become typographic ones. */
const SPECIAL: Record<string, string> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
  '"': "\\(dq",
};

/** Lines of help texts are at most this long. */
const LINE_CHARS = 98;

/** Escapes text for the body of a page. */
export function escape(text: string): string {
  const escaped = text.replaceAll(/[\\\-'`^~"]/g, (character) => SPECIAL[character]!);
  // Long lists of alternatives may be broken. A line that begins with a dot would be a macro.
  return escaped.replaceAll(/\|(?=\w)/g, "|\\:").replaceAll(/^\./gm, "\\&.");
}

/** Text in bold. */
export function bold(text: string): string {
  return `\\fB${escape(text)}\\fR`;
}

/** Text in italics: a placeholder. */
export function italic(text: string): string {
  return `\\fI${escape(text)}\\fR`;
}

/**
 * Formats paragraphs that blank lines separate. Lines are filled anew, unless they are aligned by
 * blanks; a sentence that begins on a line of its own, though the last line had room, keeps it.
 */
export function paragraphs(text: string): string {
  return text.split(/\n{2,}/).map((paragraph) => {
    const lines = paragraph.split("\n");
    if (lines.some((line) => /\S {2,}/.test(line))) {
      return [".PP", ".nf", escape(paragraph), ".fi"].join("\n");
    }
    const filled = lines.map((line, i) => {
      const before = lines[i - 1] ?? "";
      const word = line.split(" ", 1)[0]!;
      const keepsLine = i > 0 && /^[A-Z]/.test(word) &&
        before.length + 1 + word.length <= LINE_CHARS;
      return `${keepsLine ? ".br\n" : ""}${escape(line)}`;
    });
    return [".PP", ...filled].join("\n");
  }).join("\n");
}

/** What the head of a page needs. */
export interface PageHead {
  /** Its name, such as "quartet-serve". */
  name: string;
  section: 1 | 5;
  /** What it is about, in one line that begins with a small letter. */
  summary: string;
  version: string;
  /** The date in its foot. */
  date: Date;
}

/** The first lines of a page, up to its name. */
export function pageHead({ name, section, summary, version, date }: PageHead): string {
  const foot = `"${date.toISOString().slice(0, 10)}" "quartet ${version}"`;
  return [
    `.TH "${escape(name.toUpperCase())}" ${section} ${foot}`,
    // Names and commands must not be hyphenated, and without that, full lines have large gaps.
    ".nh",
    ".ad l",
    ".SH NAME",
    `${escape(name)} \\- ${escape(summary)}`,
  ].join("\n");
}
