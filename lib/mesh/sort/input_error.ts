import { ShorterError } from "./file_reads.ts";
import { LineError } from "./line_error.ts";
import type { InputFile } from "./sort_messages.ts";

/**
 * Names the file in an error of reading an input.
 *
 * @returns Another error, or the same if it has another cause.
 */
export function inputError({ name, base }: InputFile, cause: unknown): unknown {
  if (cause instanceof LineError) {
    return new Error(`Cannot sort "${name}": ${cause.from(base).message}`, { cause });
  }
  if (cause instanceof ShorterError) {
    return new Error(`Cannot read "${name}": it has become shorter since the sort began`, {
      cause,
    });
  }
  return cause;
}
