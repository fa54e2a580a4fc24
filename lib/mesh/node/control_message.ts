/**
 * The messages of a control link, one JSON object per line. Everything received is validated: the
 * other end of a control link need not be a node.
 *
 * @module
 */

import * as v from "valibot";
import type { MeshStatus, NodeProgress } from "./console.ts";
import { isRecordFormat, type RecordFormat } from "../records/record_format.ts";
import { PHASES } from "../job/sort_progress.ts";
import { MAX_NODES } from "../sort/splitters.ts";

/** A job as node 0 hands it out to all nodes. */
export interface JobOrder {
  /** Unique among the jobs of all daemons. */
  key: string;
  id: number;
  input: string;
  output: string;
  format: RecordFormat;
}

/** How a job ended on one node. */
export interface JobOutcome {
  /** Records in the output of that node. */
  records: number;
  /** Why it failed; absent if it did not. */
  failure?: string;
  /** Of node 0: the records of all nodes, if the job is committed, even if another step fails. */
  committed?: number;
}

/** A message of a control link. */
export type ControlMessage =
  /** From node 0. */
  | { kind: "start"; order: JobOrder }
  | { kind: "stop"; key: string; reason: string }
  | { kind: "status"; status: MeshStatus }
  | { kind: "reply"; request: number; reply: string }
  /** Also repeated until the member says `finished`. */
  | { kind: "decision"; key: string; committed: boolean }
  /** To node 0. */
  | { kind: "submit"; request: number; input: string; output: string; format: RecordFormat }
  | { kind: "cancel"; request: number; job?: number }
  | { kind: "retry"; request: number; job: number }
  | { kind: "progress"; key: string; progress: NodeProgress }
  | { kind: "ended"; key: string } & JobOutcome
  /** It does not know whether the job is committed, */
  | { kind: "ask"; key: string }
  /** or its output has its name. */
  | { kind: "finished"; key: string }
  /** From both sides, as a sign of life. */
  | { kind: "ping" };

/** A non-negative integer that a double represents exactly. */
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** In Unix time, in the range of `Date`. */
const time = v.pipe(count, v.maxValue(8.64e15));
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
    submittedMs: time,
    startedMs: v.exactOptional(time),
    endedMs: v.exactOptional(time),
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
  v.object({ kind: v.literal("retry"), request: count, job: count }),
  v.object({ kind: v.literal("progress"), key: v.string(), progress }),
  v.object({
    kind: v.literal("ended"),
    key: v.string(),
    records: count,
    failure: v.exactOptional(v.string()),
  }),
  v.object({ kind: v.literal("decision"), key: v.string(), committed: v.boolean() }),
  v.object({ kind: v.literal("ask"), key: v.string() }),
  v.object({ kind: v.literal("finished"), key: v.string() }),
  v.object({ kind: v.literal("ping") }),
]);

/**
 * Parses and validates a message. Unknown fields are dropped.
 *
 * @throws {SyntaxError} If it is not a message.
 */
export function parseControlMessage(text: string): ControlMessage {
  const { success, output, issues } = v.safeParse(messageSchema, JSON.parse(text));
  if (success) return output;
  const path = v.getDotPath(issues[0]) ?? "the message";
  throw new SyntaxError(`Cannot read "${text.slice(0, 100)}": ${path} is not what it should be`);
}
