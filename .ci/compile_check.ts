/**
 * Checks everything about the executable that can be checked without downloading Deno's base
 * binary: the types, the module graph, that the bundle stands alone and holds the files that the
 * program ships, and that the executable embeds that bundle. The base is another program, so the
 * result does not run; tests/e2e/executable_test.ts runs the bundle instead.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { BuildError, bundle, compile, deno, ROOT } from "./build.ts";

/** The text files that the program imports and therefore carries. */
const EMBEDDED_FILES = [
  "config.toml",
  "deno.json",
  "lib/admin/page/index.html",
  "lib/admin/page/login.html",
  "lib/admin/page/generated/page.css",
  "lib/admin/page/generated/page.js",
  "lib/kv/script/lua/bit.lua",
  "lib/kv/script/lua/cjson.lua",
  "lib/kv/script/lua/prelude.lua",
];

/** Modules that browsers run; the program carries them as one generated text file. */
const PAGE = new URL("lib/admin/page/", ROOT);

/** The executable would not work. */
class CheckError extends Error {}

/** A module as `deno info --json` describes it. */
interface Module {
  specifier: string;
  mediaType?: string;
  dependencies?: { specifier: string }[];
}

async function modulesFrom(entry: string, ...options: string[]): Promise<Module[]> {
  return JSON.parse(await deno(["info", ...options, "--json", entry])).modules;
}

/** All modules in a folder. */
function* modulesIn(folder: URL): Generator<URL> {
  for (const entry of Deno.readDirSync(folder)) {
    if (entry.isDirectory) yield* modulesIn(new URL(`${entry.name}/`, folder));
    else if (entry.name.endsWith(".ts")) yield new URL(entry.name, folder);
  }
}

/** Every module of lib/ has to be reachable by static imports, or no bundle would contain it. */
async function checkGraph(): Promise<void> {
  const modules = await modulesFrom("main.ts", "--frozen");
  const reached = new Set(modules.map(({ specifier }) => specifier));
  for (const { href, pathname } of modulesIn(new URL("lib/", ROOT))) {
    if (href.startsWith(PAGE.href)) continue;
    if (!reached.has(href)) throw new CheckError(`no static import leads to ${pathname}`);
  }
}

/** The bundle may import nothing but what Deno has built in. */
async function checkStandsAlone(path: string): Promise<void> {
  const [module, ...others] = await modulesFrom(path, "--no-config", "--no-remote", "--no-npm");
  const imports = [...others, ...module?.dependencies ?? []].map(({ specifier }) => specifier);
  const foreign = imports.find((specifier) => !specifier.startsWith("node:"));
  if (foreign !== undefined) throw new CheckError(`the bundle imports ${foreign}`);
}

/** Every file of {@linkcode EMBEDDED_FILES} has to be in one of the bundle's string literals. */
function checkEmbedded(script: string): void {
  const unescaped = script.replace(
    /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|u\{([0-9a-f]+)\}|([^]))/gi,
    (_, hex2, hex4, hex, character) => {
      const code = hex2 ?? hex4 ?? hex;
      if (code !== undefined) return String.fromCodePoint(parseInt(code, 16));
      return { n: "\n", t: "\t", r: "\r" }[character as string] ?? character;
    },
  );
  for (const name of EMBEDDED_FILES) {
    const text = Deno.readTextFileSync(new URL(name, ROOT));
    if (!unescaped.includes(text)) throw new CheckError(`not in the bundle: ${name}`);
  }
}

/**
 * Bundles and compiles into a directory, and examines the results.
 *
 * @returns The size of the bundle in bytes.
 * @throws {CheckError} If anything is wrong with them.
 * @throws {BuildError} If they cannot be built.
 */
async function check(directory: string): Promise<number> {
  await checkGraph();
  const script = `${directory}/quartet.js`;
  await bundle(script);
  await checkStandsAlone(script);
  const bytes = Buffer.from(Deno.readFileSync(script));
  checkEmbedded(bytes.toString());

  const output = `${directory}/quartet`;
  // Any program passes for the base binary; the caller may name one.
  const base = Deno.env.get("DENORT_BIN") ?? Deno.execPath();
  await compile({ bundle: script, output, env: { DENORT_BIN: base } });
  const executable = Buffer.from(Deno.readFileSync(output));
  // On Linux the payload follows the base binary; elsewhere it may be anywhere.
  const from = Deno.build.os === "linux" ? Deno.statSync(base).size : 0;
  if (!executable.includes(bytes, from)) throw new CheckError("the bundle is not embedded");
  return bytes.length;
}

const encoder = new TextEncoder();
const directory = Deno.makeTempDirSync({ prefix: "quartet-compile-" });
try {
  const kb = Math.round(await check(directory) / 1000);
  const text = `compile:check: a bundle of ${kb} kB stands alone and is embedded\n`;
  Deno.stdout.writeSync(encoder.encode(text));
} catch (error) {
  if (!(error instanceof CheckError || error instanceof BuildError)) throw error;
  Deno.stderr.writeSync(encoder.encode(`compile:check: ${error.message}\n`));
  Deno.exitCode = 1;
} finally {
  Deno.removeSync(directory, { recursive: true });
}
