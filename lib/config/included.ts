/**
 * A configuration in several files: the main one names others in `include`, and their tables are put
 * together.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { fileErrorReason } from "../file_error.ts";
import { keyLines } from "./key_lines.ts";
import { formatKeyPath, type KeyPath } from "./walk.ts";

/** Limit on the number of included files. */
export const MAX_INCLUDED = 1000;

/** What is allowed as `include`. */
const INCLUDE_FORM = 'a list of file names such as ["conf.d/*.toml"], with * in the last part only';

/** What an entry of `include` looks like: a `*` may be in its last part only. */
// deno-lint-ignore no-control-regex
export const INCLUDE_PATTERN = /^([^*\x00\r\n]*\/)?[^/\x00\r\n]+$/;

/** A parsed file. */
export interface ParsedFile {
  /** Its name, for messages. */
  file: string;
  tables: Record<string, unknown>;
  /** The lines of its keys; see {@linkcode keyLines}. */
  lines: ReadonlyMap<string, number>;
}

/** A place in one of the files. */
export interface FilePlace {
  file: string;
  line: number;
}

/** Returns the names of the files in a directory; throws if it cannot be read. */
export type ListFiles = (directory: string) => string[];

/** Parses the text of a file. */
export function parsedFile(
  file: string,
  text: string,
  parse: (file: string, text: string) => Record<string, unknown>,
): ParsedFile {
  return { file, tables: parse(file, text), lines: keyLines(text) };
}

/**
 * Lists the files that the main file includes, in order: pattern by pattern, sorted by name.
 *
 * @param include The value of `include`.
 * @param main The name of the main file. The patterns are relative to its directory.
 * @throws {Error} If it is malformed, or a directory or a file without a `*` in its name is missing.
 */
export function includedFiles(include: unknown, main: string, list: ListFiles): string[] {
  if (!isPatterns(include)) {
    throw new Error(`found ${JSON.stringify(include)}, allowed is ${INCLUDE_FORM}`);
  }
  const files = new Set<string>();
  for (const pattern of include) {
    const path = pattern.startsWith("/") ? pattern : join(dirname(main), pattern);
    const name = basename(path);
    if (!name.includes("*")) files.add(path);
    else {
      const wanted = new RegExp(`^${name.split("*").map(RegExp.escape).join(".*")}$`, "s");
      for (const found of namesIn(dirname(path), list).sort()) {
        // As in a shell, files whose names begin with a dot are left out.
        if (wanted.test(found) && !found.startsWith(".")) files.add(join(dirname(path), found));
      }
    }
  }
  if (files.size > MAX_INCLUDED) throw new Error(`more than ${MAX_INCLUDED} files match`);
  return [...files];
}

function isPatterns(include: unknown): include is string[] {
  return Array.isArray(include) &&
    include.every((pattern) => typeof pattern === "string" && INCLUDE_PATTERN.test(pattern));
}

function namesIn(directory: string, list: ListFiles): string[] {
  try {
    return list(directory);
  } catch (error) {
    throw new Error(`cannot read the directory "${directory}": ${fileErrorReason(error)}`);
  }
}

/** Puts the tables of several files together, and remembers which file each key is in. */
export class JoinedFiles {
  /** The tables of all files. */
  readonly tables: Record<string, unknown> = {};
  readonly #places = new Map<string, FilePlace>();

  /**
   * Adds a file. A list of tables, such as `[[task.schedule]]`, goes on behind those of other files.
   *
   * @returns What is defined in it and in a file before, one message each.
   */
  add({ file, tables, lines }: ParsedFile): string[] {
    const faults: string[] = [];
    const lengths = this.#join(this.tables, tables, [], { file, lines, faults });
    for (const [name, line] of lines) {
      const place = { file, line };
      const shifted = shift(name, lengths);
      if (!this.#places.has(shifted)) this.#places.set(shifted, place);
    }
    return faults;
  }

  /** The place of a key, or else of the nearest table around it. */
  placeOf(path: KeyPath): FilePlace | undefined {
    for (let length = path.length; length > 0; length--) {
      const place = this.#places.get(formatKeyPath(path.slice(0, length)));
      if (place !== undefined) return place;
    }
    return undefined;
  }

  /** Joins tables; returns how long each list was before, by its name. */
  #join(
    into: Record<string, unknown>,
    from: Record<string, unknown>,
    path: KeyPath,
    context: { file: string; lines: ReadonlyMap<string, number>; faults: string[] },
  ): Map<string, number> {
    const lengths = new Map<string, number>();
    for (const [key, value] of Object.entries(from)) {
      const at = [...path, key];
      const name = formatKeyPath(at);
      const before = into[key];
      if (!Object.hasOwn(into, key)) {
        into[key] = value;
      } else if (isTables(before) && isTables(value)) {
        lengths.set(name, before.length);
        into[key] = [...before, ...value];
      } else if (isTable(before) && isTable(value) && !this.#isTwice(name, context.lines)) {
        for (const entry of this.#join(before, value, at, context)) lengths.set(...entry);
      } else {
        const place = this.placeOf(at);
        const line = context.lines.get(name);
        const here = line === undefined ? context.file : `${context.file}:${line}`;
        const there = place === undefined ? "another file" : `${place.file}:${place.line}`;
        context.faults.push(`${here}: ${name}: already defined in ${there}`);
      }
    }
    return lengths;
  }

  /** Whether a table has a header of its own in a file before and in this one. */
  #isTwice(name: string, lines: ReadonlyMap<string, number>): boolean {
    return this.#places.has(name) && lines.has(name);
  }
}

/** Moves the numbers in a name behind those of the files before. */
function shift(name: string, lengths: ReadonlyMap<string, number>): string {
  for (const [list, length] of lengths) {
    if (!name.startsWith(`${list}.`)) continue;
    const [number, ...rest] = name.slice(list.length + 1).split(".");
    return [list, Number(number) + length, ...rest].join(".");
  }
  return name;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

function isTables(value: unknown): value is Record<string, unknown>[] {
  return Array.isArray(value) && value.length > 0 && value.every(isTable);
}
