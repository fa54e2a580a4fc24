import type { ServerResponse } from "node:http";

/** Interval of comments that keep an idle stream open: proxies cut silent connections. */
const HEARTBEAT_MS = 15_000;

/** A stream of events to a page, for `EventSource` (WHATWG HTML, "Server-sent events"). */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #ended = new AbortController();
  readonly #heartbeat: ReturnType<typeof setInterval>;

  /** @param response The reply, whose headers are sent now. */
  constructor(response: ServerResponse) {
    this.#response = response;
    this.#heartbeat = setInterval(() => response.write(":\n\n"), HEARTBEAT_MS);
    response.on("close", () => this.end());
    response.flushHeaders();
    if (response.destroyed) this.end();
  }

  /** Aborts when the page disconnects or the server stops. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Sends an event; resolves when the connection can take another.
   *
   * @param event The event's name.
   * @param data The event's payload, sent as JSON.
   */
  async send(event: string, data: unknown): Promise<void> {
    if (this.ended.aborted) return;
    const text = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    if (this.#response.write(text)) return;
    const room = Promise.withResolvers<void>();
    this.#response.once("drain", room.resolve);
    this.ended.addEventListener("abort", () => room.resolve(), { once: true });
    await room.promise;
  }

  /** Ends the stream; further calls do nothing. */
  end(): void {
    if (this.ended.aborted) return;
    this.#ended.abort();
    clearInterval(this.#heartbeat);
    this.#response.end();
  }
}
