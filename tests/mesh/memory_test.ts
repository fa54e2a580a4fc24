/**
 * The memory of a real process, as the operating system counts it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { SAMPLED_KEY_BYTES } from "../../lib/mesh/sort/sampler.ts";
import { until } from "../support/within.ts";
import { MeshFiles } from "./support/nodes.ts";
import { QuartetProcess } from "./support/quartet_process.ts";

const MIB = 1024 * 1024;
const MEMORY_MIB = 64;
const THREADS = 2;
/** What `--memory` does not count: the program with one thread, and every further thread. */
const ALLOWED_MIB = MEMORY_MIB + 150 + 40 * (THREADS - 1);
const INPUT_BYTES = 130 * MIB;
const LONG_BYTES = 60_000;
const WAIT_MS = 180_000;

/**
 * Long lines that differ only behind the part that is sampled: one bucket gets all of them and has to
 * be split.
 */
function misleading(): Uint8Array {
  const lines = new Uint8Array(INPUT_BYTES).fill(0x61);
  for (let at = 0; at + LONG_BYTES < lines.length; at += LONG_BYTES) {
    const number = `${at * 7919 % 1_000_003}`;
    new TextEncoder().encodeInto(number, lines.subarray(at + SAMPLED_KEY_BYTES));
    lines[at + LONG_BYTES - 1] = 0x0a;
  }
  return lines;
}

/** The most memory that a process has had so far, in MiB; 0 if it has ended. */
function peakMib(pid: number): number {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

Deno.test({
  name: "quartet sort: --memory bounds the process when a bucket is split that is larger",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using files = await MeshFiles.create([misleading()]);
    const words = files.words(0, "--lines", "--threads", `${THREADS}`, "--json");
    await using process = new QuartetProcess(words);
    let peak = 0;
    let ended = false;
    const ending = process.ended().finally(() => ended = true);
    await until(
      "the sort has ended",
      () => {
        peak = Math.max(peak, peakMib(process.child.pid));
        return ended;
      },
      WAIT_MS,
      50,
    );
    const { code, stdout, stderr } = await ending;
    assert.equal(stderr, "");
    assert.equal(code, 0);
    assert.ok(JSON.parse(stdout).spilledBytes > INPUT_BYTES, "the bucket was spilled and split");
    assert.ok(peak > MEMORY_MIB, "the memory was measured");
    assert.ok(peak <= ALLOWED_MIB, `${peak} MiB, ${ALLOWED_MIB} are allowed`);
  },
});
