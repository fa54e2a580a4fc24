import { LineReader, type LineSource } from "../net/line_reader.ts";
import { CommandError } from "./command.ts";

/** No job can be longer, whatever the server takes. */
const MAX_LINE_BYTES = 1024 * 1024 * 1024;

/**
 * The lines of an input, whatever their bytes.
 *
 * @throws {CommandError} If one is longer than any job.
 */
export async function* linesOf(input: LineSource): AsyncGenerator<Uint8Array> {
  const reader = new LineReader(input, { maxLineBytes: MAX_LINE_BYTES });
  for (let batch = await reader.read(); batch !== null; batch = await reader.read()) {
    for (let line = 0; line < batch.count; line++) {
      if (batch.isTooLong(line)) throw new CommandError("Cannot take a line longer than any job");
      yield batch.line(line).slice();
    }
  }
}
