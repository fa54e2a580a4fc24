/**
 * Checks what of the task `compile` can be checked with no connection to where Deno's base
 * binaries come from: types, the graph of modules, and that the executable would carry all of
 * them. It runs the task with another executable as the base, so the result does not run.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import project from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);

/** What the command carries beside modules. */
const EMBEDDED_FILES = [
  "config.toml",
  "deno.json",
  "lib/admin/page/index.html",
  "lib/admin/page/login.html",
  "lib/admin/page/generated/page.css",
  "lib/admin/page/generated/page.js",
];

/** The executable would not work. */
class CheckError extends Error {}

/** Runs Deno in the project, and returns what it wrote to standard output. */
function deno(args: string[], env: Record<string, string> = {}): string {
  const output = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env,
    stdin: "null",
    stderr: "inherit",
  }).outputSync();
  if (!output.success) throw new CheckError(`deno ${args.join(" ")}: exit code ${output.code}`);
  return new TextDecoder().decode(output.stdout);
}

/** The words of the task, with another file as its output. */
function compileArguments(output: string): string[] {
  const [program, ...words] = project.tasks.compile.split(" ");
  const at = words.indexOf("--output") + 1;
  if (program !== "deno" || at === 0) throw new CheckError(`Cannot read the task "compile"`);
  return words.with(at, output);
}

/** What `deno info` says of a module. */
interface Module {
  specifier: string;
  /** What it imports: `code` what is there when it runs, `type` what is only there for its types. */
  dependencies?: { code?: { specifier: string } }[];
}

/** The files of the graph that starts at main.ts: all of them, and those that are there at run time. */
function graph(): { all: Set<string>; atRunTime: Set<string> } {
  const { roots, modules } = JSON.parse(deno(["info", "--frozen", "--json", "main.ts"])) as {
    roots: string[];
    modules: Module[];
  };
  const imported = modules.flatMap(({ dependencies }) => dependencies ?? []).map(({ code }) =>
    code?.specifier
  );
  const all = new Set(
    modules.map(({ specifier }) => specifier).filter((specifier) => specifier.startsWith("file:")),
  );
  return { all, atRunTime: all.intersection(new Set([...roots, ...imported])) };
}

/** Where the modules are that browsers run; the executable has them bundled. */
const PAGE = new URL("lib/admin/page/", ROOT);

/** All modules in a folder. */
function* modulesIn(folder: URL): Generator<URL> {
  for (const entry of Deno.readDirSync(folder)) {
    if (entry.isDirectory) yield* modulesIn(new URL(`${entry.name}/`, folder));
    else if (entry.name.endsWith(".ts")) yield new URL(entry.name, folder);
  }
}

/**
 * Compiles into a directory and looks into what came of it.
 *
 * @returns How many files of the project are embedded.
 * @throws {CheckError} If anything is wrong with it.
 */
function check(directory: string): number {
  const output = `${directory}/quartet`;
  // A base binary of one's own may be set from outside.
  const base = Deno.env.get("DENORT_BIN") ?? Deno.execPath();
  deno(compileArguments(output), { DENORT_BIN: base });

  const { all, atRunTime } = graph();
  for (const { href, pathname } of modulesIn(new URL("lib/", ROOT))) {
    if (href.startsWith(PAGE.href)) continue;
    if (!all.has(href)) throw new CheckError(`no static import leads to ${pathname}`);
  }
  const executable = Buffer.from(Deno.readFileSync(output));
  // On Linux what is embedded stands behind the base binary; elsewhere it may be anywhere.
  const from = Deno.build.os === "linux" ? Deno.statSync(base).size : 0;
  const needed = atRunTime.union(new Set(EMBEDDED_FILES.map((name) => `${ROOT}${name}`)));
  for (const file of needed) {
    const bytes = Buffer.from(Deno.readFileSync(new URL(file)));
    if (!executable.includes(bytes, from)) throw new CheckError(`not embedded: ${file}`);
  }
  return needed.size;
}

const encoder = new TextEncoder();
const directory = Deno.makeTempDirSync({ prefix: "quartet-compile-" });
try {
  const count = check(directory);
  const text = `compile:check: ${count} files of the project are embedded\n`;
  Deno.stdout.writeSync(encoder.encode(text));
} catch (error) {
  if (!(error instanceof CheckError)) throw error;
  Deno.stderr.writeSync(encoder.encode(`compile:check: ${error.message}\n`));
  Deno.exitCode = 1;
} finally {
  Deno.removeSync(directory, { recursive: true });
}
