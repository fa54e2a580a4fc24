/**
 * How long one client can make another one wait: the longest answer to `list-tube-used` while a
 * client does something that concerns many jobs.
 *
 * @module
 */

import { startServer } from "../support/servers.ts";
import { Other, Sender } from "../support/stall_clients.ts";
import { formatTable } from "../support/table.ts";
import { fill } from "./loads.ts";
import { quartet } from "./servers.ts";

const MANY_JOBS = 1_000_000;
const RESERVED_JOBS = 100_000;
const BATCH_JOBS = 1000;
const TUBES = 9_000;
const WAITING_CLIENTS = 500;

/** Longer than the benchmark takes. */
const DELAY_SECONDS = 36_000;

/** The wait that nothing should cause, in milliseconds. */
const WANTED_MS = 20;

const MARK = "end-of-commands";
const END = [`use ${MARK}\r\n`, `USING ${MARK}\r\n`] as const;

/** What a client does, and what has to be done before. */
interface Scenario {
  name: string;
  before?: (port: number, sender: Sender) => Promise<unknown>;
  run: (port: number, sender: Sender) => Promise<unknown>;
}

/** A `put-batch` of jobs with bodies of a size. */
function batchOf(count: number, bodyBytes: number, delaySeconds = 0): string {
  const jobs = `0 ${delaySeconds} 3600 ${bodyBytes}\r\n${"x".repeat(bodyBytes)}\r\n`.repeat(count);
  return `put-batch ${count} ${jobs.length}\r\n${jobs}\r\n`;
}

/** Sends commands and waits for the end of their replies. */
function send(commands: string): (port: number, sender: Sender) => Promise<void> {
  return (_, sender) => sender.run(commands, ...END);
}

/** Asks until a count of `stats` is 0. */
async function untilNone(port: number, count: string): Promise<void> {
  for (;;) {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await conn.write(new TextEncoder().encode("stats\r\n"));
    const reply = new Uint8Array(64 * 1024);
    const length = await conn.read(reply) ?? 0;
    if (new TextDecoder().decode(reply.subarray(0, length)).includes(`${count}: 0\n`)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const tubes = Array.from({ length: TUBES }, (_, index) => `tube-${index}`);

const SCENARIOS: readonly Scenario[] = [
  {
    name: "kick of 1 M",
    before: (port) => {
      fill({ port }, MANY_JOBS, { bodyBytes: 64, delaySeconds: DELAY_SECONDS });
      return Promise.resolve();
    },
    run: send(`use default\r\nkick ${MANY_JOBS}\r\n`),
  },
  {
    name: "a client leaves with 100 k reserved",
    run: async (port) => {
      const worker = await Sender.connect(port);
      const batches = `reserve-batch ${BATCH_JOBS} 0\r\n`.repeat(RESERVED_JOBS / BATCH_JOBS);
      await worker.run(batches, ...END);
      worker[Symbol.dispose]();
      await untilNone(port, "current-jobs-reserved");
    },
  },
  {
    name: "100 × put-batch of 1000",
    run: send(batchOf(BATCH_JOBS, 64).repeat(100)),
  },
  {
    name: "reserve-batch of 1000 × 60 kB",
    before: send(
      "use large\r\nwatch large\r\nignore default\r\n" + batchOf(10, 60_000).repeat(100),
    ),
    run: send(`reserve-batch ${BATCH_JOBS} 0\r\n`),
  },
  {
    name: "500 clients wait, a pause ends",
    before: send("use paused\r\n" + batchOf(WAITING_CLIENTS, 64) + "pause-tube paused 2\r\n"),
    run: async (port) => {
      await Promise.all(Array.from({ length: WAITING_CLIENTS }, async () => {
        using worker = await Sender.connect(port);
        await worker.run("watch paused\r\nignore default\r\nreserve\r\n", ...END);
      }));
    },
  },
  {
    name: "9000 tubes: list-tubes, stats",
    before: send(tubes.map((tube) => `use ${tube}\r\n${batchOf(1, 1)}`).join("")),
    run: send("list-tubes\r\nstats\r\n".repeat(20)),
  },
];

/** Measures the queue in memory. */
export async function stall(): Promise<string> {
  await using server = await startServer(quartet("memory:"));
  using other = await Other.start(server.port, "list-tube-used\r\n");
  using sender = await Sender.connect(server.port);
  const rows: string[][] = [];
  for (const { name, before, run } of SCENARIOS) {
    await before?.(server.port, sender);
    // What the preparation has left behind is not meant.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await other.report();
    const startMs = performance.now();
    await run(server.port, sender);
    const tookMs = performance.now() - startMs;
    // A wait that has begun ends now.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { maxMs } = await other.report();
    const verdict = maxMs <= WANTED_MS ? "" : "too long";
    rows.push([name, `${maxMs.toFixed(1)} ms`, verdict, `${tookMs.toFixed(0)} ms`]);
  }
  return `The longest wait of another client meanwhile, on memory:; wanted: ≤ ${WANTED_MS} ms.\n\n` +
    formatTable(["", "wait", "", "took"], rows);
}
