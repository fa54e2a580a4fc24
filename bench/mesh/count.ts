/**
 * Counting the lines of a log beside `sort | uniq -c`, and beside a plain sort.
 *
 * @module
 */

import { formatTable } from "../support/table.ts";
import { median } from "../support/usage.ts";
import { settle } from "./files.ts";
import { gnuCount, quartetSort, type Run } from "./sorts.ts";

const MB = 1_000_000;
const MIB = 1024 * 1024;
const BLOCK_LINES = 10_000;
const WANTED_RATIO = 3;
/** The logs: how many different lines there are at most, and whether `--count` has a wanted ratio. */
const LOGS = [
  { name: "log of 100 000 requests", distinct: 100_000, wanted: true },
  { name: "log of 100 requests", distinct: 100, wanted: false },
  { name: "no line twice", distinct: Infinity, wanted: false },
];

/**
 * Writes lines of about 100 bytes. The n-th most frequent of `distinct` lines is 1/n as frequent as the
 * first, as with words and pages; if that is infinite, no line occurs twice.
 */
async function generateLog(path: string, bytes: number, distinct: number): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const encoder = new TextEncoder();
  let seed = 1;
  const random = () => {
    seed = Math.imul(seed, 1_664_525) + 1_013_904_223 >>> 0;
    return seed / 2 ** 32;
  };
  let next = 0;
  for (let written = 0; written < bytes;) {
    let text = "";
    for (let i = 0; i < BLOCK_LINES; i++) {
      const n = Number.isFinite(distinct) ? Math.floor(distinct ** random()) : next++;
      // Neighbours are far apart in the order of lines.
      const page = Math.imul(n, 0x9e3779b1) >>> 0;
      text += `10.${page & 7}.${n % 250}.${n % 13} - - "GET /articles/${page}/view HTTP/1.1" ` +
        `${n % 9 === 0 ? 404 : 200} ${page % 90_000} "Mozilla/5.0 (X11; Linux x86_64)"\n`;
    }
    const block = encoder.encode(text);
    for (let at = 0; at < block.length;) at += await file.write(block.subarray(at));
    written += block.length;
  }
}

/** Measures one node beside coreutils, in turns; returns a table of the medians. */
export async function countTable(
  { bytes, rounds, directory }: { bytes: number; rounds: number; directory: string },
): Promise<string> {
  const rows: string[][] = [];
  for (const { name, distinct, wanted } of LOGS) {
    const input = `${directory}/log`;
    await generateLog(input, bytes, distinct);
    const memoryBytes = Math.min(3 * 1024 * MIB, Math.ceil(2 * bytes / MIB + 64) * MIB);
    const runs: { count: Run; sort: Run; gnu: Run }[] = [];
    for (let round = 0; round < rounds; round++) {
      const options = { directory, memoryBytes };
      await settle();
      const count = await quartetSort([input], { ...options, order: ["--lines", "--count"] });
      await settle();
      const sort = await quartetSort([input], { ...options, order: ["--lines"] });
      await settle();
      runs.push({ count, sort, gnu: await gnuCount(input, directory) });
    }
    const [count, sort, gnu] = (["count", "sort", "gnu"] as const).map((kind) => (
      median(runs.map((run) => run[kind].seconds))
    ));
    rows.push([
      name,
      count!.toFixed(2),
      (bytes / MB / count!).toFixed(0),
      sort!.toFixed(2),
      gnu!.toFixed(2),
      `${(sort! / count!).toFixed(2)}×`,
      `${(gnu! / count!).toFixed(2)}×`,
      wanted ? `≥ ${WANTED_RATIO}×` : "",
    ]);
    await Deno.remove(input);
  }
  const head = ["--count", "s", "MB/s", "sort s", "sort | uniq -c s", "to sort", "ratio", "wanted"];
  return formatTable(head, rows);
}
