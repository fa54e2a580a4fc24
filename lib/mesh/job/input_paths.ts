/**
 * The files that the words for an input stand for.
 *
 * @module
 */

import { basename, dirname, join, resolve } from "node:path";
import { compareKeys } from "../records/record_format.ts";
import { MAX_INPUT_FILES, STANDARD_INPUT } from "./job_input.ts";

const MATCHES_NOTHING = /(?!)/;

/** Options for {@linkcode inputPaths}. */
export interface InputPathsOptions {
  /** The path of the output. */
  output: string;
  /** Whether streams and links are allowed. @default {true} */
  anything?: boolean;
}

/**
 * The paths of all files that words stand for, in order:
 *
 * - A folder stands for the files in it, sorted by their names. Folders in it and files whose names
 *   begin with a dot are left out.
 * - A word with `*`, `?` or `[…]` that is not the path of a file stands for what it matches, sorted.
 *   As in a shell, these do not match a slash, nor a dot at the beginning of a name.
 * - Any other word is the path of a file.
 *
 * @throws {Error} If a folder has no files, a pattern matches none, or one includes the output, which
 * would be an input of the next sort. The message names it.
 */
export async function inputPaths(
  words: readonly string[],
  { output, anything = true }: InputPathsOptions,
): Promise<string[]> {
  const paths: string[] = [];
  for (const word of words) {
    const found = await pathsOf(word, anything);
    if (found[0] !== word) await assertExcludes(word, found, output);
    if (paths.length + found.length > MAX_INPUT_FILES) {
      throw new Error(`Cannot sort "${word}": there are more than ${MAX_INPUT_FILES} files`);
    }
    for (const path of found) paths.push(path);
  }
  return paths;
}

async function pathsOf(word: string, anything: boolean): Promise<string[]> {
  if (anything && word === STANDARD_INPUT) return [word];
  const stat = anything ? Deno.stat : Deno.lstat;
  const info = await stat(word).catch((error) => {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (isAbsent) return undefined;
    throw cannotRead(word, error);
  });
  if (info?.isDirectory) return await filesIn(word, stat);
  if (info !== undefined) {
    if (anything || info.isFile) return [word];
    throw new Error(`Cannot sort "${word}": it is not a file`);
  }
  // The message that it does not exist comes from those who open it.
  if (!/[*?[]/.test(word) || word.endsWith("/")) return [word];
  const found: string[] = [];
  for (const path of await matches(word, stat)) {
    const info = await stat(path).catch(() => undefined);
    if (info && !info.isDirectory && (anything || info.isFile)) found.push(path);
  }
  if (found.length === 0) throw new Error(`Cannot sort "${word}": no file matches it`);
  return found;
}

async function filesIn(folder: string, stat: typeof Deno.stat): Promise<string[]> {
  const files: string[] = [];
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    if (
      (await stat(path).catch((error) => {
        throw cannotRead(path, error);
      })).isFile
    ) files.push(path);
  }
  if (files.length === 0) throw new Error(`Cannot sort "${folder}": there are no files in it`);
  return files;
}

/** Visible names in a folder, in the order of their bytes. */
async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      if (!name.startsWith(".")) names.push(name);
    }
  } catch (error) {
    throw cannotRead(folder, error);
  }
  return names.sort(byBytes);
}

/** The paths that a pattern matches. */
async function matches(pattern: string, stat: typeof Deno.stat): Promise<string[]> {
  const [folder, name] = [dirname(pattern), basename(pattern)];
  const folders = /[*?[]/.test(folder) ? await matches(folder, stat) : [folder];
  const paths: string[] = [];
  for (const folder of folders) {
    if (!(await stat(folder).catch(() => undefined))?.isDirectory) continue;
    const expression = patternOf(name);
    for (const found of await namesIn(folder)) {
      if (expression.test(found)) paths.push(pattern.includes("/") ? join(folder, found) : found);
    }
  }
  return paths;
}

/** @throws {Error} If the output is among the files that a word stands for, or would be. */
async function assertExcludes(word: string, found: string[], output: string): Promise<void> {
  const real = async (path: string) => await Deno.realPath(path).catch(() => resolve(path));
  const folder = await real(dirname(output));
  const path = join(folder, basename(output));
  const isInside = await real(word) === folder;
  if (!isInside && !(await Promise.all(found.map(real))).includes(path)) return;
  throw new Error(`Cannot sort "${word}": the output "${output}" would be one of its files`);
}

/** The regular expression for one name of a pattern, as in fnmatch(3). */
function patternOf(name: string): RegExp {
  const source = name.replace(
    /\*|\?|\[(!|\^)?(\]?[^\]]*)\]|[\\^$.|?*+()[\]{}]/g,
    (part, not: string | undefined, set: string | undefined) => {
      if (part === "*") return ".*";
      if (part === "?") return ".";
      if (set === undefined) return `\\${part}`;
      return `[${not ? "^" : ""}${set.replace(/[\\\]^[]/g, "\\$&")}]`;
    },
  );
  try {
    return new RegExp(`^${source}$`, "su");
  } catch {
    // Such as a range that ends before it begins.
    return MATCHES_NOTHING;
  }
}

function byBytes(a: string, b: string): number {
  const encoder = new TextEncoder();
  return compareKeys(encoder.encode(a), encoder.encode(b));
}

function cannotRead(path: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Error(`Cannot read "${path}": ${reason}`, { cause });
}
