/**
 * Orders of lines of CSV beside GNU sort with the same options.
 *
 * @module
 */

import { formatTable } from "../support/table.ts";
import { median } from "../support/usage.ts";
import { settle } from "./files.ts";
import { gnuSort, quartetSort, type Run } from "./sorts.ts";

const MB = 1_000_000;
const MIB = 1024 * 1024;
const BLOCK_LINES = 10_000;
const WANTED_RATIO = 1.5;
/** The orders; the first is the one with a wanted ratio. */
const ORDERS = [["-t,", "-k2,2n"], ["-t,", "-k1,1", "-k2,2nr"], ["-t,", "-k5"]];

/** Writes lines of about 60 bytes: a name, a number, a fraction, a date and a text. */
async function generateLines(path: string, bytes: number): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const encoder = new TextEncoder();
  let seed = 1;
  const random = (n: number) => {
    seed = Math.imul(seed, 1_664_525) + 1_013_904_223 >>> 0;
    return Math.floor(seed / 2 ** 32 * n);
  };
  for (let written = 0; written < bytes;) {
    let text = "";
    for (let i = 0; i < BLOCK_LINES; i++) {
      const name = `user${String(random(100_000)).padStart(6, "0")}`;
      const fraction = (random(1_000_000) / 1_000_000).toFixed(6);
      const date = `2024-0${1 + random(9)}-1${random(10)}`;
      text += `${name},${random(2e9) - 1e9},${fraction},${date},some text ${random(1_000_000)}\n`;
    }
    const block = encoder.encode(text);
    for (let at = 0; at < block.length;) at += await file.write(block.subarray(at));
    written += block.length;
  }
}

/** Measures one node beside GNU sort, in turns; returns a table of the medians. */
export async function keysTable(
  { bytes, rounds, directory }: { bytes: number; rounds: number; directory: string },
): Promise<string> {
  const input = `${directory}/lines`;
  await generateLines(input, bytes);
  const memoryBytes = Math.min(3 * 1024 * MIB, Math.ceil(2 * bytes / MIB + 64) * MIB);
  const rows: string[][] = [];
  for (const [i, order] of ORDERS.entries()) {
    const [own, gnu]: [Run[], Run[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      await settle();
      own.push(await quartetSort([input], { directory, memoryBytes, order }));
      await settle();
      gnu.push(await gnuSort(input, directory, order));
    }
    const [ownSeconds, gnuSeconds] = [own, gnu].map((runs) =>
      median(runs.map((run) => run.seconds))
    );
    rows.push([
      order.join(" "),
      ownSeconds!.toFixed(2),
      gnuSeconds!.toFixed(2),
      (bytes / MB / ownSeconds!).toFixed(0),
      `${(gnuSeconds! / ownSeconds!).toFixed(2)}×`,
      i === 0 ? `≥ ${WANTED_RATIO}×` : "",
    ]);
  }
  await Deno.remove(input);
  return formatTable(["order", "s", "GNU sort s", "MB/s", "ratio", "wanted"], rows);
}
