import { fileErrorReason } from "../file_error.ts";
import type { FileContents } from "../storage/sqlite/verify_file.ts";
import { CommandError } from "./command.ts";

/**
 * Makes sure that a file exists, because opening it as a storage would create it.
 *
 * @throws {CommandError} If it does not, or is no file.
 */
export async function expectFile(path: string): Promise<void> {
  try {
    if ((await Deno.stat(path)).isFile) return;
  } catch (error) {
    throw new CommandError(`Cannot read "${path}": ${fileErrorReason(error)}`);
  }
  throw new CommandError(`Cannot read "${path}": it is not a file`);
}

/**
 * Makes sure that nothing has the name of a file that is to be written.
 *
 * @throws {CommandError} If something has it, or that cannot be found out.
 */
export async function expectNone(path: string): Promise<void> {
  try {
    await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new CommandError(`Cannot write "${path}": ${fileErrorReason(error)}`);
  }
  throw new CommandError(`Cannot write "${path}": a file of that name is in the way`);
}

/** Says what a file contains, in a few words. */
export function describeContents({ rows, pieces, bytes }: FileContents): string {
  return `${count(pieces, "piece")} of a snapshot and ${
    count(rows, "row")
  } of the log, ${bytes} bytes`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
