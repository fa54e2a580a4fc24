/**
 * How much CPU time a start takes until commands are served, with a million keys on disk.
 *
 * @module
 */

import type { ServerCommand } from "../support/servers.ts";
import { formatTable } from "../support/table.ts";
import { cpuSeconds, residentBytes } from "../support/usage.ts";
import { fillRedis, keyOf } from "./loads.ts";
import { quartetKv, redisDurable } from "./servers.ts";
import { answered, startLoaded } from "./started.ts";

const KEYS = 1_000_000;
const VALUE_BYTES = 64;

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
        await using first = await startLoaded(command, { directory });
        fillRedis(first, KEYS, VALUE_BYTES);
      }
      const startedMs = performance.now();
      await using second = await startLoaded(command, { directory });
      const key = keyOf(KEYS - 1);
      await answered(second.port, `*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`, "$64");
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
