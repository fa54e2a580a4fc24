/**
 * `deno task bench mesh` compares sorting on one, two and four nodes of this machine with GNU sort, in
 * one run. Measurements alternate; the tables show medians. Quartet's times include syncing the
 * output to disk (fsync), GNU sort's do not.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { defaultWorkers } from "../lib/mesh/sort/sort_pool.ts";
import { generate, generateShares, RECORD_BYTES, settle } from "./mesh/files.ts";
import { countTable } from "./mesh/count.ts";
import { keysTable } from "./mesh/keys.ts";
import { kvLatencies } from "./mesh/kv_latency.ts";
import { allowedBytes, memoryTable } from "./mesh/memory.ts";
import { gnuSort, hasGnuSort, quartetSort, type Run } from "./mesh/sorts.ts";
import { formatTable } from "./support/table.ts";
import { median } from "./support/usage.ts";

const MB = 1_000_000;
const MIB = 1024 * 1024;
/** The least memory that a node accepts. */
const MIN_MEMORY_BYTES = 64 * MIB;
const PARTS = ["rate", "keys", "count", "spill", "memory", "kv"];

const USAGE =
  `deno task bench mesh [--mb 1000] [--rounds 3] [--only rate,keys,count,spill,memory,kv]
                     [--dir DIR]

  --mb N       megabytes to sort
  --rounds N   number of measurements of each sort
  --only PARTS parts to run, separated by commas: the rates; the rates of lines with
               keys; counting the lines of a log; 2 GiB with 128 MiB of memory; the peak memory with 64, 128 and 512 MiB, 2 and 8
               threads, and 1, 2 and 4 nodes; the latency of kv while the same daemon sorts
  --dir DIR    folder for the files (default: a temporary one); it needs four times the size
`;

interface Options {
  bytes: number;
  rounds: number;
  directory: string;
}

async function rates({ bytes, rounds, directory }: Options): Promise<void> {
  const records = Math.floor(bytes / RECORD_BYTES);
  const memoryBytes = Math.min(3 * 1024 * MIB, Math.ceil((1.5 * bytes + 64 * MIB) / MIB) * MIB);
  const shareOf = (nodes: number) => Math.max(MIN_MEMORY_BYTES, memoryBytes / nodes);
  const inputs = new Map<string, string[]>();
  for (const nodes of [1, 2, 4]) {
    const prefix = `${directory}/in-${nodes}`;
    inputs.set(`${nodes}`, await generateShares(prefix, { records, nodes }));
  }
  await generate(`${directory}/text`, records, { ascii: true });
  inputs.set("text", [`${directory}/text`]);

  const sorts: Record<string, () => Promise<Run>> = {
    "1 node": () => quartetSort(inputs.get("1")!, { directory, memoryBytes }),
    "2 nodes": () => quartetSort(inputs.get("2")!, { directory, memoryBytes: shareOf(2) }),
    "4 nodes": () => quartetSort(inputs.get("4")!, { directory, memoryBytes: shareOf(4) }),
    "1 node, text": () => quartetSort(inputs.get("text")!, { directory, memoryBytes }),
  };
  if (await hasGnuSort()) {
    sorts["GNU sort"] = () => gnuSort(inputs.get("1")![0]!, directory);
    sorts["GNU sort, text"] = () => gnuSort(inputs.get("text")![0]!, directory);
  }
  const runs = new Map<string, Run[]>(Object.keys(sorts).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, sort] of Object.entries(sorts)) {
      await settle();
      runs.get(name)!.push(await sort());
    }
  }
  const middle = (name: string, pick: (run: Run) => number) => median(runs.get(name)!.map(pick));
  const rate = (name: string) => records * RECORD_BYTES / MB / middle(name, (run) => run.seconds);
  const wanted: Record<string, [beside: string, ratio: number]> = {
    "1 node": ["GNU sort", 1.3],
    "1 node, text": ["GNU sort, text", 2],
    "2 nodes": ["1 node", 0.9],
    "4 nodes": ["1 node", 0.75],
  };
  const phases = ["sample", "shuffle", "sort", "commit"];
  const rows = Object.keys(sorts).map((name) => {
    const [beside, ratio] = wanted[name] ?? [];
    const compared = beside !== undefined && runs.has(beside);
    return [
      name,
      middle(name, (run) => run.seconds).toFixed(2),
      rate(name).toFixed(0),
      compared ? `${(rate(name) / rate(beside)).toFixed(2)}× ${beside}` : "",
      compared ? `≥ ${ratio}×` : "",
      ...phases.map((phase) => middle(name, (run) => run.phases[phase] ?? 0).toFixed(2)),
      (middle(name, (run) => run.peakBytes) / MIB).toFixed(0),
    ];
  });
  const head = ["sort", "s", "MB/s", "ratio", "wanted", ...phases, "peak MiB a process"];
  print(formatTable(head, rows));
}

async function spill({ directory, bytes }: Options): Promise<void> {
  const MEMORY_BYTES = 128 * MIB;
  const allowed = allowedBytes(MEMORY_BYTES, defaultWorkers());
  const records = Math.floor(Math.max(bytes, 2 * 1024 * MIB) / RECORD_BYTES);
  const rows: string[][] = [];
  for (const nodes of [1, 2]) {
    const paths = await generateShares(`${directory}/large`, { records, nodes });
    await settle();
    const run = await quartetSort(paths, { directory, memoryBytes: MEMORY_BYTES });
    for (const path of paths) await Deno.remove(path);
    rows.push([
      `${nodes}`,
      run.seconds.toFixed(1),
      (records * RECORD_BYTES / MB / run.seconds).toFixed(0),
      (run.spilledBytes / MB).toFixed(0),
      (run.peakBytes / MIB).toFixed(0),
      `≤ ${allowed / MIB}`,
    ]);
  }
  print(formatTable(["nodes, 128 MiB", "s", "MB/s", "spilled MB", "peak MiB", "wanted"], rows));
}

async function kv({ directory, bytes }: Options): Promise<void> {
  const input = `${directory}/kv-input`;
  await generate(input, Math.floor(bytes / RECORD_BYTES));
  await settle();
  const rows = (await kvLatencies(input)).map((
    { name, count, p50Ms, p99Ms, maxMs },
  ) => [name, `${count}`, p50Ms.toFixed(3), p99Ms.toFixed(3), maxMs.toFixed(1)]);
  await Deno.remove(input);
  const head = ["kv GET, one at a time", "count", "p50 ms", "p99 ms", "max ms"];
  print(formatTable(head, [...rows, ["wanted", "", "", "≤ 5", "≤ 30"]]));
}

/** Runs the benchmark. */
export async function main(args: string[]): Promise<void> {
  const parsed = parseArgs(args, {
    string: ["mb", "rounds", "only", "dir"],
    boolean: ["help"],
    default: { mb: "1000", rounds: "3", only: PARTS.join(",") },
  });
  const bytes = Number(parsed.mb) * MB;
  const rounds = Number(parsed.rounds);
  const only = String(parsed.only).split(",");
  if (
    parsed.help || !(bytes >= MB) || !(rounds >= 1) || only.some((part) => !PARTS.includes(part))
  ) {
    print(USAGE);
    Deno.exit(parsed.help ? 0 : 2);
  }
  const directory = await Deno.makeTempDir(
    parsed.dir === undefined ? { prefix: "quartet-bench-" } : { dir: parsed.dir },
  );
  try {
    const options = { bytes, rounds, directory };
    if (only.includes("rate")) await rates(options);
    if (only.includes("keys") && await hasGnuSort()) print(await keysTable(options));
    if (only.includes("count") && await hasGnuSort()) print(await countTable(options));
    if (only.includes("spill")) await spill(options);
    if (only.includes("memory")) print(await memoryTable(options));
    if (only.includes("kv")) await kv(options);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
