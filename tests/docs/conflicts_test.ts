import assert from "node:assert/strict";
import { ROOT } from "../support/quartet.ts";

/** What git leaves in a file between two versions; the formatter of Markdown may put a `#` in front. */
const CONFLICT = /^(?:# )?(?:<{7}|>{7}) /m;

Deno.test("docs: no document has the marks of an unresolved merge", async () => {
  const marked: string[] = [];
  for (const folder of ["", "docs/"]) {
    for await (const { name } of Deno.readDir(`${ROOT}${folder}`)) {
      if (!name.endsWith(".md")) continue;
      if (CONFLICT.test(await Deno.readTextFile(`${ROOT}${folder}${name}`))) {
        marked.push(`${folder}${name}`);
      }
    }
  }
  assert.deepEqual(marked, []);
});
