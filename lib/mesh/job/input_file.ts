import type { RecordFormat } from "../records/record_format.ts";
import { MAX_INPUT_BYTES } from "../sort/splitters.ts";

/**
 * The size of an input in bytes.
 *
 * @throws {Error} If it cannot be read, is not a file, is too large, or ends within a record; the
 * message names it.
 */
export async function measureInput(path: string, format: RecordFormat): Promise<number> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot read "${path}": ${reason}`, { cause: error });
  }
  if (!info.isFile) throw new Error(`Cannot sort "${path}": it is not a file`);
  if (info.size > MAX_INPUT_BYTES) {
    throw new Error(`Cannot sort "${path}": it has more than ${MAX_INPUT_BYTES} bytes`);
  }
  const rest = format.recordBytes ? info.size % format.recordBytes : 0;
  if (rest !== 0) {
    throw new Error(
      `Cannot sort "${path}": the record at byte ${info.size - rest} is cut off, ` +
        `it has ${rest} of ${format.recordBytes} bytes`,
    );
  }
  return info.size;
}

/** Names the input in the failure of a thread that found it shorter than before. */
export function inputFailure(path: string, error: unknown): unknown {
  const isShorter = error instanceof Error && error.message.includes("has become shorter");
  return isShorter
    ? new Error(`Cannot read "${path}": it has become shorter since the sort began`, {
      cause: error,
    })
    : error;
}
