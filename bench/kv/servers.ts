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
