import { parseSize } from "../config/values.ts";
import {
  MAX_LINE_BYTES,
  MAX_TOP,
  parseRecordFormat,
  type RecordFormat,
} from "../mesh/records/record_format.ts";
import { DEFAULT_MAX_LINE } from "../mesh/defaults.ts";
import { type CommandArguments, type CommandOption, UsageError } from "./command.ts";

/**
 * The options of `sort` that are letters. They apply to all keys that have no letters of their own.
 */
const LETTERS = {
  "ignore-leading-blanks": { short: "b", help: "pass over blanks at the start of keys" },
  "ignore-case": { short: "f", help: "compare lower-case letters as upper-case ones" },
  "general-numeric-sort": { short: "g", help: "compare numbers such as 1.5e3" },
  "human-numeric-sort": { short: "h", help: "compare numbers with units such as 2K and 1G" },
  "month-sort": { short: "M", help: "compare the names of months" },
  "numeric-sort": { short: "n", help: "compare numbers of any length" },
  "reverse": { short: "r", help: "reverse the order" },
  "stable": { short: "s", help: "keep the order of lines whose keys are equal" },
  "version-sort": { short: "V", help: "compare version numbers and numbered names" },
} as const;

/** The options for the format and the order of records. */
export const FORMAT_OPTIONS: readonly CommandOption[] = [
  { name: "record", value: "BYTES", help: "the size of a record (100)" },
  { name: "lines", help: "records are lines; the last one needs no newline" },
  {
    name: "key",
    short: "k",
    value: "KEY",
    repeatable: true,
    help: "FIRST:END, bytes without END (0:10 of 100 bytes, otherwise all), or as in sort",
  },
  {
    name: "field-separator",
    short: "t",
    value: "SEP",
    help: "one character, or \\t (between a non-blank and a blank)",
  },
  ...Object.entries(LETTERS).map(([name, option]) => ({ name, ...option })),
  { name: "csv", help: "lines are records of CSV below a header" },
  {
    name: "json-key",
    value: "FIELD",
    repeatable: true,
    help: "lines are objects of JSON, sorted by this field",
  },
  {
    name: "max-line",
    value: "SIZE",
    help: `the longest line (${DEFAULT_MAX_LINE}); at most an eighth of the memory`,
  },
];

/** The options for what becomes of sorted records. */
export const OPERATION_OPTIONS: readonly CommandOption[] = [
  { name: "unique", short: "u", help: "keep only the first of the records with equal keys" },
  { name: "count", help: "the same, each with their number in front, as uniq -c" },
  {
    name: "top",
    value: "N",
    help: `keep only the first N (up to ${MAX_TOP}); with --count, the N most frequent`,
  },
];

/**
 * Reads {@linkcode FORMAT_OPTIONS} and {@linkcode OPERATION_OPTIONS}.
 *
 * @throws {UsageError} If one is malformed, or they contradict each other.
 */
export function readFormatAndOperation(args: CommandArguments): RecordFormat {
  const top = args.text("top");
  return readFormat(args, {
    words: args.flag("unique") ? ["-u"] : [],
    count: args.flag("count"),
    ...(top === undefined ? {} : { top }),
  });
}

/**
 * Reads the options for the format and the order of records.
 *
 * @param operation What becomes of the records: words of an order, and parts of a format.
 * @throws {UsageError} If one is malformed, or they contradict each other.
 */
export function readFormat(
  args: CommandArguments,
  { words: operationWords, ...operation }: {
    words: string[];
    count?: boolean;
    top?: string;
  } = { words: [] },
): RecordFormat {
  const keys = args.texts("key");
  const byteKeys = keys.filter((key) => key.includes(":"));
  if (byteKeys.length > 1) {
    throw new UsageError("there can be only one --key of the form FIRST:END");
  }
  const separator = args.text("field-separator");
  const letters = Object.entries(LETTERS).filter(([name]) => args.flag(name));
  const words = [
    ...(args.flag("csv") ? ["--csv"] : []),
    ...(separator === undefined ? [] : [`-t${separator}`]),
    ...letters.map(([_, { short }]) => `-${short}`),
    ...keys.filter((key) => !key.includes(":")).map((key) => `-k${key}`),
    ...args.texts("json-key").map((name) => `--json-key=${name}`),
    ...operationWords,
  ];
  const maxLine = args.text("max-line");
  try {
    const format = parseRecordFormat({
      record: args.text("record"),
      key: byteKeys[0],
      lines: args.flag("lines"),
      maxLineBytes: maxLine === undefined ? undefined : readMaxLine(maxLine),
      order: words,
      ...operation,
    });
    if (maxLine !== undefined && format.recordBytes > 0) {
      throw new UsageError("--max-line is for lines, not for records of a fixed size");
    }
    return format;
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(error.message);
    throw error;
  }
}

function readMaxLine(text: string): number {
  const bytes = parseSize(text) ?? 0;
  if (bytes < 1 || bytes > MAX_LINE_BYTES) {
    throw new UsageError(`--max-line "${text}" is not a size up to 512MiB`);
  }
  return bytes;
}
