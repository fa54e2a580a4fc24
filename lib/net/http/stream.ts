import { Duplex } from "node:stream";
import type { Connection } from "../connection.ts";

/** The size of a read. */
const READ_BYTES = 16 * 1024;

/** The callback that `node:stream` passes to its hooks. */
type Done = (error?: Error | null) => void;

/**
 * A connection as the stream that `node:http` expects. The server could also listen itself, but Deno's
 * stops accepting for ever, without an error, once the process has run out of descriptors; and over
 * TLS it keeps reading when it should pause.
 */
export class HttpStream extends Duplex {
  readonly connection: Connection;
  /**
   * Resolves when `node:http` wants no more of this connection: with what serves it from then on, if
   * anything does. Otherwise it can be closed.
   */
  readonly done: Promise<(() => Promise<void>) | undefined>;

  readonly #done = Promise.withResolvers<(() => Promise<void>) | undefined>();
  #reading = false;
  #stopped = false;
  #finished = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param connection The connection, which the caller closes gracefully after {@linkcode done}. */
  constructor(connection: Connection) {
    super({ autoDestroy: false, emitClose: true });
    this.connection = connection;
    this.done = this.#done.promise;
  }

  /**
   * Emits "timeout" after some time, unless it is called again; 0 for never. `node:http` calls it
   * between requests.
   */
  setTimeout(ms: number): this {
    clearTimeout(this.#timer);
    if (ms > 0 && !this.destroyed) this.#timer = setTimeout(() => this.emit("timeout"), ms);
    return this;
  }

  /**
   * Stops reading, when a request has asked for another protocol.
   *
   * @returns Whether `node:http` has parsed everything that was read.
   */
  stopReading(): boolean {
    this.#stopped = true;
    return !this.#reading && this.readableLength === 0;
  }

  /** Ends the service of `node:http`; `next` serves the connection from then on. */
  handOver(next: () => Promise<void>): void {
    this.#finished = true;
    this.#done.resolve(next);
  }

  override _read(): void {
    if (this.#stopped) return;
    const bytes = new Uint8Array(READ_BYTES);
    this.#reading = true;
    this.connection.read(bytes).then((count) => {
      this.#reading = false;
      if (!this.destroyed) this.push(count === null ? null : bytes.subarray(0, count));
    });
  }

  override _write(bytes: Uint8Array, _encoding: string, done: Done): void {
    this.connection.write(bytes).then(() => done(), done);
  }

  override _final(done: Done): void {
    this.#finished = true;
    this.#done.resolve(undefined);
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    clearTimeout(this.#timer);
    if (!this.#finished) this.connection.close();
    this.#done.resolve(undefined);
    done(error);
  }
}
