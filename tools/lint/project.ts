import { fromFileUrl, projectPath } from "./paths.ts";

/** The layout and limits that the rules check. Paths are relative to `root`, with forward slashes. */
export interface Project {
  /** Absolute path of the project's folder, with a slash at the end. */
  readonly root: string;
  /** Layerings, each checked independently. */
  readonly layerings: readonly Layering[];
  /** Places whose files must belong to a layer. */
  readonly layered: readonly string[];
  /** Interface files, which must not name an engine. */
  readonly interfaceFiles: readonly string[];
  /** Matches the name of a storage engine. */
  readonly engineName: RegExp;
  /** Places whose exports need a docstring. */
  readonly documented: readonly string[];
  /** Places whose modules must not hold state. */
  readonly stateless: readonly string[];
  /** Maximum length of a file, in lines. */
  readonly maxLines: number;
}

/**
 * Layers from the bottom up, each a list of places. A file may import from its own place and from
 * places in lower layers, but not from other places in the same layer.
 *
 * A place is a file (`lib/services.ts`), a folder with everything below it (`lib/net/`), or only
 * the files directly in a folder (`lib/*`). A file belongs to the longest place that matches it.
 */
export type Layering = readonly (readonly string[])[];

/** This project. A new folder in `lib/` needs a place here. */
export const PROJECT: Project = {
  root: fromFileUrl(new URL("../../", import.meta.url)),
  layerings: [
    [
      ["lib/*"],
      ["lib/net/"],
      ["lib/auth.ts", "lib/storage/", "lib/bus/"],
      ["lib/service.ts"],
      ["lib/config/"],
      ["lib/echo/", "lib/kv/", "lib/task/", "lib/mesh/", "lib/admin/"],
      ["lib/services.ts", "lib/daemon/"],
      ["lib/cli/"],
      ["main.ts"],
    ],
    [
      ["lib/storage/table/"],
      ["lib/storage/*"],
      ["lib/storage/memory/", "lib/storage/sqlite/", "lib/storage/postgres/"],
      ["lib/storage/database.ts"],
      ["lib/storage/backup/"],
      ["lib/storage/storage.ts"],
      ["lib/storage/open.ts"],
      ["lib/storage/pool.ts"],
    ],
    [
      ["lib/kv/changes/"],
      ["lib/kv/resp/"],
      ["lib/kv/commands/"],
      ["lib/kv/pubsub/", "lib/kv/script/"],
      ["lib/kv/session/"],
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
  stateless: [
    "lib/",
    "main.ts",
    "bench/",
    "tests/fuzz/",
    "tests/soak/",
    "tests/support/",
    "tools/",
  ],
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
