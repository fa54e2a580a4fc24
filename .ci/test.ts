/**
 * Runs the tests: first in parallel, then one file at a time those named `*_alone_test.ts`, which
 * measure what other tests would disturb. The last line has the totals of all runs. Types are not
 * checked here: `deno task check` does that for the whole project at once.
 *
 *     deno task test [OPTION OF deno test]… [FILE OR FOLDER]…
 *
 * An option with a value is written as one word, such as `--filter=kv`.
 *
 * @module
 */

import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { bundle, ROOT } from "./build.ts";

/** Test files that must not run next to others. */
const ALONE = /_alone_test\.ts$/;

/**
 * Test files that take longest, since they start a program again and again. They run one after the
 * other from the beginning, beside all others: Deno would start them near the end, because it begins
 * with the deepest folders, and then everything would wait for them.
 */
const LONG = [
  "tests/e2e/kv_crash_test.ts",
  "tests/e2e/task_crash_test.ts",
  "tests/e2e/bundle_test.ts",
  "tests/e2e/kv_linearizability_test.ts",
];

/**
 * How many of the other files run at a time: two per processor, as tests wait for processes and
 * timers during a third of their time. On two processors a run takes 339 s instead of 414 s.
 */
const JOBS = Deno.env.get("DENO_JOBS") ?? String(2 * navigator.hardwareConcurrency);

/** The last lines of a run's output, enough to contain its summary. */
const TAIL_CHARS = 4096;

/**
 * What a test file imports that starts programs. Such a file has an isolate of its own, as it mostly
 * waits; the others of a folder share one, which saves 0.4 s of a processor for each of them.
 */
const STARTS_PROGRAMS =
  /\/support\/(browser|daemons?|nats_server|postgres|programs|quartet|quartet_process)\.ts"/;

/** Environment variables of a run. */
type Env = Record<string, string>;

/** How many tests passed, failed and were skipped. */
interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** The test files in a folder, or a file that was named directly. */
function* testFiles(path: string): Generator<string> {
  if (!Deno.statSync(path).isDirectory) return yield path;
  for (const { name, isDirectory } of Deno.readDirSync(path)) {
    if (isDirectory) yield* testFiles(`${path}/${name}`);
    else if (name.endsWith("_test.ts")) yield `${path}/${name}`;
  }
}

/**
 * Replaces files that can share an isolate by a module for each folder that imports them.
 *
 * @param directory Where to write the modules.
 */
function groupFiles(files: readonly string[], directory: string): string[] {
  const folders = new Map<string, string[]>();
  const apart: string[] = [];
  for (const file of files) {
    if (STARTS_PROGRAMS.test(Deno.readTextFileSync(file))) apart.push(file);
    else {
      const folder = dirname(file);
      folders.set(folder, [...folders.get(folder) ?? [], file]);
    }
  }
  const groups = [...folders].map(([folder, members]) => {
    if (members.length === 1) return members[0]!;
    const group = `${directory}/${folder.replaceAll("/", "_")}_test.ts`;
    const lines = members.map((file) => `import "${pathToFileURL(file)}";\n`);
    Deno.writeTextFileSync(group, lines.join(""));
    return group;
  });
  return [...groups, ...apart];
}

/** Runs `deno test`, passes its output on, and reads the totals in it. */
async function runTests(words: string[], files: string[], env: Env): Promise<Totals> {
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0 };
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--frozen", "--no-check", "-A", ...words, ...files],
    env,
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const decoder = new TextDecoder();
  let tail = "";
  for await (const chunk of child.stdout) {
    for (let written = 0; written < chunk.length;) {
      written += Deno.stdout.writeSync(chunk.subarray(written));
    }
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-TAIL_CHARS);
  }
  const { success } = await child.status;
  return readTotals(tail, success);
}

/** Reads a summary such as "ok | 75 passed (3 steps) | 0 failed | 2 ignored (1s)". */
function readTotals(output: string, success: boolean): Totals {
  // deno-lint-ignore no-control-regex
  const plain = output.replace(/\x1b\[[\d;]*m/g, "");
  const summary = [...plain.matchAll(/^(?:ok|FAILED) \| \d+ passed.*$/gm)].at(-1)?.[0] ?? "";
  const count = (what: string) => Number(new RegExp(`(\\d+) ${what}`).exec(summary)?.[1] ?? 0);
  const totals = { passed: count("passed"), failed: count("failed"), skipped: count("ignored") };
  // A run that breaks off or fails outside its tests must not look like one that passed.
  if ((!success || summary === "") && totals.failed === 0) totals.failed = 1;
  return totals;
}

const options = Deno.args.filter((word) => word.startsWith("-"));
const named = Deno.args.filter((word) => !word.startsWith("-"));
Deno.chdir(ROOT);
const files = (named.length > 0 ? named : ["tests"]).flatMap((path) => [...testFiles(path)]).sort();
const alone = files.filter((file) => ALONE.test(file));
const long = LONG.filter((file) => files.includes(file));
const others = files.filter((file) => !alone.includes(file) && !long.includes(file));
// In parallel mode each line of the output is written at once, also with one job.
const parallel = ["--parallel", ...options];
const directory = Deno.makeTempDirSync({ prefix: "quartet_tests_" });
const runs: Totals[] = [];
try {
  const env: Env = {};
  if (named.length === 0) {
    // For the tests that start quartet, as tests/support/quartet.ts describes.
    env.QUARTET_TEST_BUNDLE = `${directory}/quartet.js`;
    await bundle(env.QUARTET_TEST_BUNDLE, { check: false });
  }
  const groups = groupFiles(others, directory);
  runs.push(
    ...await Promise.all([
      runTests(parallel, long, { ...env, DENO_JOBS: "1" }),
      runTests(parallel, groups, { ...env, DENO_JOBS: JOBS }),
    ]),
    await runTests(options, alone, env),
  );
} finally {
  Deno.removeSync(directory, { recursive: true });
}
const sum: Totals = { passed: 0, failed: 0, skipped: 0 };
for (const totals of runs) {
  for (const key of ["passed", "failed", "skipped"] as const) sum[key] += totals[key];
}
const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : "";
Deno.stdout.writeSync(
  new TextEncoder().encode(`${sum.passed} passed, ${sum.failed} failed${skipped}\n`),
);
Deno.exitCode = sum.failed > 0 ? 1 : 0;
