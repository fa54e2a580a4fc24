import { TestClient } from "./client.ts";
import { freePort } from "./ports.ts";
import { isInstalled } from "./programs.ts";
import { signal } from "./signal.ts";
import { makeTempDirectory } from "./temp_directory.ts";
import { until } from "./within.ts";

/** How often to try another port when another process has taken the first. */
const PORT_TRIES = 5;

/** Whether nats-server can be started here. */
export function hasNatsServer(): Promise<boolean> {
  return isInstalled("nats-server");
}

/**
 * Starts nats-server on a free port of 127.0.0.1; disposing it ends it.
 *
 * @param config Its configuration file, without the port.
 * @param samePort Listens on this port instead, as the server before it did.
 */
export async function startNatsServer(config = "", samePort?: number) {
  const directory = await makeTempDirectory();
  const file = `${directory.path}/nats.conf`;
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const port = samePort ?? freePort();
    await Deno.writeTextFile(file, `listen: "127.0.0.1:${port}"\n${config}`);
    const child = new Deno.Command("nats-server", {
      args: ["-c", file],
      stdout: "null",
      stderr: "null",
    }).spawn();
    let ended = false;
    child.status.then(() => ended = true);
    await until("nats-server listens or gives up", async () => {
      try {
        (await TestClient.connect({ transport: "tcp", hostname: "127.0.0.1", port })).close();
        return true;
      } catch {
        return ended;
      }
    });
    if (ended) continue;
    let disposed = false;
    return {
      port,
      child,
      [Symbol.asyncDispose]: async () => {
        if (disposed) return;
        disposed = true;
        if (!ended) signal(child, "SIGKILL");
        await child.status;
        await directory[Symbol.asyncDispose]();
      },
    };
  }
  throw new Error(`No free port for nats-server in ${PORT_TRIES} tries`);
}
