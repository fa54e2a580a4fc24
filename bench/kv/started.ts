import {
  type ServerCommand,
  type ServerProcess,
  type StartOptions,
  startServer,
} from "../support/servers.ts";

/** How often a server is asked whether it has loaded its data. */
const ASK_INTERVAL_MS = 5;

/** The longest time to load data. */
const MAX_LOAD_MS = 120_000;

/** Starts kv or Redis, and waits until it has loaded its data and answers PING. */
export async function startLoaded(
  command: ServerCommand,
  options: StartOptions = {},
): Promise<ServerProcess> {
  const server = await startServer(command, options);
  try {
    await answered(server.port, "*1\r\n$4\r\nPING\r\n", "+PONG");
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Sends a request until its reply begins as wanted.
 *
 * @throws {Error} If it never does.
 */
export async function answered(port: number, request: string, wanted: string): Promise<void> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = new TextEncoder().encode(request), reply = new Uint8Array(1024);
  const endMs = performance.now() + MAX_LOAD_MS;
  while (performance.now() < endMs) {
    await conn.write(bytes);
    const count = await conn.read(reply);
    if (count === null) break;
    if (new TextDecoder().decode(reply.subarray(0, count)).startsWith(wanted)) return;
    await new Promise((resolve) => setTimeout(resolve, ASK_INTERVAL_MS));
  }
  throw new Error(`Cannot continue: the server never answered ${wanted}`);
}
