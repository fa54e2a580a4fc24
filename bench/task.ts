/**
 * `deno task bench task`: compares the queue with beanstalkd, and on PostgreSQL with one statement at
 * a time, in one run. Each server is a separate process, measured several times in turn with the
 * others!. The tables show the medians.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { PostgresServer } from "../tests/support/postgres.ts";
import { type Measurement, medians } from "./support/measure.ts";
import { type ServerCommand, startServer } from "./support/servers.ts";
import { formatCount, formatTable } from "./support/table.ts";
import { loading } from "./task/load.ts";
import { stall } from "./task/stall.ts";
import { fill, measureCycles, measurePuts, memoryOf, readyJobs } from "./task/loads.ts";
import {
  beanstalkd,
  durableBeanstalkd,
  emptyLoop,
  hasBeanstalkd,
  oneStatementAtATime,
  quartet,
} from "./task/servers.ts";

const CONNECTIONS = 50;
const BODY_BYTES = 64;
const QUEUE_SIZES = [1_000, 100_000, 1_000_000];

/** The parts of the benchmark. */
const PARTS = ["memory", "sqlite", "postgres", "size", "load", "stall"];

const USAGE = `deno task bench task [--seconds 2] [--rounds 3] [--only ${PARTS.join(",")}]

  --seconds S  how long each measurement takes
  --rounds N   how often each is taken
  --only PARTS which parts, separated by commas
`;

/** Two servers to compare. */
interface Match {
  name: string;
  own: ServerCommand;
  other: ServerCommand;
  /** The limit for `own`, to show beside it. */
  empty?: ServerCommand;
  wanted: number;
}

async function compare(
  { name, own, other, empty, wanted }: Match,
  options: Options,
): Promise<string[]> {
  const load = { connections: CONNECTIONS, bodyBytes: BODY_BYTES, seconds: options.seconds };
  const commands = empty === undefined ? [own, other] : [own, other, empty];
  const runs: Measurement[][] = commands.map(() => []);
  for (let round = 0; round < options.rounds; round++) {
    for (const [index, command] of commands.entries()) {
      await using server = await startServer(command);
      runs[index]!.push(await measureCycles(server, load));
    }
  }
  const [ours, others, limit] = runs.map((all) => medians(all));
  return [
    name,
    formatCount(ours!.perSecond),
    formatCount(others!.perSecond),
    `${(ours!.perSecond / others!.perSecond).toFixed(2)}×`,
    `≥ ${wanted}×`,
    ours!.serverCpuPerMillion.toFixed(1),
    others!.serverCpuPerMillion.toFixed(1),
    `${(100 * ours!.loadBusy).toFixed(0)} %`,
    limit === undefined ? "" : formatCount(limit.perSecond),
  ];
}

/** Measures puts and memory as the queue grows. */
async function sizeTable(options: Options): Promise<string> {
  const rows: string[][] = [];
  await using server = await startServer(quartet("memory:"));
  const load = { connections: CONNECTIONS, bodyBytes: BODY_BYTES, seconds: options.seconds };
  await measureCycles(server, load);
  const emptyBytes = await memoryOf(server);
  let size = 0;
  for (const wanted of QUEUE_SIZES) {
    fill(server, wanted - size, { bodyBytes: BODY_BYTES });
    size = await readyJobs(server);
    const filled = size;
    const bytes = await memoryOf(server);
    const runs: Measurement[] = [];
    for (let round = 0; round < options.rounds; round++) {
      runs.push(await measurePuts(server, load));
    }
    size = await readyJobs(server);
    const puts = medians(runs);
    rows.push([
      formatCount(filled),
      formatCount(puts.perSecond),
      puts.serverCpuPerMillion.toFixed(1),
      `${((bytes - emptyBytes) / 1024 ** 2).toFixed(0)} MiB`,
      `${((bytes - emptyBytes) / filled - BODY_BYTES).toFixed(0)} B`,
      "≤ 350 B",
    ]);
  }
  return "A growing queue in memory: puts a second, and memory on top of that of an empty queue.\n\n" +
    formatTable(["ready jobs", "puts/s", "CPU s/M", "memory", "beside the body", "wanted"], rows);
}

/** The options of the command line. */
interface Options {
  seconds: number;
  rounds: number;
}

/** Runs the benchmark. */
export async function main(args: string[]): Promise<void> {
  const parsed = parseArgs(args, {
    string: ["seconds", "rounds", "only"],
    boolean: ["help"],
    default: { seconds: "2", rounds: "3", only: PARTS.join(",") },
  });
  const options = { seconds: Number(parsed.seconds), rounds: Number(parsed.rounds) };
  const parts = String(parsed.only).split(",");
  const makesSense = options.seconds > 0 && options.rounds >= 1 &&
    parts.every((part) => PARTS.includes(part));
  if (parsed.help || !makesSense) return await print(USAGE);
  const rows: string[][] = [];
  const found = await hasBeanstalkd();
  if (!found) {
    await print("beanstalkd is not installed: nothing to compare memory and sqlite with\n");
  }
  if (found && parts.includes("memory")) {
    const match = { name: "memory, beside beanstalkd", own: quartet("memory:"), wanted: 0.85 };
    rows.push(
      await compare({ ...match, other: beanstalkd, empty: emptyLoop(BODY_BYTES) }, options),
    );
  }
  if (found && parts.includes("sqlite")) {
    const match = { name: "sqlite, beside beanstalkd -f 0", own: quartet("sqlite:bench.db") };
    rows.push(await compare({ ...match, other: durableBeanstalkd, wanted: 8 }, options));
  }
  if (parts.includes("postgres")) {
    await using postgres = await PostgresServer.start({ fsync: true });
    const [own, other] = [await postgres.createDatabase(), await postgres.createDatabase()];
    const match = { name: "postgres, beside one statement at a time", own: quartet(own) };
    rows.push(
      await compare({ ...match, other: oneStatementAtATime(other), wanted: 10 }, options),
    );
  }
  if (rows.length > 0) {
    await print(
      `put + reserve + delete, ${CONNECTIONS} connections, bodies of ${BODY_BYTES} bytes\n\n` +
        formatTable(
          [
            "",
            "quartet/s",
            "other/s",
            "ratio",
            "wanted",
            "CPU s/M",
            "other CPU s/M",
            "load busy",
            "empty loop/s",
          ],
          rows,
        ) + "\n",
    );
  }
  if (parts.includes("size")) await print(`${await sizeTable(options)}\n`);
  if (parts.includes("stall")) await print(`${await stall()}\n`);
  if (parts.includes("load")) await print(`${await loading()}\n`);
}

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(text));
}
