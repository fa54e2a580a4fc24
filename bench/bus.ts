/**
 * `deno task bench bus`: compares the bus with nats-server and redis-server on this machine. Each
 * server is a separate process; they are measured in turn, several times, and the table shows the
 * medians.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { measureFanOut, measureMemory, measureRequests, measureStream } from "./bus/loads.ts";
import { NATS, REDIS, WEBSOCKET } from "./bus/protocols.ts";
import { quartetNats, quartetRedis, quartetWebSocket } from "./bus/servers.ts";
import { nats } from "./echo/servers.ts";
import { redisInMemory } from "./kv/servers.ts";
import { type Measurement, medians } from "./support/measure.ts";
import {
  isInstalled,
  type ServerCommand,
  type ServerProcess,
  startServer,
} from "./support/servers.ts";
import { formatCount, formatTable } from "./support/table.ts";
import { median } from "./support/usage.ts";

const MESSAGE_BYTES = 64;
const WEBSOCKETS = 1000;

const USAGE = `deno task bench bus [--seconds 1] [--rounds 3] [--only NAME]

  --seconds S  duration of each measurement
  --rounds N   number of rounds
  --only NAME  only the measurements whose name contains this
`;

/** A load, run against quartet and against another server. */
interface Comparison {
  name: string;
  /** The ratio that quartet should reach. */
  wanted: number;
  own: ServerCommand;
  other: ServerCommand;
  /** The name of the other server's program. */
  program: string;
  run: (server: ServerProcess, seconds: number) => Promise<Measurement>;
}

function natsComparison(
  name: string,
  wanted: number,
  run: Comparison["run"],
): Comparison {
  return { name, wanted, own: quartetNats, other: nats, program: "nats-server", run };
}

function fanOut(subscribers: number, burst: number): Comparison {
  return natsComparison(
    `NATS, ${subscribers} subscribers, bursts of ${burst}`,
    1,
    (server, seconds) =>
      measureFanOut(server, {
        protocol: NATS,
        subscribers,
        burst,
        messageBytes: MESSAGE_BYTES,
        seconds,
      }),
  );
}

function elsewhere(count: number): Comparison["run"] {
  const load = { protocol: NATS, subscribers: 10, burst: 1, messageBytes: MESSAGE_BYTES };
  return (server, seconds) => measureFanOut(server, { ...load, elsewhere: count, seconds });
}

const COMPARISONS: Comparison[] = [
  fanOut(100, 1),
  fanOut(100, 10),
  fanOut(500, 1),
  fanOut(500, 10),
  natsComparison(
    "NATS, one to one, bursts of 100",
    0.5,
    (server, seconds) =>
      measureStream(server, { messageBytes: MESSAGE_BYTES, burst: 100, inFlight: 2000, seconds }),
  ),
  natsComparison(
    "NATS, one to one, single messages",
    0.5,
    (server, seconds) =>
      measureStream(server, { messageBytes: MESSAGE_BYTES, burst: 1, inFlight: 1, seconds }),
  ),
  natsComparison(
    "NATS, requests of 50 clients",
    0.7,
    (server, seconds) =>
      measureRequests(server, { clients: 50, messageBytes: MESSAGE_BYTES, seconds }),
  ),
  natsComparison("NATS, 10 subscribers, 10 subscriptions elsewhere", 1, elsewhere(10)),
  natsComparison("NATS, 10 subscribers, 100 000 subscriptions elsewhere", 1, elsewhere(100_000)),
  {
    name: "Redis, 50 subscribers, bursts of 1",
    wanted: 0.7,
    own: quartetRedis,
    other: redisInMemory,
    program: "redis-server",
    run: (server, seconds) => {
      const load = { protocol: REDIS, subscribers: 50, burst: 1, messageBytes: MESSAGE_BYTES };
      return measureFanOut(server, { ...load, seconds });
    },
  },
];

const HEAD = [
  "",
  "quartet/s",
  "other/s",
  "ratio",
  "wanted",
  "quartet CPU s/M",
  "other CPU s/M",
  "CPU ratio",
  "load busy, quartet",
  "load busy, other",
];

async function compare(
  { name, wanted, own, other, run }: Comparison,
  { seconds, rounds }: { seconds: number; rounds: number },
): Promise<string[]> {
  const runs: [Measurement[], Measurement[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const [i, command] of [own, other].entries()) {
      await using server = await startServer(command);
      runs[i]!.push(await run(server, seconds));
    }
  }
  const [ours, theirs] = [medians(runs[0]), medians(runs[1])];
  const percent = (part: number) => `${(100 * part).toFixed(0)} %`;
  return [
    name,
    formatCount(ours.perSecond),
    formatCount(theirs.perSecond),
    `${(ours.perSecond / theirs.perSecond).toFixed(2)}×`,
    `≥ ${wanted}×`,
    ours.serverCpuPerMillion.toFixed(2),
    theirs.serverCpuPerMillion.toFixed(2),
    `${(theirs.serverCpuPerMillion / ours.serverCpuPerMillion).toFixed(2)}×`,
    percent(ours.loadBusy),
    percent(theirs.loadBusy),
  ];
}

/** Measures WebSockets, for which there is nothing to compare with. */
async function webSockets(
  { seconds, rounds }: { seconds: number; rounds: number },
): Promise<string> {
  const runs: Measurement[] = [];
  const memory: number[] = [];
  const load = { protocol: WEBSOCKET, burst: 1, messageBytes: MESSAGE_BYTES, seconds };
  for (let round = 0; round < rounds; round++) {
    await using server = await startServer(quartetWebSocket);
    const clients = WEBSOCKETS;
    memory.push(await measureMemory(server, { protocol: WEBSOCKET, clients }));
    runs.push(await measureFanOut(server, { ...load, subscribers: WEBSOCKETS }));
  }
  const { perSecond, serverCpuPerMillion } = medians(runs);
  return `${WEBSOCKETS} WebSockets, one to all: ${formatCount(perSecond)} deliveries/s, ` +
    `${serverCpuPerMillion.toFixed(2)} CPU s/M, ${(median(memory) / 1024).toFixed(1)} KiB each\n`;
}

/** Runs the benchmark. */
export async function main(args: string[]): Promise<void> {
  const options = parseArgs(args, {
    string: ["seconds", "rounds", "only"],
    boolean: ["help"],
    default: { seconds: "1", rounds: "3", only: "" },
  });
  const seconds = Number(options.seconds);
  const rounds = Number(options.rounds);
  if (options.help || !(seconds > 0) || !Number.isInteger(rounds) || rounds < 1) {
    return print(USAGE);
  }
  print(`${navigator.hardwareConcurrency} processors, load ${machineLoad()} before the run. `);
  print(`If other processes are busy, go by the CPU ratio.\n`);
  print(`Messages of ${MESSAGE_BYTES} bytes; what is counted are deliveries, and requests.\n\n`);
  const rows: string[][] = [];
  for (const comparison of COMPARISONS) {
    if (!comparison.name.includes(options.only)) continue;
    if (!await isInstalled(comparison.program)) continue;
    rows.push(await compare(comparison, { seconds, rounds }));
  }
  if (rows.length > 0) print(`${formatTable(HEAD, rows)}\n`);
  if ("WebSocket".includes(options.only)) print(`${await webSockets({ seconds, rounds })}\n`);
  print(`Load ${machineLoad()} after the run.\n`);
}

function machineLoad(): string {
  return Deno.loadavg()[0]!.toFixed(2);
}

function print(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}
