import type { Log } from "../../log.ts";
import type { Metric } from "../../metrics.ts";
import type { Connection } from "../../net/connection.ts";
import type { ReadBuffer } from "../../net/read_buffer.ts";
import { type Address, formatAddress } from "../../net/address.ts";
import type { Hello } from "../link/hello.ts";
import type { Meeting } from "../link/meeting.ts";
import type { RecordFormat } from "../records/record_format.ts";
import type { MeshStatus } from "./console.ts";
import type { Doubt } from "./doubts.ts";
import type { LocalJobOptions } from "./local_job.ts";

/** Options for either kind of node. */
export interface MeshNodeOptions extends LocalJobOptions {
  /** The parts of earlier jobs whose outcome is not known. */
  doubts: readonly Doubt[];
  /** The longest line of any job; that of node 0 applies. */
  maxLineBytes: number;
  /** How many jobs may wait; node 0 enforces it. */
  maxQueue: number;
  log: Log;
}

/** The limits of a node that can change. */
export type MeshLimits = Pick<
  MeshNodeOptions,
  "memoryBytes" | "maxLineBytes" | "dialTimeoutMs" | "stallTimeoutMs" | "maxQueue"
>;

/** The files of a job and the format of their records, as a client submits them. */
export interface JobFiles {
  input: string;
  output: string;
  format: RecordFormat;
}

/**
 * One daemon of a mesh, as the service sees it. Node 0 is the coordinator: it keeps the queue and a
 * control link to each of the others, which are members. A job has links of its own between all
 * nodes while it runs.
 */
export interface MeshNode {
  /** The jobs and the connected nodes. Members know what node 0 told them last. */
  readonly status: MeshStatus;
  /** Metrics of finished jobs, and the progress of the running one. */
  metrics(): Metric[];
  /** Why no job can run at the moment; empty if one can. */
  problems(): string[];
  /** What a reader of STATUS should know: the problems, and outputs that are not finished. */
  notices(): string[];
  /** The meeting that a calling peer belongs to, or the reason why there is none. */
  findMeeting(hello: Hello): Meeting | string;
  /**
   * Serves a connection that opened with CONTROL, until it ends.
   *
   * @param text The hello, without the word before it.
   * @param buffer What was read after the hello.
   */
  serveControl(
    connection: Connection,
    text: string,
    buffer: ReadBuffer,
  ): Promise<void>;
  /**
   * Changes the limits. A job that runs goes on with the old ones, and so does a control link until
   * it is made again; a lower `maxQueue` removes no job from the queue.
   */
  setLimits(limits: MeshLimits): void;
  /** Queues a job; returns the reply line. */
  submit(job: JobFiles): string | Promise<string>;
  /** Cancels a job, or the running one if `job` is `undefined`; returns the reply line. */
  cancel(job: number | undefined): string | Promise<string>;
  /** Queues a job again that has failed or was cancelled; returns the reply line. */
  retry(job: number): string | Promise<string>;
  /** One line per node: its number, address, and whether it is connected. */
  nodeLines(): string[];
  /**
   * Lets the running job finish and starts no other.
   *
   * @returns Resolves when no job runs; `undefined` if none does now. Then jobs may still start.
   */
  finishRunning(): Promise<void> | undefined;
  /** Lets the running job finish, unless the deadline aborts first, and starts no other. */
  drain(deadline: AbortSignal): Promise<void>;
}

/** The number of nodes. A daemon with an empty list is a mesh of one. */
export function nodeCount(addresses: readonly Address[]): number {
  return Math.max(1, addresses.length);
}

/**
 * Formats the answer to NODES.
 *
 * @param node The node that answers.
 * @param up The numbers of the connected nodes.
 */
export function formatNodes(
  node: number,
  { addresses, up }: { addresses: readonly Address[]; up: readonly number[] },
): string[] {
  return Array.from({ length: nodeCount(addresses) }, (_, i) => {
    const address = addresses[i];
    const where = address ? ` ${formatAddress(address)}` : "";
    return `node ${i}${where} ${up.includes(i) ? "up" : "down"}${i === node ? " (this one)" : ""}`;
  });
}
