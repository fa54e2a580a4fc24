import type { Connection } from "./connection.ts";
import { type LineBatch, LineFramer, type LineFramerOptions } from "./line_framer.ts";

/** The part of a connection that a {@linkcode LineReader} needs. */
export type LineSource =
  & Pick<Connection, "read">
  & Partial<Pick<Connection, "inputCut" | "requestCount">>;

/** Reads lines from a connection, as many at a time as one read brings. Each counts as a request. */
export class LineReader {
  readonly #connection: LineSource;
  readonly #framer: LineFramer;
  #unread: Uint8Array | undefined;
  #ended = false;
  /** Lines that came with the one that {@linkcode readLine} returned. */
  #kept: LineBatch | undefined;

  /**
   * @param connection Where to read from.
   * @param options The limit, which may change at any time.
   * @param unread Bytes already read from the connection, to be split into lines before any others.
   */
  constructor(connection: LineSource, options: LineFramerOptions, unread?: Uint8Array) {
    this.#connection = connection;
    this.#unread = unread;
    this.#framer = new LineFramer(options);
  }

  /**
   * Waits for at least one line. If the input is cut, a line without its end is dropped.
   *
   * @returns All complete lines, valid until the next call; `null` at the end of the input.
   */
  read(): Promise<LineBatch | null> {
    const kept = this.#kept;
    if (kept !== undefined) {
      this.#kept = undefined;
      return Promise.resolve(kept);
    }
    if (this.#ended) return Promise.resolve(null);
    return this.#fill(this.#framer.space()).then((count) => {
      this.#ended = count === null;
      if (this.#ended && this.#connection.inputCut) return null;
      const batch = count === null ? this.#framer.end() : this.#framer.took(count);
      if (this.#connection.requestCount !== undefined) {
        this.#connection.requestCount += batch.count;
      }
      return batch.count > 0 ? batch : this.read();
    });
  }

  /**
   * Waits for one line, and keeps those that came with it for the next read.
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

  #fill(space: Uint8Array): Promise<number | null> {
    const unread = this.#unread;
    if (unread === undefined) return this.#connection.read(space, this.#framer.begun);
    const count = Math.min(unread.length, space.length);
    space.set(unread.subarray(0, count));
    this.#unread = count < unread.length ? unread.subarray(count) : undefined;
    return Promise.resolve(count);
  }
}
