import assert from "node:assert/strict";
import { buildPage } from "../../../lib/admin/page/build.ts";
import { ROOT } from "../../support/quartet.ts";

Deno.test("the page's generated files are up to date (`deno task page` builds them)", async () => {
  for (const [name, text] of Object.entries(await buildPage())) {
    const file = `${ROOT}lib/admin/page/generated/${name}`;
    assert.ok(await Deno.readTextFile(file) === text, `${file} is not up to date`);
  }
});
