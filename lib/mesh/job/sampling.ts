/**
 * The first phase of a job: every node samples its input, and node 0 cuts the key space into
 * buckets according to all samples.
 *
 * @module
 */

import { commonHeader } from "./csv_header.ts";
import { bucketsFor } from "../sort/bucket_size.ts";
import { encodeKeyList, keyCount } from "../sort/key_list.ts";
import {
  decodePlan,
  decodeSample,
  encodePlan,
  encodeSample,
  FRAME,
  FrameError,
  type InputSample,
  type Plan,
} from "../link/frame.ts";
import type { PeerGroup } from "./peer_group.ts";
import type { RecordFormat } from "../records/record_format.ts";
import type { InputFile } from "../sort/sort_messages.ts";
import { sampleKeysFor } from "../sort/sampler.ts";
import type { SortThread } from "../sort/sort_pool.ts";
import type { Partition } from "../sort/splitters.ts";

/** The assumed length of a line when buckets are planned, as lines are not counted before. */
const PLANNED_LINE_BYTES = 16;

/** The parts of a job that all nodes know beforehand. */
export interface PlanOptions {
  node: number;
  nodes: number;
  format: RecordFormat;
  partition: Partition;
  /** The least number of buckets for each node, if there is the memory for them. */
  minBuckets: number;
  /** Does the planning on node 0, so that the main thread can talk to the peers meanwhile. */
  thread: SortThread;
}

/**
 * Samples the input of this node.
 *
 * @param files Its files.
 * @param bytes The size of all of them.
 * @param minBuckets The least number of buckets for each node.
 * @param maxBuckets How many buckets this node has the memory to deal out to.
 */
export async function sampleInput(
  thread: SortThread,
  { files, bytes, node, nodes, minBuckets, maxBuckets, header }: {
    files: readonly InputFile[];
    bytes: number;
    node: number;
    nodes: number;
    minBuckets: number;
    maxBuckets: number;
    header: Uint8Array;
  },
): Promise<InputSample> {
  if (bytes === 0) return { bytes, maxBuckets, keys: encodeKeyList([]), header };
  const buckets = Math.max(minBuckets, bucketsFor({ bytes, records: 0 }));
  const wanted = sampleKeysFor({ buckets, nodes });
  const keys = await thread.sample({ kind: "sample-files", files, node, keys: wanted });
  return { bytes, maxBuckets, keys, header };
}

/**
 * Agrees with all nodes on the cuts between buckets: node 0 collects the samples and sends the plan.
 *
 * @param sample The sample of this node.
 * @returns The plan, and on node 0 the header of the sorted data.
 * @throws {Error} If the headers of two nodes differ.
 * @throws {FrameError} If a sample or the plan is malformed.
 * @throws {SortEndedError} If the job ends before.
 */
export async function agreeOnPlan(
  peers: PeerGroup,
  sample: InputSample,
  options: PlanOptions,
): Promise<Plan & { header?: Uint8Array }> {
  const { node, nodes } = options;
  if (node !== 0) {
    await peers.send(0, FRAME.SAMPLE, encodeSample(sample));
    const plan = decodePlan((await peers.collect(FRAME.PLAN, 1))[0]!.frame.payload);
    if (keyCount(plan.splitters) + 1 !== plan.bucketsPerNode * nodes) {
      throw new FrameError("a plan of the wrong size");
    }
    return plan;
  }
  const samples = [sample];
  for (const { from, frame } of await peers.collect(FRAME.SAMPLE, nodes - 1)) {
    samples[from] = decodeSample(frame.payload);
  }
  const header = commonHeader(samples.map((each) => each.header));
  const plan = await makePlan(samples, options);
  await peers.sendAll(FRAME.PLAN, encodePlan(plan));
  return { ...plan, header };
}

async function makePlan(
  samples: InputSample[],
  { nodes, partition, format, thread, minBuckets }: PlanOptions,
): Promise<Plan> {
  const bytes = samples.reduce((sum, { bytes }) => sum + bytes, 0) / nodes;
  const records = bytes / (format.recordBytes || PLANNED_LINE_BYTES);
  const most = Math.floor(Math.min(...samples.map(({ maxBuckets }) => maxBuckets)) / nodes);
  const wanted = Math.max(minBuckets, Math.ceil(bucketsFor({ bytes, records })));
  const bucketsPerNode = Math.max(1, Math.min(wanted, most));
  const sized = samples.map(({ bytes, keys }) => ({ bytes, keys }));
  const betweenKeys = format.reduce !== undefined;
  const splitters = await thread.cut(sized, { nodes, bucketsPerNode, partition, betweenKeys });
  return { bucketsPerNode, splitters };
}
