import { parseRecordFormat, type RecordFormat } from "../mesh/records/record_format.ts";
import { type CommandArguments, type CommandOption, UsageError } from "./command.ts";

/** The options for the format of records. */
export const FORMAT_OPTIONS: readonly CommandOption[] = [
  { name: "record", value: "BYTES", help: "the size of a record (100)" },
  { name: "lines", help: "records are lines; the last one needs no newline" },
  {
    name: "key",
    value: "FIRST:END",
    help: "the bytes to sort by, END excluded (0:10 of 100 bytes, otherwise all)",
  },
];

/**
 * Reads the options for the format of records.
 *
 * @throws {UsageError} If one is malformed, or they contradict each other.
 */
export function readFormat(args: CommandArguments): RecordFormat {
  try {
    return parseRecordFormat({
      record: args.text("record"),
      key: args.text("key"),
      lines: args.flag("lines"),
    });
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(error.message);
    throw error;
  }
}
