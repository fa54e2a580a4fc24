import { withOthersOff } from "../../tests/support/daemon.ts";
import { denoRun, quartetServe, ROOT, type ServerCommand } from "../support/servers.ts";

/** quartet with kv alone, on a storage. */
export function quartetKv(storageUrl: string): ServerCommand {
  return async (port, directory) => {
    const kv = `[kv]\nlisten = "127.0.0.1:${port}"\nmax_memory = "4GiB"\n`;
    const file = `${directory}/quartet.toml`;
    await Deno.writeTextFile(file, withOthersOff(`[storage]\nurl = "${storageUrl}"\n\n${kv}`));
    return quartetServe(file);
  };
}

/** redis-server that keeps everything in memory. */
export const redisInMemory: ServerCommand = (port, directory) => redis(port, directory, []);

/** redis-server that answers a write when it is on the disk. */
export const redisDurable: ServerCommand = (port, directory) =>
  redis(port, directory, ["--appendonly", "yes", "--appendfsync", "always"]);

function redis(port: number, directory: string, words: string[]) {
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory];
  return Promise.resolve({ command: "redis-server", args: [...args, ...words] });
}

/** The baseline over PostgreSQL: a mutex around the database. */
export function mutexServer(databaseUrl: string): ServerCommand {
  return (port) => {
    const file = `${ROOT}bench/kv/mutex_server.ts`;
    const permissions = ["--allow-net", "--allow-env", "--allow-read"];
    return Promise.resolve(denoRun([...permissions, file, String(port), databaseUrl]));
  };
}
