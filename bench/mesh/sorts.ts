import { freePorts } from "../../tests/support/ports.ts";
import { denoRun, isInstalled, ROOT, V8_FLAGS } from "../support/servers.ts";

/** The measurements of one sort. */
export interface Run {
  seconds: number;
  /** Seconds by phase, each of the slowest node. */
  phases: Record<string, number>;
  spilledBytes: number;
  /** The highest peak memory of a process. */
  peakBytes: number;
}

const WATCH_MS = 50;

/** Whether GNU sort is installed. */
export async function hasGnuSort(): Promise<boolean> {
  return await isInstalled("sort");
}

/** Sorts a file with GNU sort. */
export async function gnuSort(
  input: string,
  directory: string,
  order: readonly string[] = [],
): Promise<Run> {
  const output = `${directory}/gnu-output`;
  const startMs = performance.now();
  const child = new Deno.Command("sort", {
    args: ["--parallel=2", "-S", "50%", "-T", directory, ...order, "-o", output, input],
    env: { LC_ALL: "C" },
  }).spawn();
  const [peakBytes, { success }] = await Promise.all([peakMemory(child), child.status]);
  const seconds = (performance.now() - startMs) / 1000;
  await Deno.remove(output);
  if (!success) throw new Error("GNU sort failed");
  return { seconds, phases: {}, spilledBytes: 0, peakBytes };
}

/** Counts the lines of a file with `sort | uniq -c`. */
export async function gnuCount(input: string, directory: string): Promise<Run> {
  const output = `${directory}/gnu-output`;
  const startMs = performance.now();
  const { success } = await new Deno.Command("sh", {
    args: [
      "-c",
      'sort --parallel=2 -S 50% -T "$1" "$2" | uniq -c > "$3"',
      "sh",
      directory,
      input,
      output,
    ],
    env: { LC_ALL: "C" },
  }).output();
  const seconds = (performance.now() - startMs) / 1000;
  await Deno.remove(output);
  if (!success) throw new Error("sort | uniq -c failed");
  return { seconds, phases: {}, spilledBytes: 0, peakBytes: 0 };
}

/** Sorts files with one process each, and the given memory and threads for each process. */
export async function quartetSort(
  inputs: string[],
  { directory, memoryBytes, threads, order = [] }: {
    directory: string;
    memoryBytes: number;
    threads?: number;
    order?: readonly string[];
  },
): Promise<Run> {
  const nodes = freePorts(inputs.length).map((port) => `127.0.0.1:${port}`).join(",");
  const outputs = inputs.map((_, node) => `${directory}/output-${node}`);
  const permissions = ["--allow-net", "--allow-read", "--allow-write", "--allow-env"];
  const startMs = performance.now();
  const results = await Promise.all(inputs.map(async (input, node) => {
    const mesh = inputs.length > 1 ? ["--nodes", nodes, "--node", `${node}`] : [];
    const memory = ["--memory", `${Math.floor(memoryBytes)}B`];
    const parallel = threads === undefined ? [] : ["--threads", `${threads}`];
    const options = [...mesh, ...memory, ...parallel, ...order];
    const words = ["sort", "--json", ...options, input, outputs[node]!];
    const { command, args } = denoRun([
      `--v8-flags=${V8_FLAGS}`,
      ...permissions,
      `${ROOT}main.ts`,
      ...words,
    ]);
    const child = new Deno.Command(command, { args, stdout: "piped" }).spawn();
    const [peakBytes, { stdout, success }] = await Promise.all([peakMemory(child), child.output()]);
    if (!success) throw new Error("quartet sort failed");
    return { peakBytes, summary: JSON.parse(new TextDecoder().decode(stdout)) };
  }));
  const seconds = (performance.now() - startMs) / 1000;
  for (const output of outputs) await Deno.remove(output);
  const phases: Record<string, number> = {};
  for (const { summary } of results) {
    for (const [phase, time] of Object.entries<number>(summary.seconds)) {
      phases[phase] = Math.max(phases[phase] ?? 0, time);
    }
  }
  return {
    seconds,
    phases,
    spilledBytes: results.reduce((sum, { summary }) => sum + summary.spilledBytes, 0),
    peakBytes: Math.max(...results.map((result) => result.peakBytes)),
  };
}

/** The peak memory of a process, as the kernel counts it. */
async function peakMemory(child: Deno.ChildProcess): Promise<number> {
  let peakBytes = 0;
  let ended = false;
  child.status.then(() => ended = true);
  while (!ended) {
    try {
      const status = await Deno.readTextFile(`/proc/${child.pid}/status`);
      const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
      if (kib !== undefined) peakBytes = 1024 * Number(kib);
    } catch {
      // It has ended since the last look.
    }
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  }
  return peakBytes;
}
