import { maxLineOf, type RecordFormat } from "../records/record_format.ts";

/** A line that cannot be sorted. The message does not say in which file. */
export class LineError extends Error {
  override name = "LineError";

  /** @param position The start of the line in the file. */
  static tooLong(position: number, format: RecordFormat, csv: boolean): LineError {
    const what = csv ? "record" : "line";
    const hint = csv ? "; is a quote not closed?" : "";
    return new LineError(
      `the ${what} at byte ${position} has more than ${maxLineOf(format)} bytes${hint}`,
    );
  }

  /** @param position The start of the record in the file. */
  static openQuote(position: number): LineError {
    return new LineError(`in the record at byte ${position}, a quote is not closed`);
  }
}
