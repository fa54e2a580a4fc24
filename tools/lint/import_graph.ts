import { importedPath } from "./paths.ts";

/**
 * Imports, re-exports and dynamic imports of relative files. In formatted code all but dynamic ones
 * start a line, so examples in comments do not match.
 */
const IMPORT =
  /^(?:import|export)\b(?:[^;"]*\bfrom)? "(?<file>\.[^"]+)"|^[^*/"]*\bimport\("(?<later>\.[^"]+)"\)/gm;

/** The imports between files, read from disk on demand, each file once. */
export class ImportGraph {
  readonly #imports = new Map<string, readonly string[]>();

  /** The files (absolute paths) that file `path` imports, types included; none if it is missing. */
  importsOf(path: string): readonly string[] {
    let imports = this.#imports.get(path);
    if (!imports) {
      imports = readImports(path);
      this.#imports.set(path, imports);
    }
    return imports;
  }

  /** The shortest chain of imports from one file to another, both included, if there is one. */
  path(from: string, to: string): string[] | undefined {
    const importers = new Map<string, string | undefined>([[from, undefined]]);
    for (const file of importers.keys()) {
      if (file === to) return chain(importers, file);
      for (const next of this.importsOf(file)) {
        if (!importers.has(next)) importers.set(next, file);
      }
    }
    return undefined;
  }
}

function readImports(path: string): string[] {
  if (!path.endsWith(".ts")) return [];
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  const imports: string[] = [];
  for (const { groups } of text.matchAll(IMPORT)) {
    imports.push(importedPath(path, (groups!.file ?? groups!.later)!));
  }
  return imports;
}

function chain(importers: ReadonlyMap<string, string | undefined>, last: string): string[] {
  const files: string[] = [];
  for (let file: string | undefined = last; file !== undefined; file = importers.get(file)) {
    files.unshift(file);
  }
  return files;
}
