import { BuildError, bundle, compile } from "../../.ci/build.ts";
import { executable } from "../support/quartet.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { testProgram } from "./program_suite.ts";

/** How long Deno may take to download its base binary of some 40 MB; it keeps the file afterwards. */
const DOWNLOAD_MAX_MS = 60_000;

/** An executable built elsewhere. */
const NAMED = Deno.env.get("QUARTET_TEST_EXECUTABLE");

/** Whether this machine has Deno's base binary, or can download it. */
async function canCompile(): Promise<boolean> {
  await using directory = await makeTempDirectory();
  const script = `${directory.path}/nothing.js`;
  await Deno.writeTextFile(script, "");
  const signal = AbortSignal.timeout(DOWNLOAD_MAX_MS);
  try {
    await compile({ bundle: script, output: `${directory.path}/nothing`, signal });
    return true;
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    if (signal.aborted || error.message.includes("Setting up base binary")) return false;
    throw error;
  }
}

Deno.test({
  name: "executable: does a day's work",
  ignore: NAMED === undefined && !await canCompile(),
  fn: async (t) => {
    await using directory = await makeTempDirectory();
    const file = NAMED ?? `${directory.path}/quartet`;
    if (NAMED === undefined) {
      const script = `${directory.path}/quartet.js`;
      await bundle(script);
      await compile({ bundle: script, output: file });
    }
    await testProgram(t, executable(file), { standalone: true });
  },
});
