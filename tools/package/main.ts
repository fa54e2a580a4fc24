/**
 * Builds packages from executables: for Linux a .deb and an archive, for macOS an archive; and a
 * file SHA256SUMS. Equal inputs give equal packages: times come from SOURCE_DATE_EPOCH, or else from
 * the last commit.
 *
 *     deno task package [--output DIRECTORY] [EXECUTABLE…]
 *
 * DEBFULLNAME and DEBEMAIL name the maintainer, as they do for Debian's own tools.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { VERSION } from "../../lib/version.ts";
import { HEADER_BYTES, type Platform, platformOf } from "./binary.ts";
import { buildDeb } from "./deb.ts";
import { run } from "./run.ts";
import { buildTar } from "./tar.ts";

const ROOT = new URL("../../", import.meta.url);

/** Options for {@linkcode buildPackages}. */
export interface PackageOptions {
  /** The executables, one for each platform. */
  binaries: readonly string[];
  /** The directory for the packages. */
  output: string;
  /** The time of all files. */
  date: Date;
  /** Who to ask about the package, as "NAME <EMAIL>". */
  maintainer: string;
}

/**
 * Builds all packages.
 *
 * @returns The names of the files in the output directory.
 * @throws {Error} If one cannot be built; the message says why.
 */
export async function buildPackages(options: PackageOptions): Promise<string[]> {
  const { binaries, output, date, maintainer } = options;
  await Deno.mkdir(output, { recursive: true });
  const names: string[] = [];
  for (const binary of binaries) {
    const platform = await platformOfFile(binary);
    const build = { root: ROOT, binary, platform, version: VERSION, date, output };
    if (platform.system === "linux") names.push(await buildDeb(build, maintainer));
    names.push(await buildTar(build));
  }
  const sums = await Promise.all(names.map(async (name) => {
    const bytes = await Deno.readFile(`${output}/${name}`);
    return `${createHash("sha256").update(bytes).digest("hex")}  ${name}`;
  }));
  // The format that `sha256sum --check` reads.
  await Deno.writeTextFile(`${output}/SHA256SUMS`, `${sums.join("\n")}\n`);
  return [...names, "SHA256SUMS"];
}

async function platformOfFile(binary: string): Promise<Platform> {
  const header = new Uint8Array(HEADER_BYTES);
  try {
    using file = await Deno.open(binary);
    const length = await file.read(header);
    return platformOf(header.subarray(0, length ?? 0));
  } catch (error) {
    throw new Error(`Cannot package "${binary}": ${(error as Error).message}`);
  }
}

/** The time that SOURCE_DATE_EPOCH gives, or else that of the last commit. */
async function sourceDate(): Promise<Date> {
  const epoch = Deno.env.get("SOURCE_DATE_EPOCH") ??
    await run("git", ["-C", fileURLToPath(ROOT), "log", "-1", "--format=%ct"]);
  if (!/^\d{1,12}\s*$/.test(epoch)) throw new Error(`Cannot read "${epoch}" as SOURCE_DATE_EPOCH`);
  return new Date(Number(epoch) * 1000);
}

/** Reads the command line, builds, and prints what was built. */
async function main(): Promise<void> {
  const words = [...Deno.args];
  const option = words.indexOf("--output");
  const [, output = "dist/packages"] = option === -1 ? [] : words.splice(option, 2);
  const unknown = words.find((word) => word.startsWith("-"));
  if (unknown !== undefined) throw new Error(`Unknown option "${unknown}"`);
  const names = await buildPackages({
    binaries: words.length > 0 ? words : ["dist/quartet"],
    output,
    date: await sourceDate(),
    maintainer: `${Deno.env.get("DEBFULLNAME") ?? "quartet authors"} <${
      Deno.env.get("DEBEMAIL") ?? "quartet@localhost"
    }>`,
  });
  const text = names.map((name) => `${output}/${name}\n`).join("");
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    Deno.stderr.writeSync(new TextEncoder().encode(`package: ${(error as Error).message}\n`));
    Deno.exitCode = 1;
  }
}
