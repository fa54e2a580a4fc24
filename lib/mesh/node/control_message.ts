/**
 * What node 0 and the others say to each other about jobs, a JSON object a line. What comes is
 * checked: who speaks on a control link need not be a node.
 *
 * @module
 */

import * as v from "valibot";
import type { MeshStatus, NodeProgress } from "./console.ts";
import { isRecordFormat, type RecordFormat } from "../records/record_format.ts";
import { PHASES } from "../job/sort_progress.ts";
import { MAX_NODES } from "../sort/splitters.ts";

/** A job as node 0 hands it out. */
export interface JobOrder {
  /** Unlike that of any other job of any daemon. */
  key: string;
  id: number;
  input: string;
  output: string;
  format: RecordFormat;
}

/** What is said on a control link. */
export type ControlMessage =
  /** From node 0. */
  | { kind: "start"; order: JobOrder }
  | { kind: "stop"; key: string; reason: string }
  | { kind: "status"; status: MeshStatus }
  | { kind: "reply"; request: number; reply: string }
  /** To node 0. */
  | { kind: "submit"; request: number; input: string; output: string; format: RecordFormat }
  | { kind: "cancel"; request: number; job?: number }
  | { kind: "progress"; key: string; progress: NodeProgress }
  | { kind: "ended"; key: string; records: number; failure?: string }
  /** From both, as a sign of life. */
  | { kind: "ping" };

/** A whole number that is exact. */
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const nodeNumber = v.pipe(count, v.maxValue(MAX_NODES - 1));
const format = v.custom<RecordFormat>(isRecordFormat);
const job = { input: v.string(), output: v.string(), format };

const progress = v.object({
  node: nodeNumber,
  phase: v.picklist(["connect", ...PHASES]),
  doneBytes: count,
  totalBytes: count,
  records: count,
  sentBytes: count,
  receivedBytes: count,
});

const status = v.object({
  jobs: v.array(v.object({
    id: count,
    ...job,
    state: v.picklist(["waiting", "running", "done", "failed", "cancelled"]),
    result: v.string(),
    progress: v.array(progress),
  })),
  up: v.array(nodeNumber),
});

const messageSchema: v.GenericSchema<unknown, ControlMessage> = v.variant("kind", [
  v.object({ kind: v.literal("start"), order: v.object({ key: v.string(), id: count, ...job }) }),
  v.object({ kind: v.literal("stop"), key: v.string(), reason: v.string() }),
  v.object({ kind: v.literal("status"), status }),
  v.object({ kind: v.literal("reply"), request: count, reply: v.string() }),
  v.object({ kind: v.literal("submit"), request: count, ...job }),
  v.object({ kind: v.literal("cancel"), request: count, job: v.exactOptional(count) }),
  v.object({ kind: v.literal("progress"), key: v.string(), progress }),
  v.object({
    kind: v.literal("ended"),
    key: v.string(),
    records: count,
    failure: v.exactOptional(v.string()),
  }),
  v.object({ kind: v.literal("ping") }),
]);

/**
 * Reads a message.
 *
 * @throws {SyntaxError} If it is none.
 */
export function parseControlMessage(text: string): ControlMessage {
  const { success, output, issues } = v.safeParse(messageSchema, JSON.parse(text));
  if (success) return output;
  const path = v.getDotPath(issues[0]) ?? "the message";
  throw new SyntaxError(`Cannot read "${text.slice(0, 100)}": ${path} is not what it should be`);
}
