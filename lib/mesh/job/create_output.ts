import { dirname } from "node:path";
import { compressionOfName } from "../sort/compression.ts";
import type { Output } from "./output.ts";
import { OutputFile, type OutputOptions } from "./output_file.ts";
import { OutputFolder } from "./output_folder.ts";
import { STANDARD_OUTPUT, StandardOutput } from "./standard_output.ts";

/**
 * Claims an output: a file, a folder of numbered files if `parts` is given, or standard output.
 *
 * @throws {Error} If it cannot be created. The message names it.
 */
export async function createOutput(path: string, options: OutputOptions): Promise<Output> {
  if (path === STANDARD_OUTPUT) return new StandardOutput();
  if (options.parts !== undefined) return await OutputFolder.create(path, options);
  return await OutputFile.create(path, options);
}

/** The folder in which an output takes as much space as its entries have; `undefined` if none does. */
export function plainFolderOf(path: string): string | undefined {
  const isPlain = path !== STANDARD_OUTPUT && compressionOfName(path) === undefined;
  return isPlain ? dirname(path) : undefined;
}
