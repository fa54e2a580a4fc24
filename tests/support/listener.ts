import type { Connection } from "../../lib/net/connection.ts";
import { LineReader } from "../../lib/net/line_reader.ts";
import { Listener, type ListenerOptions } from "../../lib/net/listener.ts";
import { TestLog } from "./log.ts";

/** Sends every line back. */
export async function echoLines(
  connection: Connection,
  { maxLineBytes = 1000 } = {},
): Promise<void> {
  const reader = new LineReader(connection, { maxLineBytes });
  for (let batch = await reader.read(); batch !== null; batch = await reader.read()) {
    for (let i = 0; i < batch.count; i++) {
      await connection.write(new Uint8Array([...batch.line(i), 10]));
    }
  }
}

/** Options for {@linkcode startListener}, all of them optional. */
export type TestListenerOptions = Partial<Omit<ListenerOptions, "log">> & { log?: TestLog };

/** Starts a listener on a free port, with a log that keeps its lines. */
export async function startListener(
  { log = new TestLog(), ...options }: TestListenerOptions = {},
) {
  const listener = await Listener.listen({ transport: "tcp", hostname: "127.0.0.1", port: 0 }, {
    maxClients: 100,
    idleTimeoutMs: 0,
    fullReply: new TextEncoder().encode("FULL\n"),
    log: log.log,
    handle: (connection) => echoLines(connection),
    ...options,
  });
  const port = listener.address.transport === "tcp" ? listener.address.port : 0;
  return { listener, port, log, [Symbol.asyncDispose]: () => listener.close() };
}
