/**
 * Feeds damaged input to every parser, and to a daemon that serves other clients meanwhile:
 *
 *     deno task fuzz [--minutes 1] [--only TARGET] [--seed N]
 *
 * Half of the time goes to the parsers, in turn, and half to the daemon. Exits with 1 if anything was
 * wrong; the message has the seed that leads to it again.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { print, printError } from "../../lib/cli/terminal.ts";
import { fullStage } from "../soak/full_stage.ts";
import { fuzz } from "./check.ts";
import type { FuzzTarget } from "./target.ts";
import { TARGETS } from "./targets/mod.ts";

const TROUBLEMAKERS = 40;
const NAME_CHARS = 24;

function say(name: string, text: string): void {
  print(`${name.padEnd(NAME_CHARS)} ${text}`);
}

/** Fuzzes targets one after the other, for so long in total. */
async function fuzzTargets(
  targets: readonly FuzzTarget[],
  { ms, seed }: { ms: number; seed: number },
): Promise<boolean> {
  let passed = true;
  for (const target of targets) {
    try {
      const tried = await fuzz(target, { ms: ms / targets.length, seed });
      say(target.name, `${tried} inputs`);
    } catch (error) {
      say(target.name, `FAILED: ${(error as Error).message}`);
      passed = false;
    }
  }
  return passed;
}

/** Lets clients send garbage to a daemon, next to others that check every reply. */
async function fuzzDaemon(ms: number): Promise<boolean> {
  await using stage = await fullStage(say, { troublemakers: TROUBLEMAKERS, reloads: false });
  await stage.warmUp();
  await stage.run(AbortSignal.timeout(ms));
  return await stage.finish();
}

const { minutes = "1", only, seed = `${Date.now() % 2 ** 31}` } = parseArgs(Deno.args, {
  string: ["minutes", "only", "seed"],
});
const chosen = TARGETS.filter(({ name }) => only === undefined || name === only);
if (!(Number(minutes) > 0) || chosen.length === 0 || !Number.isInteger(Number(seed))) {
  const names = TARGETS.map(({ name }) => `"${name}"`).join(", ");
  printError(`usage: deno task fuzz [--minutes N] [--only TARGET] [--seed N]; targets: ${names}`);
  Deno.exit(2);
}
const ms = Number(minutes) * 60_000;
say("seed", seed);
const parsersPassed = await fuzzTargets(chosen, { ms: ms / 2, seed: Number(seed) });
const daemonPassed = only !== undefined || await fuzzDaemon(ms / 2);
const passed = parsersPassed && daemonPassed;
print(passed ? "passed" : "FAILED");
Deno.exit(passed ? 0 : 1);
