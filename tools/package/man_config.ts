import { type ManualEntry, parseManual, SHARED_SECTION } from "../../lib/config/manual.ts";
import type { Edition } from "./man_commands.ts";
import { bold, escape, italic, pageHead, paragraphs } from "./roff.ts";

/**
 * The page quartet.toml(5).
 *
 * @param template The text of config.toml.
 */
export function configPage(template: string, edition: Edition): string {
  const { introduction, entries } = parseManual(template);
  const lines = [
    pageHead({ name: "quartet.toml", section: 5, summary: "configuration of quartet", ...edition }),
    ".SH SYNOPSIS",
    italic("/etc/quartet/config.toml"),
    ".SH DESCRIPTION",
    ...introduction.map(paragraphs),
    ".SH KEYS AND SECTIONS",
  ];
  for (const group of groups(entries)) {
    const [first, ...others] = group as [ManualEntry, ...ManualEntry[]];
    if (first.value === undefined) {
      lines.push(`.SS "${escape(title(first))}"`);
      if (first.comment !== "") lines.push(paragraphs(first.comment));
      continue;
    }
    lines.push(".TP", keyLine(first));
    for (const other of others) lines.push(".TQ", keyLine(other));
    const text = isUnset(first) ? `${first.comment} Unset by default.` : first.comment;
    if (first.comment !== "") lines.push(escape(text));
  }
  lines.push(".SH SEE ALSO", `${bold("quartet")}(1), ${bold("quartet-check")}(1)`);
  return `${lines.join("\n")}\n`;
}

/** A key with its value, which may be broken after a colon. */
function keyLine({ statement }: ManualEntry): string {
  return bold(statement).replaceAll(":", ":\\:");
}

/** Puts keys together that share an explanation. */
function groups(entries: readonly ManualEntry[]): ManualEntry[][] {
  const found: ManualEntry[][] = [];
  for (const entry of entries) {
    const last = found.at(-1)?.[0];
    const shares = last !== undefined && last.value !== undefined && entry.value !== undefined &&
      last.comment === entry.comment && isUnset(last) === isUnset(entry);
    if (shares) found.at(-1)!.push(entry);
    else found.push([entry]);
  }
  return found;
}

function title({ path, statement, commented }: ManualEntry): string {
  if (path[0] === SHARED_SECTION) return "Keys of all services";
  return commented ? `${statement}, an example` : statement;
}

/** Whether a key is an example in a section that has defaults. */
function isUnset({ path, commented }: ManualEntry): boolean {
  return commented && path.length <= 2 && path[0] !== SHARED_SECTION;
}
