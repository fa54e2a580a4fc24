import assert from "node:assert/strict";
import { SortJob, type SortJobOptions } from "../../../lib/mesh/job/sort_job.ts";
import type { PeerLink } from "../../../lib/mesh/link/peer_link.ts";
import {
  DEFAULT_RECORD_FORMAT,
  type RecordFormat,
} from "../../../lib/mesh/records/record_format.ts";
import { MIN_MEMORY_BYTES } from "../../../lib/mesh/sort/slot_budget.ts";
import type { Partition } from "../../../lib/mesh/sort/splitters.ts";
import { within } from "../../support/within.ts";
import { MeshFiles } from "./nodes.ts";
import { linkPair } from "./pipe_links.ts";

const END_MS = 180_000;
/** Far longer than any test takes, so that no job stalls on a busy machine. */
const STALL_TIMEOUT_MS = 600_000;

/** Makes one job for each node, all in this process and linked by pipes. */
export function linkedJobs(
  files: MeshFiles,
  nodes: number,
  options: Partial<SortJobOptions> = {},
): SortJob[] {
  const links: PeerLink[][] = Array.from({ length: nodes }, () => []);
  for (let a = 0; a < nodes; a++) {
    for (let b = a + 1; b < nodes; b++) {
      const { here, there } = linkPair(a, b);
      links[a]!.push(here);
      links[b]!.push(there);
    }
  }
  return links.map((links, node) => (
    new SortJob({
      node,
      nodes,
      job: "test",
      links,
      inputs: [files.input(node)],
      output: files.output(node),
      format: DEFAULT_RECORD_FORMAT,
      partition: "sample",
      memoryBytes: MIN_MEMORY_BYTES,
      spillDir: files.directory,
      workers: 1,
      stallTimeoutMs: STALL_TIMEOUT_MS,
      ...options,
    })
  ));
}

/**
 * Sorts one input for each node, all nodes in this process, and expects nothing to be left behind.
 * What it covers needs no processes and no sockets, and starts far faster.
 *
 * @returns The outputs, in the order of the nodes.
 */
export async function sortInProcess(
  inputs: Uint8Array[],
  options: { format?: RecordFormat; partition?: Partition; workers?: number } = {},
): Promise<Uint8Array[]> {
  await using files = await MeshFiles.create(inputs);
  const running = linkedJobs(files, inputs.length, options).map((job) => job.run());
  await within(END_MS, "the end of the job", Promise.all(running));
  assert.deepEqual(await files.leftovers(), []);
  return await files.outputs();
}
