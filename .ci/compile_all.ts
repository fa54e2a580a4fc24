/**
 * Compiles for every platform that quartet runs on, and writes the checksums beside the results.
 *
 *     deno task compile:all [TARGET…]
 *
 * @module
 */

import { createHash } from "node:crypto";
import { VERSION } from "../lib/version.ts";
import { bundle, compile, ROOT } from "./build.ts";

/** The platforms, in Deno's words. */
const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

const DIST = new URL("dist/", ROOT);
const BUNDLE = "dist/quartet.js";

await bundle(BUNDLE);
const sums: string[] = [];
for (const target of Deno.args.length > 0 ? Deno.args : TARGETS) {
  const name = `quartet-${VERSION}-${target}${target.includes("windows") ? ".exe" : ""}`;
  await compile({ bundle: BUNDLE, output: `dist/${name}`, target });
  const bytes = Deno.readFileSync(new URL(name, DIST));
  sums.push(`${createHash("sha256").update(bytes).digest("hex")}  ${name}`);
}
// The format that `sha256sum --check` reads.
Deno.writeTextFileSync(new URL("SHA256SUMS", DIST), `${sums.join("\n")}\n`);
