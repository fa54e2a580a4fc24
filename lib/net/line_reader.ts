import type { Connection } from "./connection.ts";
import { type LineBatch, LineFramer, type LineFramerOptions } from "./line_framer.ts";

/** Reads the lines of a connection, all that one read brings at a time. */
export class LineReader {
  readonly #connection: Pick<Connection, "read">;
  readonly #framer: LineFramer;
  #ended = false;
  /** What a read has brought beyond the one line that was asked for. */
  #kept: LineBatch | undefined;

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
    const kept = this.#kept;
    if (kept !== undefined) {
      this.#kept = undefined;
      return Promise.resolve(kept);
    }
    if (this.#ended) return Promise.resolve(null);
    return this.#connection.read(this.#framer.space()).then((count) => {
      this.#ended = count === null;
      const batch = count === null ? this.#framer.end() : this.#framer.took(count);
      return batch.count > 0 ? batch : this.read();
    });
  }

  /**
   * Waits for one line, and leaves those that came with it to the next read.
   *
   * @returns A copy of the line; `undefined` if it was too long; `null` at the end of the input.
   */
  async readLine(): Promise<Uint8Array | undefined | null> {
    const batch = await this.read();
    if (batch === null) return null;
    const line = batch.isTooLong(0) ? undefined : batch.line(0).slice();
    batch.shift();
    if (batch.count > 0) this.#kept = batch;
    return line;
  }
}
