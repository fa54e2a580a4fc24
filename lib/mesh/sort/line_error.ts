import { maxLineOf, type RecordFormat } from "../records/record_format.ts";

/** A line that cannot be sorted. The message does not say in which file. */
export class LineError extends Error {
  override name = "LineError";
  readonly #position: number;
  readonly #describe: (position: number) => string;

  private constructor(position: number, describe: (position: number) => string) {
    super(describe(position));
    this.#position = position;
    this.#describe = describe;
  }

  /** @param position The start of the line in the input. */
  static tooLong(position: number, format: RecordFormat, csv: boolean): LineError {
    const what = csv ? "record" : "line";
    const hint = csv ? "; is a quote not closed?" : "";
    const most = maxLineOf(format);
    return new LineError(
      position,
      (at) => `the ${what} at byte ${at} has more than ${most} bytes${hint}`,
    );
  }

  /** @param position The start of the record in the input. */
  static openQuote(position: number): LineError {
    return new LineError(
      position,
      (at) => `in the record at byte ${at}, a quote is not closed`,
    );
  }

  /** The same error, with the place counted from another one in the input. */
  from(base: number): LineError {
    return new LineError(this.#position - base, this.#describe);
  }
}
