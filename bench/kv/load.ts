/**
 * How much CPU time a start takes until commands are served, with a million keys on disk.
 *
 * @module
 */

import { type ServerCommand, startServer } from "../support/servers.ts";
import { formatTable } from "../support/table.ts";
import { cpuSeconds, residentBytes } from "../support/usage.ts";
import { fillRedis, keyOf } from "./loads.ts";
import { quartetKv, redisDurable } from "./servers.ts";

const KEYS = 1_000_000;
const VALUE_BYTES = 64;

/** How often the server is asked for a key until it serves it. */
const ASK_INTERVAL_MS = 5;

/** The longest start that is waited for. */
const MAX_START_MS = 120_000;

/** Waits until a server returns the value of a key. */
async function served(port: number, key: string): Promise<void> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const get = new TextEncoder().encode(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`);
  const reply = new Uint8Array(1024);
  const endMs = performance.now() + MAX_START_MS;
  while (performance.now() < endMs) {
    await conn.write(get);
    if (await conn.read(reply) === null) break;
    if (reply[0] === 0x24 && reply[1] !== 0x2d) return;
    await new Promise((resolve) => setTimeout(resolve, ASK_INTERVAL_MS));
  }
  throw new Error("Cannot continue: the server has lost a key, or does not start");
}

/** Measures kv on SQLite, and Redis if it is installed. */
export async function loading(withRedis: boolean): Promise<string> {
  const contestants: [string, ServerCommand, string][] = [
    ["kv on sqlite:", quartetKv("sqlite:kv.db"), "≤ 2 s"],
  ];
  if (withRedis) contestants.push(["Redis, append-only file", redisDurable, ""]);
  const rows: string[][] = [];
  for (const [name, command, wanted] of contestants) {
    const directory = await Deno.makeTempDir({ prefix: "quartet-bench-" });
    try {
      {
        await using first = await startServer(command, { directory });
        fillRedis(first, KEYS, VALUE_BYTES);
      }
      const startedMs = performance.now();
      await using second = await startServer(command, { directory, maxStartMs: MAX_START_MS });
      await served(second.port, keyOf(KEYS - 1));
      const cpu = await cpuSeconds(second.pid), tookMs = performance.now() - startedMs;
      const mib = await residentBytes(second.pid) / 1024 / 1024;
      const seconds = [cpu, tookMs / 1000].map((time) => `${time.toFixed(2)} s`);
      rows.push([name, ...seconds, wanted, `${mib.toFixed(0)} MiB`]);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  }
  return `Start with ${KEYS} keys of 16 bytes, values of ${VALUE_BYTES}, until a key is served. The ` +
    `servers were killed before.\n\n` +
    formatTable(["", "CPU", "time", "wanted", "resident"], rows);
}
