import assert from "node:assert/strict";
import { ROOT } from "../support/quartet.ts";

/** Folders with more files than this need a reading order. */
const UNORDERED_MAX_FILES = 6;

/** The modules of each folder below `lib/`, by the folder's path. */
function modulesByFolder(folder = "lib"): Map<string, string[]> {
  const folders = new Map<string, string[]>();
  const names: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(ROOT + folder)) {
    if (isDirectory) {
      for (const [path, modules] of modulesByFolder(`${folder}/${name}`)) {
        folders.set(path, modules);
      }
    } else if (name.endsWith(".ts")) names.push(name.replace(/\.ts$/, ""));
  }
  return folders.set(folder, names.sort());
}

Deno.test("docs/architecture.md: the reading orders name every file of every large folder", async () => {
  const page = await Deno.readTextFile(`${ROOT}docs/architecture.md`);
  const orders = new Map<string, string[]>();
  for (const [, folder, order] of page.matchAll(/^\*\*(lib[\w/]*):\*\* ([\s\S]*?)\n\n/gm)) {
    orders.set(folder!, [...order!.matchAll(/`(\w+)`/g)].map((match) => match[1]!).sort());
  }
  const large = [...modulesByFolder()].filter(([, names]) => names.length > UNORDERED_MAX_FILES);
  assert.ok(large.length >= 10, `${large.length} large folders`);
  for (const [folder, names] of large) {
    assert.deepEqual(orders.get(folder), names, `The reading order of ${folder} is out of date`);
  }
});
