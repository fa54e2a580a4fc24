import { fuzz } from "./check.ts";
import { TARGETS } from "./targets/mod.ts";

/** Few runs: `deno task fuzz` does more. The same inputs each time, so that no run surprises. */
const RUNS = 60;
const SEED = 1;

Deno.test("damaged input has documented results, and the same wherever it is cut", async (t) => {
  for (const target of TARGETS) {
    await t.step(target.name, async () => {
      await fuzz(target, { runs: RUNS, seed: SEED });
    });
  }
});
