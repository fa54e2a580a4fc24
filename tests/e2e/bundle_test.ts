import { bundle } from "../../.ci/build.ts";
import { BUNDLE, bundled, PERMISSIONS } from "../support/quartet.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { testProgram } from "./program_suite.ts";

Deno.test("bundle: one minified file does a day's work", async (t) => {
  await using directory = await makeTempDirectory();
  const file = BUNDLE ?? `${directory.path}/quartet.js`;
  if (BUNDLE === undefined) await bundle(file);
  await testProgram(t, bundled(file, [...PERMISSIONS, "--allow-run"]), { standalone: false });
});
