import { deadline } from "@std/async/deadline";
import { type Connection, ConnectionClosedError } from "../net/connection.ts";
import { LineReader } from "../net/line_reader.ts";
import type { ServiceConsole } from "../service.ts";
import type { EventStream } from "../net/http/event_stream.ts";
import type { HttpReply } from "../net/http/messages.ts";
import { RequestError } from "./routes.ts";

/** Consoles that can be open at a time, over all pages. */
const MAX_CONSOLES = 16;

/** Longest line that a console shows. */
const MAX_LINE_BYTES = 64 * 1024;

/** Lines shown per read; nobody reads as fast as programs write. */
const MAX_LINES_AT_ONCE = 100;

/** How long a service may take to accept a line. */
const WRITE_TIMEOUT_MS = 5000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Consoles on the page: each connects to a service as an ordinary client of its line protocol. */
export class Consoles {
  readonly #open = new Map<string, Connection>();

  /**
   * Connects to a service and forwards its lines.
   *
   * @param watch Calls its argument when the visitor is to lose the console; ends with the console.
   * @returns An event stream: `joined` with the id for {@linkcode say}, then `lines`, finally `left`.
   * @throws {RequestError} If too many consoles are open, or the service refuses the connection.
   */
  join(console: ServiceConsole, watch: (end: () => void) => Disposable): HttpReply {
    if (this.#open.size >= MAX_CONSOLES) {
      throw new RequestError(503, `Only ${MAX_CONSOLES} consoles can be open at a time.`);
    }
    const id = crypto.randomUUID();
    const { asksForToken } = console;
    const connection = connect(console);
    this.#open.set(id, connection);
    return {
      status: 200,
      type: "text/event-stream",
      body: async (events) => {
        using _watch = watch(() => connection.close());
        if (events.ended.aborted) connection.close();
        events.ended.addEventListener("abort", () => connection.close(), { once: true });
        try {
          await events.send("joined", { id, address: connection.remote, asksForToken });
          await forward(connection, events);
          await events.send("left", {});
        } finally {
          this.#open.delete(id);
          connection.close();
        }
      },
    };
  }

  /**
   * Sends a line to the service behind a console.
   *
   * @throws {RequestError} If the console is closed, `line` is not a single line, or the service does
   * not accept it in time.
   */
  async say(id: string, line: unknown): Promise<void> {
    const connection = this.#open.get(id);
    if (connection === undefined) throw new RequestError(410, "This console is closed.");
    if (typeof line !== "string" || /[\r\n]/.test(line)) {
      throw new RequestError(400, "A message must be a single line.");
    }
    try {
      await deadline(connection.write(encoder.encode(`${line}\n`)), WRITE_TIMEOUT_MS);
    } catch (error) {
      connection.close();
      if (error instanceof ConnectionClosedError) {
        throw new RequestError(410, "The service closed the connection.");
      }
      throw new RequestError(504, "The service does not accept the line.");
    }
  }
}

function connect(console: ServiceConsole): Connection {
  try {
    return console.connect();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new RequestError(502, error.message);
  }
}

async function forward(connection: Connection, events: EventStream): Promise<void> {
  const reader = new LineReader(connection, { maxLineBytes: MAX_LINE_BYTES });
  try {
    for (let batch = await reader.read(); batch !== null; batch = await reader.read()) {
      const first = Math.max(0, batch.count - MAX_LINES_AT_ONCE);
      const lines: string[] = [];
      for (let i = first; i < batch.count; i++) {
        lines.push(
          batch.isTooLong(i) ? "(line too long)" : decoder.decode(batch.line(i)),
        );
      }
      await events.send("lines", { lines, skipped: first });
    }
  } catch (error) {
    if (!(error instanceof ConnectionClosedError)) throw error;
  }
}
