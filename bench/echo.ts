/**
 * `deno task bench echo`: compares echo with other servers on this machine. Each server is a separate
 * process; they are measured in turn, several times, and the table shows the medians.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { LINES, measureBroadcast, measureReplies, NATS } from "./echo/loads.ts";
import { hasNats, nats, pipeline, quartet, REPLY } from "./echo/servers.ts";
import { LoadSockets } from "./support/load_sockets.ts";
import { type Measurement, medians } from "./support/measure.ts";
import { type ServerCommand, type ServerProcess, startServer } from "./support/servers.ts";
import { formatCount, formatTable } from "./support/table.ts";
import { median, residentBytes } from "./support/usage.ts";

const REPLY_CONNECTIONS = 50;
const LINE_BYTES = 32;
const MESSAGE_BYTES = 64;
const IDLE_CONNECTIONS = 5000;

const USAGE = `deno task bench echo [--seconds 1] [--rounds 3]

  --seconds S  duration of each measurement
  --rounds N   number of rounds
`;

interface Contestant {
  name: string;
  command: ServerCommand;
}

const QUARTET: Contestant = { name: "quartet", command: quartet("broadcast") };
const NATS_SERVER: Contestant = { name: "nats-server", command: nats };

/** The pairs compared on the reply path: quartet, and web streams that do the same. */
const REPLY_MATCHES: { name: string; own: ServerCommand; other: ServerCommand; wanted: boolean }[] =
  [
    {
      name: "replies alone",
      own: quartet("confirm", "log.level=warn"),
      other: pipeline(),
      wanted: true,
    },
    {
      name: "each line logged",
      own: quartet("confirm"),
      other: pipeline("--print"),
      wanted: true,
    },
    {
      name: "other sets no-delay",
      own: quartet("confirm", "log.level=warn"),
      other: pipeline("--no-delay"),
      wanted: false,
    },
  ];

/** Measures quartet and another server in turn. */
async function compare(
  contestants: [ServerCommand, ServerCommand],
  rounds: number,
  run: (server: ServerProcess, isOwn: boolean) => Promise<Measurement>,
): Promise<[Measurement, Measurement]> {
  const runs: [Measurement[], Measurement[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const i of [0, 1] as const) {
      await using server = await startServer(contestants[i]);
      runs[i].push(await run(server, i === 0));
    }
  }
  return [medians(runs[0]), medians(runs[1])];
}

const SPEED_HEAD = [
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

function speedRow(name: string, wanted: number | undefined, [own, other]: Measurement[]): string[] {
  const percent = (part: number) => `${(100 * part).toFixed(0)} %`;
  const ratio = own!.perSecond / other!.perSecond;
  return [
    name,
    formatCount(own!.perSecond),
    formatCount(other!.perSecond),
    `${ratio.toFixed(2)}×`,
    wanted === undefined ? "" : `≥ ${wanted}×`,
    own!.serverCpuPerMillion.toFixed(2),
    other!.serverCpuPerMillion.toFixed(2),
    `${(other!.serverCpuPerMillion / own!.serverCpuPerMillion).toFixed(2)}×`,
    percent(own!.loadBusy),
    percent(other!.loadBusy),
  ];
}

async function repliesTable(seconds: number, rounds: number): Promise<string> {
  const rows: string[][] = [];
  for (const [inFlight, times] of [[1, 4], [16, 50]] as const) {
    for (const { name, own, other, wanted } of REPLY_MATCHES) {
      const load = { connections: REPLY_CONNECTIONS, lineBytes: LINE_BYTES, inFlight };
      const both = await compare(
        [own, other],
        rounds,
        (server) => measureReplies(server, { ...load, reply: REPLY, seconds }),
      );
      rows.push(speedRow(`${inFlight} in flight, ${name}`, wanted ? times : undefined, both));
    }
  }
  return `Replies (confirm mode), ${REPLY_CONNECTIONS} connections, lines of ${LINE_BYTES} bytes; ` +
    `the other is a TextLineStream pipeline.\n` +
    `It writes once per line, so with several lines in flight it waits for delayed acknowledgements\n` +
    `unless it sets no-delay. Logs go to /dev/null.\n\n` +
    formatTable(SPEED_HEAD, rows);
}

async function broadcastTable(seconds: number, rounds: number): Promise<string> {
  const rows: string[][] = [];
  for (const clients of [100, 500]) {
    for (const burst of [1, 10]) {
      const load = { clients, burst, messageBytes: MESSAGE_BYTES, seconds };
      const both = await compare(
        [QUARTET.command, NATS_SERVER.command],
        rounds,
        (server, isOwn) => measureBroadcast(server, { ...load, protocol: isOwn ? LINES : NATS }),
      );
      rows.push(speedRow(`${clients} clients, bursts of ${burst}`, 1, both));
    }
  }
  return `Broadcast, deliveries of messages of ${MESSAGE_BYTES} bytes; the other is nats-server.\n` +
    `quartet should not need more CPU either: the CPU ratio should be at least 1.\n\n` +
    formatTable(SPEED_HEAD, rows);
}

async function restTable(contestants: Contestant[], rounds: number): Promise<string> {
  const rows: string[][] = [];
  for (const { name, command } of contestants) {
    const starts: number[] = [];
    const idle: number[] = [];
    let emptyBytes = 0;
    for (let round = 0; round < rounds; round++) {
      await using server = await startServer(command);
      starts.push(server.startMs);
      emptyBytes = await residentBytes(server.pid);
      using sockets = new LoadSockets({ receiveBytes: 1 });
      sockets.connect(server.port, IDLE_CONNECTIONS);
      await settled(server.pid);
      idle.push((await residentBytes(server.pid) - emptyBytes) / IDLE_CONNECTIONS);
    }
    rows.push([
      name,
      `${median(starts).toFixed(0)} ms`,
      `${(emptyBytes / 1024 / 1024).toFixed(0)} MiB`,
      `${(median(idle) / 1024).toFixed(1)} KiB`,
    ]);
  }
  const head = ["", "start to first accept", "memory, no clients", "memory per idle connection"];
  return `At rest, ${IDLE_CONNECTIONS} connections that send nothing.\n\n` +
    formatTable(head, rows);
}

/** Waits until a process holds all connections and its memory no longer grows. */
async function settled(pid: number): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  for (let before = -1; performance.now() < deadlineMs;) {
    const descriptors = [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
    const bytes = await residentBytes(pid);
    if (descriptors >= IDLE_CONNECTIONS && bytes === before) return;
    before = bytes;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error("Cannot tell the memory of idle connections: the server did not settle");
}

/** Runs the benchmark. */
export async function main(args: string[]): Promise<void> {
  const options = parseArgs(args, {
    string: ["seconds", "rounds"],
    boolean: ["help"],
    default: { seconds: "1", rounds: "3" },
  });
  const seconds = Number(options.seconds);
  const rounds = Number(options.rounds);
  if (options.help || !(seconds > 0) || !Number.isInteger(rounds) || rounds < 1) {
    return print(USAGE);
  }
  const withNats = await hasNats();
  print(`${navigator.hardwareConcurrency} processors, load ${machineLoad()} before the run. `);
  print(`If other processes are busy, go by the CPU ratio.\n\n`);
  print(`${await repliesTable(seconds, rounds)}\n`);
  if (withNats) print(`${await broadcastTable(seconds, rounds)}\n`);
  else print("Broadcast is not compared: nats-server is not installed.\n\n");
  const streams = { name: "TextLineStream", command: pipeline() };
  const others = withNats ? [streams, NATS_SERVER] : [streams];
  print(`${await restTable([QUARTET, ...others], rounds)}\n`);
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
