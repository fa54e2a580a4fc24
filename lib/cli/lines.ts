import { LineReader, type LineSource } from "../net/line_reader.ts";
import { CommandError } from "./command.ts";
import { MAX_JOB_BYTES } from "./job_body.ts";

/**
 * Reads an input line by line; the bytes need not be UTF-8.
 *
 * @throws {CommandError} If a line is longer than any job can be.
 */
export async function* linesOf(input: LineSource): AsyncGenerator<Uint8Array> {
  const reader = new LineReader(input, { maxLineBytes: MAX_JOB_BYTES });
  for (let batch = await reader.read(); batch !== null; batch = await reader.read()) {
    for (let line = 0; line < batch.count; line++) {
      if (batch.isTooLong(line)) throw new CommandError("Cannot send a line of more than 1 GiB");
      yield batch.line(line).slice();
    }
  }
}
