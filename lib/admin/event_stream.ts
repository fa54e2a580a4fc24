import type { ServerResponse } from "node:http";

/** How often a stream without events says that it is still there; proxies cut silent ones. */
const HEARTBEAT_MS = 15_000;

/** Events to a page, as `EventSource` takes them (WHATWG HTML, "Server-sent events"). */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #ended = new AbortController();
  readonly #heartbeat: ReturnType<typeof setInterval>;
  #bytesLeft: number;

  /** @param maxBytes After about so many it ends; a page then asks for another one by itself. */
  constructor(response: ServerResponse, maxBytes: number) {
    this.#response = response;
    this.#bytesLeft = maxBytes;
    this.#heartbeat = setInterval(() => response.write(":\n\n"), HEARTBEAT_MS);
    response.on("close", () => this.end());
    response.flushHeaders();
    if (response.destroyed) this.end();
  }

  /** Aborts when the page has gone or the server stops. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Sends an event; resolves when there is room for another.
   *
   * @param event Its name.
   * @param data What it says, as JSON.
   */
  async send(event: string, data: unknown): Promise<void> {
    if (this.ended.aborted) return;
    const text = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    this.#bytesLeft -= text.length;
    if (this.#bytesLeft < 0) return this.end();
    if (this.#response.write(text)) return;
    const room = Promise.withResolvers<void>();
    this.#response.once("drain", room.resolve);
    this.ended.addEventListener("abort", () => room.resolve(), { once: true });
    await room.promise;
  }

  /** Ends it. */
  end(): void {
    if (this.ended.aborted) return;
    this.#ended.abort();
    clearInterval(this.#heartbeat);
    this.#response.end();
  }
}
