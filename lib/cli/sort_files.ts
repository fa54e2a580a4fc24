import { dirname } from "node:path";
import { inputPaths } from "../mesh/job/input_paths.ts";
import { STANDARD_INPUT } from "../mesh/job/job_input.ts";
import { MAX_OUTPUT_PARTS } from "../mesh/job/output_folder.ts";
import { STANDARD_OUTPUT } from "../mesh/job/standard_output.ts";
import { type CommandArguments, CommandError, type CommandOption, UsageError } from "./command.ts";
import { wholeNumberOption } from "./whole_number.ts";

/** The options of `quartet sort` for what it reads and writes. */
export const SORT_FILE_OPTIONS: readonly CommandOption[] = [
  {
    name: "output",
    short: "o",
    value: "FILE",
    help: "write to FILE, which may be one of the inputs, instead of to the last argument",
  },
  {
    name: "parts",
    value: "N",
    help: "write N files of about the same size to a new folder OUTPUT",
  },
  {
    name: "spill-dir",
    value: "DIR",
    help: "where to put data that does not fit in memory, and copies (beside OUTPUT)",
  },
];

/** What a sort reads and writes. */
export interface SortFiles {
  inputs: string[];
  output: string;
  parts: number | undefined;
  spillDir: string;
}

/**
 * Reads the arguments and options for inputs and outputs.
 *
 * @throws {UsageError} If they are wrong.
 * @throws {CommandError} If an input does not exist, or an output would be lost.
 */
export async function readSortFiles(args: CommandArguments): Promise<SortFiles> {
  const words = [...args.positionals];
  const named = args.text("output");
  if (named === undefined && words.length < 2) {
    throw new UsageError(
      words.length === 0 ? "INPUT and OUTPUT are missing" : 'OUTPUT is missing ("-" for a pipe)',
    );
  }
  const output = named ?? words.pop()!;
  const parts = args.text("parts") === undefined
    ? undefined
    : wholeNumberOption(args, "parts", { min: 1, max: MAX_OUTPUT_PARTS, fallback: 1 });
  if (parts !== undefined && output === STANDARD_OUTPUT) {
    throw new UsageError("--parts needs a folder as its OUTPUT");
  }
  if (words.length === 0) words.push(STANDARD_INPUT);
  if (words.filter((word) => word === STANDARD_INPUT).length > 1) {
    throw new UsageError(`"${STANDARD_INPUT}" can be only one of the inputs`);
  }
  // "sort *.log", typed without an OUTPUT, must not replace the last of the files.
  if (named === undefined && words.length > 1 && isFile(output)) {
    throw new CommandError(
      `Cannot replace "${output}" with several inputs; if it is the output, name it with -o`,
    );
  }
  const beside = output === STANDARD_OUTPUT ? Deno.env.get("TMPDIR") || "/tmp" : dirname(output);
  try {
    return {
      inputs: await inputPaths(words, { output }),
      output,
      parts,
      spillDir: args.text("spill-dir") ?? beside,
    };
  } catch (error) {
    throw error instanceof Error ? new CommandError(error.message) : error;
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
