import type { ServerResponse } from "node:http";

/** How long a client may take to accept what was written. */
const STALL_MS = 30_000;

/** A reply of bytes that are made while it is sent. */
export class ByteStream {
  readonly #response: ServerResponse;
  readonly #stallMs: number;
  readonly #ended = Promise.withResolvers<never>();

  /**
   * @param response The reply, whose headers are sent.
   * @param options `stallMs`: how long the client may take. @default {30 s}
   */
  constructor(response: ServerResponse, { stallMs = STALL_MS }: { stallMs?: number } = {}) {
    this.#response = response;
    this.#stallMs = stallMs;
    // Whoever writes gets the error.
    this.#ended.promise.catch(() => {});
    response.on("close", () => this.fail("the client has disconnected"));
  }

  /**
   * Sends bytes; resolves when the connection has accepted them, and the array can be used again.
   *
   * @throws {Error} If the client disconnects or stops reading, or the server stops.
   */
  async write(bytes: Uint8Array): Promise<void> {
    const response = this.#response;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.fail(`the client has read nothing for ${this.#stallMs / 1000} s`);
      response.destroy();
    }, this.#stallMs);
    try {
      response.write(bytes, () => resolve());
      await Promise.race([promise, this.#ended.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Makes this and every later write fail. */
  fail(message: string): void {
    this.#ended.reject(new Error(message));
  }
}
