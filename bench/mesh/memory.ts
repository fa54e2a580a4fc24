import { formatTable } from "../support/table.ts";
import { generateShares, RECORD_BYTES, settle } from "./files.ts";
import { quartetSort } from "./sorts.ts";

const MB = 1_000_000;
const MIB = 1024 * 1024;
const MEMORIES_BYTES = [64 * MIB, 128 * MIB, 512 * MIB];
/** The most that a process may have beyond `--memory`: the program with one thread, */
const PROGRAM_BYTES = 150 * MIB;
/** and every further thread. */
const THREAD_BYTES = 40 * MIB;
/** The most that may be spilled, in parts of the input. */
const MAX_SPILL = 1.3;

/** The peak memory that a process may reach. */
export function allowedBytes(memoryBytes: number, threads: number): number {
  return memoryBytes + PROGRAM_BYTES + (threads - 1) * THREAD_BYTES;
}

/**
 * Sorts with little and with much memory, with few and with many threads, and on several nodes, and
 * compares the peak memory of the processes and the size of the spill files with what is allowed.
 *
 * @param bytes The size of the inputs of all nodes together.
 * @returns The table.
 */
export async function memoryTable(
  { bytes, directory }: { bytes: number; directory: string },
): Promise<string> {
  const rows: string[][] = [];
  for (const nodes of [1, 2, 4]) {
    const records = Math.floor(bytes / RECORD_BYTES);
    const paths = await generateShares(`${directory}/memory`, { records, nodes });
    for (const memoryBytes of MEMORIES_BYTES) {
      for (const threads of [2, 8]) {
        await settle();
        const run = await quartetSort(paths, { directory, memoryBytes, threads });
        const allowed = allowedBytes(memoryBytes, threads);
        const spill = run.spilledBytes / bytes;
        rows.push([
          `${memoryBytes / MIB}`,
          `${threads}`,
          `${nodes}`,
          run.seconds.toFixed(1),
          (bytes / MB / run.seconds).toFixed(0),
          `${spill.toFixed(2)}×`,
          `≤ ${MAX_SPILL}×`,
          (run.peakBytes / MIB).toFixed(0),
          `≤ ${allowed / MIB}`,
          run.peakBytes <= allowed && spill <= MAX_SPILL ? "" : "exceeded",
        ]);
      }
    }
    for (const path of paths) await Deno.remove(path);
  }
  const head = ["memory MiB", "threads", "nodes", "s", "MB/s", "spilled", "wanted"];
  return formatTable([...head, "peak MiB a process", "wanted", ""], rows);
}
