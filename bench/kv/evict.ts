/**
 * How good eviction is: the share of hits of a cache on a Zipf load, next to Redis with its default of
 * five samples and to exact LRU. Both servers hold the same number of entries and get the same keys.
 *
 * @module
 */

import { type ServerProcess, startServer } from "../support/servers.ts";
import { formatTable } from "../support/table.ts";
import { quartetKv, redisInMemory } from "./servers.ts";

const KEYS = 300_000;
const REQUESTS = 1_500_000;
const VALUE = "v".repeat(64);
const KEY_BYTES = 16;

/** What Redis may use: about 30,000 entries. */
const REDIS_BYTES = "5mb";

/** Requests on their way at a time. */
const BATCH = 256;

/** The slope of the Zipf distributions. */
const SLOPES = [0.8, 1];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Sends a Zipf load to both servers; a table of the hit ratios. */
export async function evict(): Promise<string> {
  const rows: string[][] = [];
  for (const slope of SLOPES) {
    const load = zipf(slope);
    await using redis = await startServer(redisInMemory);
    const theirs = await hits(redis, load, ["maxmemory", REDIS_BYTES]);
    await using own = await startServer(quartetKv("memory:"));
    const bytes = theirs.entries * (KEY_BYTES + VALUE.length);
    const ours = await hits(own, load, ["maxmemory", String(bytes)]);
    const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
    rows.push([
      String(slope),
      String(theirs.entries),
      percent(ours.share),
      percent(theirs.share),
      (ours.share / theirs.share).toFixed(3),
      "≥ 1",
      percent(exactLru(load, theirs.entries)),
    ]);
  }
  const head = ["slope", "entries", "kv", "Redis", "ratio", "wanted", "exact LRU"];
  return `Hit ratio of a cache with allkeys-lru: ${REQUESTS} requests for ${KEYS} keys.\n\n` +
    formatTable(head, rows);
}

/** The keys that are asked for, by rank. */
function zipf(slope: number): Uint32Array {
  const cumulated = new Float64Array(KEYS);
  let total = 0;
  for (let rank = 0; rank < KEYS; rank++) cumulated[rank] = total += 1 / (rank + 1) ** slope;
  return Uint32Array.from({ length: REQUESTS }, () => {
    const wanted = Math.random() * total;
    let low = 0, high = KEYS - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulated[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  });
}

/** Uses a server as a cache; the share of hits, and how many entries it holds at the end. */
async function hits(
  server: ServerProcess,
  load: Uint32Array,
  limit: string[],
): Promise<{ share: number; entries: number }> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await ask(conn, ["CONFIG", "SET", ...limit, "maxmemory-policy", "allkeys-lru"]);
  let found = 0;
  for (let start = 0; start < load.length; start += BATCH) {
    const keys = [...load.subarray(start, start + BATCH)].map((rank) =>
      `k${String(rank).padStart(KEY_BYTES - 1, "0")}`
    );
    const replies = await exchange(conn, keys.map((key) => ["GET", key]));
    const missing = keys.filter((_, at) => replies[at] === "$-1");
    found += keys.length - missing.length;
    await exchange(conn, missing.map((key) => ["SET", key, VALUE]));
  }
  const [entries] = await exchange(conn, [["DBSIZE"]]);
  return { share: found / load.length, entries: Number(entries!.slice(1)) };
}

/** Sends requests at once; the first lines of their replies. */
async function exchange(conn: Deno.Conn, requests: readonly string[][]): Promise<string[]> {
  if (requests.length === 0) return [];
  const text = requests.map((words) =>
    `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`
  ).join("");
  const writer = conn.writable.getWriter();
  await writer.write(encoder.encode(text));
  writer.releaseLock();
  const replies: string[] = [];
  const chunk = new Uint8Array(65_536);
  let unread = "";
  while (replies.length < requests.length) {
    const count = await conn.read(chunk);
    if (count === null) throw new Error("the server has closed the connection");
    unread += decoder.decode(chunk.subarray(0, count));
    const lines = unread.split("\r\n");
    unread = lines.pop()!;
    let at = 0;
    for (; at < lines.length; at++) {
      const line = lines[at]!;
      const isValue = line.startsWith("$") && line !== "$-1";
      if (isValue && at + 1 === lines.length) break;
      replies.push(line);
      if (isValue) at++;
    }
    if (at < lines.length) unread = `${lines[at]}\r\n${unread}`;
  }
  return replies;
}

async function ask(conn: Deno.Conn, words: string[]): Promise<void> {
  const [reply] = await exchange(conn, [words]);
  if (reply !== "+OK") throw new Error(`${words.join(" ")}: ${reply}`);
}

/** The share of hits of a cache that always evicts the least recently used entry. */
function exactLru(load: Uint32Array, entries: number): number {
  const cache = new Set<number>();
  let found = 0;
  for (const key of load) {
    if (cache.delete(key)) found++;
    else if (cache.size === entries) {
      for (const oldest of cache) {
        cache.delete(oldest);
        break;
      }
    }
    cache.add(key);
  }
  return found / load.length;
}
