import type { Connection } from "./connection.ts";
import { type LineBatch, LineFramer, type LineFramerOptions } from "./line_framer.ts";

/** Reads the lines of a connection, all that one read brings at a time. */
export class LineReader {
  readonly #connection: Pick<Connection, "read">;
  readonly #framer: LineFramer;
  #ended = false;

  constructor(connection: Pick<Connection, "read">, options: LineFramerOptions) {
    this.#connection = connection;
    this.#framer = new LineFramer(options);
  }

  /**
   * Waits for at least one line.
   *
   * @returns All lines that are complete, good until the next call; `null` at the end of the input.
   */
  read(): Promise<LineBatch | null> {
    if (this.#ended) return Promise.resolve(null);
    return this.#connection.read(this.#framer.space()).then((count) => {
      this.#ended = count === null;
      const batch = count === null ? this.#framer.end() : this.#framer.took(count);
      return batch.count > 0 ? batch : this.read();
    });
  }
}
