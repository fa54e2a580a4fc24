/**
 * `deno task bench kv` compares kv with other servers on this machine, in one run. Measurements of the
 * servers alternate; the tables show medians.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { PostgresServer } from "../tests/support/postgres.ts";
import {
  fill,
  fillRedis,
  KEYS,
  redisBenchmark,
  type RedisLoad,
  textLoad,
  type Timings,
} from "./kv/loads.ts";
import { evict } from "./kv/evict.ts";
import { loading } from "./kv/load.ts";
import {
  emptyLoop,
  fillTable,
  longestCollectionMs,
  mutexServer,
  quartetKv,
  redisDurable,
  redisInMemory,
  tracingCollections,
} from "./kv/servers.ts";
import { startLoaded } from "./kv/started.ts";
import { stall } from "./kv/stall.ts";
import { medians } from "./support/measure.ts";
import {
  isInstalled,
  type ServerCommand,
  type ServerProcess,
  startServer,
} from "./support/servers.ts";
import { formatCount, formatTable } from "./support/table.ts";
import { residentBytes } from "./support/usage.ts";

const CONNECTIONS = 50;
const MEMORY_KEYS = 1_000_000;
const VALUE_BYTES = 64;

/** The parts of the benchmark, for `--only`. */
const PARTS = ["memory", "sqlite", "postgres", "space", "stall", "load", "evict"] as const;

const USAGE = `deno task bench kv [--seconds 1] [--rounds 3] [--only ${PARTS.join("|")}]

  --seconds S  length of each measurement, about
  --rounds N   number of measurements of each kind
  --only PART  run one part: SET and GET in memory, SET on disk, PUT and GET on PostgreSQL, the
               memory per key, how long one client makes others wait, the start with many keys, or
               the hit ratio of a cache
`;

/** Measures servers in turn, in several rounds; the medians of each. */
async function compare(
  servers: readonly ServerProcess[],
  rounds: number,
  run: (server: ServerProcess) => Promise<Timings>,
): Promise<Timings[]> {
  const runs: Timings[][] = servers.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [at, server] of servers.entries()) runs[at]!.push(await run(server));
  }
  return runs.map((timings) => medians(timings));
}

const HEAD = [
  "",
  "kv/s",
  "other/s",
  "ratio",
  "wanted",
  "kv p50",
  "kv p99",
  "other p50",
  "other p99",
  "kv busy",
  "load busy",
  "empty loop/s",
];

function row(name: string, wanted: string, [own, other, empty]: Timings[]): string[] {
  const percent = (part: number) => `${(100 * part).toFixed(0)} %`;
  const ms = (time: number) => `${time.toFixed(time < 10 ? 2 : 0)} ms`;
  return [
    name,
    formatCount(own!.perSecond),
    formatCount(other!.perSecond),
    `${(own!.perSecond / other!.perSecond).toFixed(2)}×`,
    wanted,
    ms(own!.p50Ms),
    ms(own!.p99Ms),
    ms(other!.p50Ms),
    ms(other!.p99Ms),
    percent(own!.serverBusy),
    Number.isNaN(own!.loadBusy) ? "" : percent(own!.loadBusy),
    empty === undefined ? "" : formatCount(empty.perSecond),
  ];
}

/** Requests that take about a second, by pipeline: redis-benchmark takes a number, not a time. */
const REQUESTS_PER_SECOND: Record<number, number> = { 1: 120_000, 16: 1_000_000 };

type RedisRow = [load: Omit<RedisLoad, "requests">, wanted: string];

async function redisTable(
  commands: [own: ServerCommand, other: ServerCommand, empty?: ServerCommand],
  wanted: RedisRow[],
  { seconds, rounds, share = 1 }: Options & { share?: number },
): Promise<string> {
  await using stack = new AsyncDisposableStack();
  const servers: ServerProcess[] = [];
  for (const command of commands) {
    if (command !== undefined) {
      servers.push(stack.use(await (command === emptyLoop ? startServer : startLoaded)(command)));
    }
  }
  const rows: string[][] = [];
  for (const [load, ratio] of wanted) {
    const requests = Math.round(REQUESTS_PER_SECOND[load.pipeline]! * seconds * share);
    const run = (server: ServerProcess) => redisBenchmark(server, { ...load, requests });
    const all = await compare(servers, rounds, run);
    rows.push(row(`${load.command.toUpperCase()} -P ${load.pipeline}`, ratio, all));
  }
  return formatTable(HEAD, rows);
}

interface Options {
  seconds: number;
  rounds: number;
}

async function inMemory(options: Options): Promise<string> {
  const table = await redisTable([quartetKv("memory:"), redisInMemory, emptyLoop], [
    [{ command: "set", pipeline: 1 }, "≥ 0.9×"],
    [{ command: "get", pipeline: 1 }, "≥ 0.9×"],
    [{ command: "set", pipeline: 16 }, "≥ 1.0×"],
    [{ command: "get", pipeline: 16 }, "≥ 1.0×"],
  ], options);
  return `redis-benchmark -c ${CONNECTIONS}, ${KEYS} keys: kv on memory: next to Redis, and an empty ` +
    `read-write loop in Deno as the upper limit.\n\n${table}`;
}

async function onDisk(options: Options): Promise<string> {
  const table = await redisTable([quartetKv("sqlite:kv.db"), redisDurable], [
    [{ command: "set", pipeline: 1 }, "≥ 0.7×"],
    [{ command: "set", pipeline: 16 }, "≥ 1.3×"],
    [{ command: "get", pipeline: 1 }, ""],
  ], { ...options, share: 0.25 });
  return `The same: kv on sqlite: next to Redis with appendfsync always.\n\n${table}`;
}

async function onPostgres({ seconds, rounds }: Options): Promise<string> {
  await using postgres = await PostgresServer.start({ fsync: true });
  await using own = await startLoaded(quartetKv(await postgres.createDatabase()));
  const otherUrl = await postgres.createDatabase();
  await using other = await startServer(mutexServer(otherUrl));
  fill(own, KEYS, VALUE_BYTES);
  await fillTable(otherUrl, KEYS, VALUE_BYTES);
  const rows: string[][] = [];
  for (
    const [command, inFlight, wanted] of [
      ["PUT", 1, "≥ 15×"],
      ["PUT", 16, "≥ 35×"],
      ["GET", 1, "≥ 10×"],
      ["GET", 16, ""],
    ] as const
  ) {
    const load = { command, inFlight, connections: CONNECTIONS, valueBytes: VALUE_BYTES, seconds };
    const both = await compare([own, other], rounds, (server) => textLoad(server, load));
    rows.push(row(`${command}, ${inFlight} in flight`, wanted, both));
  }
  return `Text protocol, ${CONNECTIONS} connections, ${KEYS} keys, values of ${VALUE_BYTES} bytes: kv on ` +
    `PostgreSQL next to a mutex\naround the same database. Latencies are those of a batch.\n\n` +
    formatTable(HEAD, rows);
}

async function space(withRedis: boolean): Promise<string> {
  const contestants: [string, ServerCommand, string][] = [
    ["kv on memory:", quartetKv("memory:"), "≤ 150 B"],
    ["kv on sqlite:", quartetKv("sqlite:kv.db"), "≤ 150 B"],
  ];
  if (withRedis) contestants.push(["Redis", redisInMemory, ""]);
  const rows: string[][] = [];
  for (const [name, command, wanted] of contestants) {
    const isOwn = command !== redisInMemory;
    const trace = await Deno.makeTempFile({ prefix: "quartet-bench-" });
    await using server = await startLoaded(isOwn ? tracingCollections(command, trace) : command);
    const empty = await residentBytes(server.pid);
    fillRedis(server, MEMORY_KEYS, VALUE_BYTES);
    const full = await residentBytes(server.pid);
    const pauseMs = await longestCollectionMs(trace);
    await Deno.remove(trace);
    const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(0)} MiB`;
    const perKey = `${((full - empty) / MEMORY_KEYS).toFixed(0)} B`;
    const pause = isOwn ? `${pauseMs.toFixed(1)} ms` : "";
    rows.push([name, mib(empty), mib(full), perKey, wanted, pause, isOwn ? "≤ 10 ms" : ""]);
  }
  const head = ["", "empty", "full", "per key and value", "wanted", "longest collection", "wanted"];
  return `Resident memory, ${MEMORY_KEYS} keys of 16 bytes, values of ${VALUE_BYTES}; and the longest ` +
    `pause of the garbage collector meanwhile.\n\n${formatTable(head, rows)}`;
}

/** Runs the benchmark. */
export async function main(args: string[]): Promise<void> {
  const options = parseArgs(args, {
    string: ["seconds", "rounds", "only"],
    boolean: ["help"],
    default: { seconds: "1", rounds: "3" },
  });
  const seconds = Number(options.seconds), rounds = Number(options.rounds);
  const part = PARTS.find((name) => name === options.only);
  const isPart = options.only === undefined || part !== undefined;
  if (options.help || !(seconds > 0) || !Number.isInteger(rounds) || rounds < 1 || !isPart) {
    return print(USAGE);
  }
  const wants = (name: typeof PARTS[number]) => part === undefined || part === name;
  const withRedis = await isInstalled("redis-server") && await isInstalled("redis-benchmark");
  const [load] = Deno.loadavg();
  print(`${navigator.hardwareConcurrency} cores, load ${load!.toFixed(2)} before the run\n\n`);
  if (!withRedis) print("Redis is not compared: it is not installed.\n\n");
  if (withRedis && wants("memory")) print(`${await inMemory({ seconds, rounds })}\n`);
  if (withRedis && wants("sqlite")) print(`${await onDisk({ seconds, rounds })}\n`);
  if (wants("postgres")) print(`${await onPostgres({ seconds, rounds })}\n`);
  if (wants("space")) print(`${await space(withRedis)}\n`);
  if (wants("stall")) print(`${await stall("memory:", withRedis)}\n`);
  if (wants("load")) print(`${await loading(withRedis)}\n`);
  if (withRedis && wants("evict")) print(await evict());
}

function print(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}
