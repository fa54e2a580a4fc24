/** Thrown when nobody reads standard output any more, as in `quartet sort FILE - | head`. */
export class OutputClosedError extends Error {
  override name = "OutputClosedError";

  constructor() {
    super("Cannot write to standard output: its reader has gone");
  }
}
