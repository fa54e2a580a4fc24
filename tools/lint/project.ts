import { fromFileUrl, projectPath } from "./paths.ts";

/** What the lint rules know about the project. Paths are relative to `root`, with forward slashes. */
export interface Project {
  /** Absolute path of the project's folder. */
  readonly root: string;
  /** Each layering is checked by itself; see {@linkcode Layering}. */
  readonly layerings: readonly Layering[];
  /** Folders whose files must all have a place in some layering. */
  readonly layered: readonly string[];
  /** Files that describe an interface and so must not name what implements it. */
  readonly interfaceFiles: readonly string[];
  /** What counts as the name of a storage engine. */
  readonly engineName: RegExp;
  /** Places where exports need a docstring. */
  readonly documented: readonly string[];
  /** Places without state in modules. */
  readonly stateless: readonly string[];
  /** Longest file, in lines. */
  readonly maxLines: number;
}

/**
 * Layers from the bottom up. A layer is a list of places that know nothing of each other: a file may
 * import from its own place and from places in lower layers.
 *
 * A place is a file (`lib/services.ts`), a folder with all it contains (`lib/net/`), or only the files
 * that lie directly in a folder (`lib/*`). The longest place that matches a file is its own.
 */
export type Layering = readonly (readonly string[])[];

/** This project. A new folder in `lib/` needs a place here. */
export const PROJECT: Project = {
  root: fromFileUrl(new URL("../../", import.meta.url)),
  layerings: [
    [
      ["lib/*"],
      ["lib/net/"],
      ["lib/auth.ts", "lib/storage/"],
      ["lib/service.ts"],
      ["lib/config/"],
      ["lib/echo/", "lib/kv/", "lib/task/", "lib/mesh/", "lib/admin/"],
      ["lib/services.ts", "lib/daemon/"],
      ["lib/cli/"],
      ["main.ts"],
    ],
    [
      ["lib/storage/*"],
      ["lib/storage/memory/", "lib/storage/sqlite/", "lib/storage/postgres/"],
      ["lib/storage/database.ts"],
      ["lib/storage/storage.ts"],
      ["lib/storage/open.ts"],
      ["lib/storage/pool.ts"],
    ],
    [
      ["lib/mesh/records/"],
      ["lib/mesh/sort/"],
      ["lib/mesh/link/"],
      ["lib/mesh/job/"],
      ["lib/mesh/node/"],
      ["lib/mesh/*"],
    ],
  ],
  layered: ["lib/", "main.ts"],
  interfaceFiles: [
    "lib/storage/commit_log.ts",
    "lib/storage/storage.ts",
    "lib/storage/store.ts",
    "lib/task/queue.ts",
  ],
  engineName: /\b(Memory(Store|Space|Queue|Log)\w*|\w*sqlite\w*|\w*postgres\w*)\b/i,
  documented: ["lib/", "main.ts", "bench/", "tests/support/", "tools/"],
  stateless: ["lib/", "main.ts", "bench/", "tests/soak/", "tests/support/", "tools/"],
  maxLines: 400,
};

/** Whether `path` (absolute) lies in one of `places`; see {@linkcode Layering} for their form. */
export function liesIn(project: Project, path: string, places: readonly string[]): boolean {
  return placeOf(projectPath(project.root, path), places) !== undefined;
}

/** The longest of `places` that `path` (relative to the project) lies in, if any. */
export function placeOf(path: string, places: readonly string[]): string | undefined {
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  let longest: string | undefined;
  for (const place of places) {
    const matches = place.endsWith("/*")
      ? folder === place.slice(0, -1)
      : place.endsWith("/")
      ? path.startsWith(place)
      : path === place;
    if (matches && place.length > (longest?.length ?? 0)) longest = place;
  }
  return longest;
}
