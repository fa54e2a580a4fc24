import postgres from "postgres";
import { withOthersOff } from "../../tests/support/daemon.ts";
import { denoRun, quartetServe, ROOT, type ServerCommand } from "../support/servers.ts";

/** quartet with kv as its only service, on a storage. */
export function quartetKv(storageUrl: string): ServerCommand {
  return async (port, directory) => {
    const kv = `[kv]\nlisten = "127.0.0.1:${port}"\nmax_memory = "4GiB"\n`;
    const file = `${directory}/quartet.toml`;
    await Deno.writeTextFile(file, withOthersOff(`[storage]\nurl = "${storageUrl}"\n\n${kv}`));
    return quartetServe(file);
  };
}

/** The same server, which writes a line per garbage collection to a file. */
export function tracingCollections(server: ServerCommand, file: string): ServerCommand {
  return async (port, directory) => {
    const { command, args } = await server(port, directory);
    const traced = args.map((word) => word.startsWith("--v8-flags=") ? `${word},--trace-gc` : word);
    // Without `stdbuf`, the first lines would arrive once there are 4 KiB of them.
    return {
      command: "sh",
      args: ["-c", 'exec stdbuf -oL "$@" > "$0"', file, command, ...traced],
    };
  };
}

/** The longest pause in a file that {@linkcode tracingCollections} has written, in milliseconds. */
export async function longestCollectionMs(file: string): Promise<number> {
  let longest = 0;
  for (
    const [, pause] of (await Deno.readTextFile(file)).matchAll(/ MB, .*?([\d.]+) \/ [\d.]+ ms/g)
  ) {
    longest = Math.max(longest, Number(pause));
  }
  return longest;
}

/** The empty read-write loop, the upper limit for kv. */
export const emptyLoop: ServerCommand = (port) =>
  Promise.resolve(denoRun(["--allow-net", `${ROOT}bench/kv/empty_server.ts`, String(port)]));

/** redis-server that keeps everything in memory. */
export const redisInMemory: ServerCommand = (port, directory) => redis(port, directory, []);

/** redis-server that acknowledges a write once it is on disk. */
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

/** Writes keys 0 to `count` to the baseline's table, in one statement. */
export async function fillTable(url: string, count: number, valueBytes: number): Promise<void> {
  const sql = postgres(url, { max: 1 });
  try {
    await sql`INSERT INTO pairs
      SELECT convert_to('key:' || lpad(n::text, 12, '0'), 'UTF8'),
        convert_to(repeat('v', ${valueBytes}), 'UTF8')
      FROM generate_series(0, ${count - 1}) AS n`;
  } finally {
    await sql.end();
  }
}
