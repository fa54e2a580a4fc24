/**
 * Builds the files in `generated/` from the modules and the style sheet in this folder:
 * `deno task page`. A test fails while they are out of date.
 *
 * @module
 */

import chartCss from "uplot/dist/uPlot.min.css" with { type: "text" };
import chartLicense from "uplot/LICENSE" with { type: "text" };

const HERE = new URL("./", import.meta.url);

/** The generated files by name. */
export interface GeneratedFiles {
  "page.js": string;
  "page.css": string;
}

/** Builds the files without writing them. */
export async function buildPage(): Promise<GeneratedFiles> {
  const notice = `/*! Contains uPlot (https://github.com/leeoniya/uPlot):\n\n${chartLicense}*/\n`;
  const style = await Deno.readTextFile(new URL("style.css", HERE));
  return {
    "page.js": notice + await bundle(new URL("main.ts", HERE)),
    "page.css": `${notice}${chartCss.trim()}\n${style}`,
  };
}

async function bundle(module: URL): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--frozen", "--quiet", "--platform=browser", "--minify", module.href],
    stdin: "null",
    stderr: "piped",
  });
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`Cannot bundle the page:\n${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(await buildPage())) {
    await Deno.writeTextFile(new URL(`generated/${name}`, HERE), text);
  }
}
