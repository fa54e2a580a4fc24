/**
 * The events of the log: finds them in the code and keeps their table in docs/operations.md complete.
 *
 *     deno run --allow-read --allow-write tools/log_events.ts
 *
 * adds a row for each new event, whose meaning a person then fills in, corrects the levels, and
 * removes the rows of events that are gone. Format the page afterwards.
 *
 * @module
 */

import { fromFileUrl } from "./lint/paths.ts";

/** The page with the table. */
export const EVENTS_PAGE = "docs/operations.md";

/** The levels, least important first. */
const LEVELS = ["debug", "info", "warn", "error"];

/** The modules of the page that runs in browsers, where nothing reaches the log. */
const BROWSER = /^lib\/admin\/page\//;

/** A call that logs, with its message if that is a literal. */
const CALL =
  /(?:[lL]og|\))\??\.(?:(debug|info|warn|error)\(|frame\(\s*"(\w+)",)\s*(?:"((?:[^"\\]|\\.)*)")?/g;

/** One source file. */
export interface Source {
  /** Its path below the project's root. */
  readonly path: string;
  readonly text: string;
}

/** An event, and what the page says about it. */
export interface EventRow {
  readonly message: string;
  /** Its levels, such as "warn" or "debug, warn". */
  readonly levels: string;
  /** What it means and what to do about it; empty in a new row. */
  readonly meaning: string;
}

/**
 * The events that some sources log, with their levels, in alphabetical order.
 *
 * @throws {SyntaxError} If a message is not a literal, so that it cannot be found.
 */
export function eventsIn(sources: Iterable<Source>): Map<string, string> {
  const found = new Map<string, Set<string>>();
  for (const { path, text } of sources) {
    if (BROWSER.test(path)) continue;
    for (const [call, method, framed, message] of text.matchAll(CALL)) {
      if (message === undefined) {
        throw new SyntaxError(`Cannot list an event of ${path}: "${call}" needs a literal message`);
      }
      const levels = found.get(message) ?? new Set();
      found.set(message, levels.add((method ?? framed)!));
    }
  }
  const rank = (level: string) => LEVELS.indexOf(level);
  const byLevel = (levels: Set<string>) => [...levels].sort((a, b) => rank(a) - rank(b));
  return new Map(
    [...found].sort(([a], [b]) => a < b ? -1 : 1)
      .map(([message, levels]) => [message, byLevel(levels).join(", ")]),
  );
}

/** The sources of the daemon. */
export function* daemonSources(root: string, folder = "lib"): Generator<Source> {
  for (const { name, isDirectory } of Deno.readDirSync(root + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* daemonSources(root, path);
    else if (name.endsWith(".ts")) yield { path, text: Deno.readTextFileSync(root + path) };
  }
}

/** The table of the page: its first line, up to the end of its last one. */
const TABLE = /^\| event +\| level .*\n\|.*\n(?:\|.*\n)*/m;

/**
 * The rows of the table in a page.
 *
 * @throws {SyntaxError} If the page has no such table.
 */
export function rowsOf(page: string): EventRow[] {
  const [table] = TABLE.exec(page) ?? [];
  if (table === undefined) throw new SyntaxError("Cannot find the table of events in the page");
  return table.trim().split("\n").slice(2).map((line) => {
    const [message = "", levels = "", meaning = ""] = line.split("|").slice(1)
      .map((cell) => cell.trim());
    return { message: message.slice(1, -1), levels, meaning };
  });
}

/** The page with a row for each event. The meanings that it has stay. */
export function withEvents(page: string, events: ReadonlyMap<string, string>): string {
  const meanings = new Map(rowsOf(page).map(({ message, meaning }) => [message, meaning]));
  const lines = [...events].map(([message, levels]) =>
    `| \`${message}\` | ${levels} | ${meanings.get(message) ?? ""} |\n`
  );
  const head = "| event | level | meaning, and what to do |\n| --- | --- | --- |\n";
  return page.replace(TABLE, () => head + lines.join(""));
}

if (import.meta.main) {
  const root = fromFileUrl(new URL("../", import.meta.url));
  const page = root + EVENTS_PAGE;
  const events = eventsIn(daemonSources(root));
  Deno.writeTextFileSync(page, withEvents(Deno.readTextFileSync(page), events));
}
