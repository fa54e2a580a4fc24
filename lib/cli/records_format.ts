import { parseRecordFormat, type RecordFormat } from "../mesh/records/record_format.ts";
import { type CommandArguments, type CommandOption, UsageError } from "./command.ts";

/** The options that say what records look like. */
export const FORMAT_OPTIONS: readonly CommandOption[] = [
  { name: "record", value: "BYTES", help: "the size of a record (100)" },
  { name: "lines", help: "records are lines; a last one without newline is one as well" },
  {
    name: "key",
    value: "FIRST:END",
    help: "the bytes to sort by, END excluded (0:10 of 100 bytes, otherwise all)",
  },
];

/**
 * Reads them.
 *
 * @throws {UsageError} If they make no sense.
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
