/**
 * How much CPU time a start takes until commands are served, with a million jobs on disk.
 *
 * @module
 */

import { LoadSockets } from "../support/load_sockets.ts";
import { startServer } from "../support/servers.ts";
import { formatTable } from "../support/table.ts";
import { cpuSeconds, residentBytes } from "../support/usage.ts";
import { fill } from "./loads.ts";
import { quartet } from "./servers.ts";

const JOBS = 1_000_000;
const BODY_BYTES = 64;

/** Longer than the benchmark takes. */
const DELAY_SECONDS = 36_000;

/** The longest wait for the answer to one command. */
const MAX_ANSWER_MS = 120_000;

/** Measures starts with jobs that were put, and with jobs that have moved since. */
export async function loading(): Promise<string> {
  const contestants: [string, (port: number) => void][] = [
    ["put", (port) => fill({ port }, JOBS, { bodyBytes: BODY_BYTES })],
    ["put with a delay, kicked", (port) => {
      fill({ port }, JOBS, { bodyBytes: BODY_BYTES, delaySeconds: DELAY_SECONDS });
      const kicked = ask(port, `kick ${JOBS}`);
      if (kicked !== `KICKED ${JOBS}\r\n`) throw new Error(`Cannot continue: ${kicked}`);
    }],
  ];
  const rows: string[][] = [];
  for (const [name, prepare] of contestants) {
    const directory = await Deno.makeTempDir({ prefix: "quartet-bench-" });
    try {
      {
        await using first = await startServer(quartet("sqlite:task.db"), { directory });
        prepare(first.port);
      }
      const startedMs = performance.now();
      await using second = await startServer(quartet("sqlite:task.db"), { directory });
      if (!ask(second.port, "stats").includes(`current-jobs-ready: ${JOBS}\n`)) {
        throw new Error("Cannot continue: jobs are missing");
      }
      const cpu = await cpuSeconds(second.pid), tookMs = performance.now() - startedMs;
      const mib = await residentBytes(second.pid) / 1024 / 1024;
      const seconds = [cpu, tookMs / 1000].map((time) => `${time.toFixed(2)} s`);
      rows.push([name, ...seconds, "≤ 3 s", `${mib.toFixed(0)} MiB`]);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  }
  return `Start with ${JOBS} jobs on sqlite:, bodies of ${BODY_BYTES} bytes, until a command is answered; ` +
    `the server was killed before.\n\n` +
    formatTable(["jobs", "CPU", "time", "wanted", "resident"], rows);
}

/** Sends a command and returns its reply, which must come in one read. */
function ask(port: number, command: string): string {
  using sockets = new LoadSockets();
  sockets.connect(port, 1);
  sockets.send(0, new TextEncoder().encode(`${command}\r\n`));
  let reply = "";
  sockets.receive((_, bytes) => {
    reply = new TextDecoder().decode(sockets.received.subarray(0, bytes));
  }, MAX_ANSWER_MS);
  return reply;
}
