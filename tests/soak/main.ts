/**
 * Puts daemons under load for a while, next to clients that misbehave, and checks that nothing is
 * lost:
 *
 *     deno task soak [--minutes 10] [--only STAGE]
 *
 * Each stage is a daemon with its clients: see the files of the stages. Exits with 1 if anything was
 * lost, memory has grown, descriptors leaked, or an unexpected error was logged.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { print, printError } from "../../lib/cli/terminal.ts";
import { fullStage } from "./full_stage.ts";
import { guardedStage } from "./guarded_stage.ts";
import { postgresStage } from "./postgres_stage.ts";
import { smallDiskStage } from "./small_disk_stage.ts";
import type { Say, Stage } from "./stage.ts";

const STAGES: Record<string, (say: Say) => Promise<Stage | undefined>> = {
  full: fullStage,
  guarded: guardedStage,
  postgres: postgresStage,
  disk: smallDiskStage,
};

const NAME_CHARS = 20;

function say(name: string, text: string): void {
  print(`${name.padEnd(NAME_CHARS)} ${text}`);
}

async function soak(names: readonly string[], minutes: number): Promise<boolean> {
  await using all = new AsyncDisposableStack();
  const stages: Stage[] = [];
  for (const name of names) {
    const stage = await STAGES[name]!(say);
    if (stage !== undefined) stages.push(all.use(stage));
  }
  await Promise.all(stages.map((stage) => stage.warmUp()));
  const stop = AbortSignal.timeout(minutes * 60_000);
  await Promise.all(stages.map((stage) => stage.run(stop)));
  const results = await Promise.all(stages.map((stage) => stage.finish()));
  printTable(stages);
  return results.every((passed) => passed);
}

/** Prints the median memory of each daemon in each minute. */
function printTable(stages: readonly Stage[]): void {
  print("\nMemory in MiB");
  const row = (cells: readonly unknown[]) => cells.map((cell) => `${cell}`.padStart(9)).join(" ");
  print(row(["minute", ...stages.map(({ name }) => name)]));
  const columns = stages.map(({ watch }) => watch.mibPerMinute());
  columns[0]?.forEach((_, minute) => {
    print(row([minute + 1, ...columns.map((column) => column[minute] ?? "")]));
  });
}

const { minutes = "10", only } = parseArgs(Deno.args, { string: ["minutes", "only"] });
const names = only === undefined ? Object.keys(STAGES) : [only];
if (!(Number(minutes) > 0) || names.some((name) => !Object.hasOwn(STAGES, name))) {
  printError(`usage: deno task soak [--minutes N] [--only ${Object.keys(STAGES).join("|")}]`);
  Deno.exit(2);
}
const passed = await soak(names, Number(minutes));
print(passed ? "passed" : "FAILED");
Deno.exit(passed ? 0 : 1);
