/**
 * Compiles for every platform that quartet runs on, and writes the checksums beside.
 *
 *     deno task compile:all [TARGET…]
 *
 * @module
 */

import { createHash } from "node:crypto";
import project from "../deno.json" with { type: "json" };

/** The platforms, in Deno's words. */
const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

const ROOT = new URL("../", import.meta.url);
const DIST = new URL("dist/", ROOT);

/** The words of the task `compile`, for another platform and another file. */
function compileWords(target: string, output: string): string[] {
  const [, command, ...words] = project.tasks.compile.split(" ");
  const at = words.indexOf("--output");
  return [command!, "--target", target, ...words.with(at + 1, output)];
}

function compile(target: string): string {
  const name = `quartet-${project.version}-${target}${target.includes("windows") ? ".exe" : ""}`;
  const { success } = new Deno.Command(Deno.execPath(), {
    args: compileWords(target, `dist/${name}`),
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).outputSync();
  if (!success) Deno.exit(1);
  return name;
}

const sums: string[] = [];
for (const target of Deno.args.length > 0 ? Deno.args : TARGETS) {
  const name = compile(target);
  const bytes = Deno.readFileSync(new URL(name, DIST));
  sums.push(`${createHash("sha256").update(bytes).digest("hex")}  ${name}`);
}
// In the form that `sha256sum --check` reads.
Deno.writeTextFileSync(new URL("SHA256SUMS", DIST), `${sums.join("\n")}\n`);
