import { withOthersOff } from "../../tests/support/daemon.ts";
import { quartetServe, type ServerCommand } from "../support/servers.ts";

/** quartet with a NATS port. */
export const quartetNats: ServerCommand = (port, directory) =>
  quartetWith(directory, `[echo]\nlisten = "127.0.0.1:0"\nnats = "127.0.0.1:${port}"\n`);

/** quartet with a WebSocket port. */
export const quartetWebSocket: ServerCommand = (port, directory) =>
  quartetWith(directory, `[echo]\nlisten = "127.0.0.1:0"\nwebsocket = "127.0.0.1:${port}"\n`);

/** quartet with a port for Redis clients. */
export const quartetRedis: ServerCommand = (port, directory) =>
  quartetWith(directory, `[kv]\nlisten = "127.0.0.1:${port}"\nstorage = "memory:"\n`);

async function quartetWith(directory: string, config: string) {
  const file = `${directory}/quartet.toml`;
  await Deno.writeTextFile(file, withOthersOff(config));
  return quartetServe(file);
}
