/**
 * How long one client can make another one wait: the longest PING and GET of others while a client
 * sends one large command after another to a store with a million keys.
 *
 * @module
 */

import type { ServerCommand, ServerProcess } from "../support/servers.ts";
import { Other, Sender } from "../support/stall_clients.ts";
import { formatTable } from "../support/table.ts";
import { fillRedis, keyOf } from "./loads.ts";
import { quartetKv, redisInMemory } from "./servers.ts";
import { startLoaded } from "./started.ts";

const KEYS = 1_000_000;
const VALUE_BYTES = 64;

/** The number of keys in one command. */
const MANY = 100_000;
const LONG_BYTES = 32 * 1024 * 1024;

/** The wait that no command should cause, in milliseconds. */
const WANTED_MS = 20;

const MARK = "end-of-this-command";

/** A request in the Redis protocol. */
function request(...args: string[]): string {
  return requestOf(args);
}

/** A request of very many words, which are too many for arguments of a function. */
function requestOf(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("")}`;
}

/** A MULTI, requests, and the EXEC. */
function transaction(requests: readonly string[]): string {
  return request("MULTI") + requests.join("") + request("EXEC");
}

/** Keys of the store, from `first` on. */
function many(first: number, make = (key: string) => [key]): string[] {
  return Array.from({ length: MANY }, (_, at) => make(keyOf(first + at))).flat();
}

/** What a client sends, and what has to be done before. */
interface Scenario {
  name: string;
  before?: string;
  send: string;
  /** Whether these are lines of the text protocol, which Redis does not have. */
  text?: boolean;
}

function scenarios(): Scenario[] {
  const long = "x".repeat(LONG_BYTES), piece = "x".repeat(100);
  const expiring = many(2 * KEYS, (key) => [request("SET", key, "v", "PX", "1")]).join("");
  return [
    { name: "SCAN, the first", send: request("SCAN", "0") },
    { name: "KEYS *", send: request("KEYS", "*") },
    { name: "SCAN COUNT 100000", send: request("SCAN", "0", "COUNT", "100000") },
    { name: "LIST", send: "LIST\n", text: true },
    { name: "MGET of 100 k", send: requestOf(["MGET", ...many(0)]) },
    { name: "EXISTS of 100 k", send: requestOf(["EXISTS", ...many(0)]) },
    {
      name: "MSET of 100 k",
      send: requestOf(["MSET", ...many(0, (key) => [key, "v".repeat(64)])]),
    },
    { name: "DEL of 100 k", send: requestOf(["DEL", ...many(0)]) },
    { name: "UNLINK of 100 k", send: requestOf(["UNLINK", ...many(MANY)]) },
    {
      name: "EXEC of 10 k GETs",
      send: request("MULTI") + request("GET", keyOf(500_000)).repeat(10_000) + request("EXEC"),
    },
    { name: "SET of 32 MiB", send: request("SET", "long", long) },
    { name: "GET of 32 MiB", send: request("GET", "long") },
    { name: "COPY of 32 MiB", send: request("COPY", "long", "copy") },
    { name: "50 × APPEND to 32 MiB", send: request("APPEND", "long", piece).repeat(50) },
    { name: "SETRANGE in 32 MiB", send: request("SETRANGE", "long", "1000", piece).repeat(50) },
    {
      name: "EXEC of 1000 SETBITs, 32 MiB",
      send: transaction(
        Array.from({ length: 1000 }, (_, at) => request("SETBIT", "long", String(7 * at), "1")),
      ),
    },
    {
      name: "EXEC of 1000 BITFIELDs, 32 MiB",
      send: transaction(
        Array.from(
          { length: 1000 },
          (_, at) => request("BITFIELD", "long", "INCRBY", "u8", `#${at}`, "1"),
        ),
      ),
    },
    {
      name: "GET and SETRANGE of 32 MiB",
      send: request("GET", "long") + request("SETRANGE", "long", "1000", piece),
    },
    { name: "SETBIT at 62 MB", send: request("SETBIT", "far", "500000000", "1") },
    {
      name: "EXEC of 10 COPYs of 32 MiB",
      send: transaction(
        Array.from({ length: 10 }, (_, at) => request("COPY", "long", `copy ${at}`)),
      ),
    },
    {
      name: "MSET of 500 × 100 kB",
      send: requestOf([
        "MSET",
        ...Array.from({ length: 500 }, (_, at) => [`middle ${at}`, "x".repeat(100_000)]).flat(),
      ]),
    },
    { name: "BITOP NOT of 32 MiB", send: request("BITOP", "NOT", "copy", "long") },
    {
      name: "LCS of 2 × 5 kB",
      before: request("MSET", "a", "ab".repeat(2500), "b", "ba".repeat(2500)),
      send: request("LCS", "a", "b", "LEN"),
    },
    { name: "DBSIZE, 100 k expired", before: expiring, send: request("DBSIZE") },
    { name: "FLUSHALL", send: request("FLUSHALL") },
  ];
}

/** The longest waits during a scenario, and how long it took. */
interface Stall {
  pingMs: number;
  getMs: number;
  tookMs: number;
}

async function measureStalls(
  server: ServerProcess,
  list: readonly Scenario[],
): Promise<Map<string, Stall>> {
  fillRedis(server, KEYS, VALUE_BYTES);
  const stalls = new Map<string, Stall>();
  using ping = await Other.start(server.port, request("PING"));
  using get = await Other.start(server.port, request("GET", keyOf(KEYS - 1)));
  using redis = await Sender.connect(server.port);
  for (const { name, before, send, text } of list) {
    const echo = [request("ECHO", MARK), `${MARK}\r\n`] as const;
    if (before !== undefined) await redis.run(before, ...echo);
    // What the preparation has left behind is not meant.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await Promise.all([ping.report(), get.report()]);
    const startMs = performance.now();
    if (text) {
      using lines = await Sender.connect(server.port);
      await lines.run(send, "EXISTS no-such-key\n", "\nNOT_FOUND\n");
    } else {
      await redis.run(send, ...echo);
    }
    const tookMs = performance.now() - startMs;
    // A wait that has begun ends now.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [pings, gets] = await Promise.all([ping.report(), get.report()]);
    stalls.set(name, { pingMs: pings.maxMs, getMs: gets.maxMs, tookMs });
  }
  return stalls;
}

/** Measures kv on a storage, and Redis if it is installed. */
export async function stall(storageUrl: string, withRedis: boolean): Promise<string> {
  const list = scenarios();
  const measure = async (command: ServerCommand, shown: readonly Scenario[]) => {
    await using server = await startLoaded(command);
    return await measureStalls(server, shown);
  };
  const own = await measure(quartetKv(storageUrl), list);
  const other = withRedis
    ? await measure(redisInMemory, list.filter(({ text }) => !text))
    : new Map<string, Stall>();
  const ms = (time: number | undefined) => time === undefined ? "" : `${time.toFixed(1)} ms`;
  const rows = list.map(({ name }) => {
    const a = own.get(name)!, b = other.get(name);
    const verdict = Math.max(a.pingMs, a.getMs) <= WANTED_MS ? "" : "too long";
    return [name, ms(a.pingMs), ms(a.getMs), verdict, ms(a.tookMs), ms(b?.pingMs), ms(b?.tookMs)];
  });
  return `The longest wait of other clients while one sends a command, ${KEYS} keys on ${storageUrl}; ` +
    `wanted: PING and GET ≤ ${WANTED_MS} ms.\n\n` +
    formatTable(["", "PING", "GET", "", "took", "Redis PING", "Redis took"], rows);
}
