import type { Address } from "../../net/address.ts";
import type { Recognition } from "../link/call.ts";
import { confinedPath } from "./confined_path.ts";
import type { NodeProgress } from "./console.ts";
import type { JobOrder } from "./control_message.ts";
import { type Hello, MESH_VERSION } from "../link/hello.ts";
import { Meeting } from "../link/meeting.ts";
import { SortFailedError } from "../link/sort_failure.ts";
import { inputPaths } from "../job/input_paths.ts";
import { SortJob, type SortSummary } from "../job/sort_job.ts";
import type { Partition } from "../sort/splitters.ts";
import type { Decisions } from "../job/commit.ts";
import type { Doubt } from "./doubts.ts";
import type { StartWorker } from "../sort/sort_pool.ts";
import { OutputNote } from "./stale_files.ts";

/** Options that all jobs of a node have in common. */
export interface LocalJobOptions extends Recognition {
  node: number;
  addresses: readonly Address[];
  /** The directory that inputs and outputs are below. */
  directory: string;
  /** The directory for spill files and notes on temporary outputs. */
  spillDir: string;
  partition: Partition;
  memoryBytes: number;
  /** The number of worker threads. */
  workers: number;
  /** Starts them. By default this thread does it, and is held up meanwhile. */
  startWorker?: StartWorker;
  dialTimeoutMs: number;
  stallTimeoutMs: number;
  /** Resolves when no earlier job waits for its outcome at this output, or after a while. */
  settled?: ((output: string) => Promise<void>) | undefined;
  /** On node 0: where it keeps its decisions. */
  decisions?: Decisions | undefined;
}

/** This node's part of one job: it meets the other nodes, then sorts. It runs once. */
export class LocalJob {
  readonly order: JobOrder;
  /** The meeting with the other nodes; `undefined` until `run` is called. */
  meeting: Meeting | undefined;
  /** Seconds until all nodes were connected; 0 before that. */
  connectSeconds = 0;
  /** Set if the job has ended without this node knowing whether it is committed. */
  doubt: Doubt | undefined;
  readonly #options: LocalJobOptions;
  readonly #stop = new AbortController();
  #job: SortJob | undefined;

  constructor(order: JobOrder, options: LocalJobOptions) {
    this.order = order;
    this.#options = options;
  }

  /**
   * Runs the job.
   *
   * @throws {SortFailedError} If it fails or is stopped.
   */
  async run(): Promise<SortSummary> {
    const { node, addresses, directory, partition } = this.#options;
    const { dialTimeoutMs, stallTimeoutMs, secret, trust } = this.#options;
    const nodes = Math.max(1, addresses.length);
    const { format, key } = this.order;
    const hello: Omit<Hello, "to"> = {
      version: MESH_VERSION,
      job: key,
      node,
      nodes,
      format,
      partition,
    };
    const { signal } = this.#stop;
    const startMs = performance.now();
    this.meeting = new Meeting({
      addresses,
      hello,
      dialTimeoutMs,
      stallTimeoutMs,
      secret,
      trust,
      signal,
    });
    try {
      const input = await confinedPath(directory, this.order.input);
      const output = await confinedPath(directory, this.order.output);
      const inputs = await inputPaths([input], { output, anything: false });
      const links = await this.meeting.links;
      this.connectSeconds = (performance.now() - startMs) / 1000;
      await this.#options.settled?.(output);
      const owner = { job: key, node };
      using note = await OutputNote.write(this.#options.spillDir, output, owner);
      const names = { job: key, inputs, output, format };
      const job = this.#job = new SortJob({ ...this.#options, ...names, nodes, links, signal });
      try {
        return await job.run();
      } finally {
        if (job.inDoubt) this.doubt = { job: key, output, forget: note.keep() };
      }
    } catch (error) {
      if (error instanceof SortFailedError) throw error;
      const reason = `node ${node}: ${error instanceof Error ? error.message : error}`;
      const failure = new SortFailedError({ node, reason }, { cause: error });
      this.meeting.fail(failure);
      throw failure;
    }
  }

  /** The progress so far. */
  progress(): NodeProgress {
    const { node } = this.#options;
    if (!this.#job) {
      const counts = { doneBytes: 0, totalBytes: 1, records: 0, sentBytes: 0, receivedBytes: 0 };
      return { node, phase: "connect", ...counts };
    }
    const { phase, doneBytes, totalBytes, records, sentBytes, receivedBytes } = this.#job
      .progress();
    return { node, phase, doneBytes, totalBytes, records, sentBytes, receivedBytes };
  }

  /**
   * Cancels the job.
   *
   * @param reason Why, for people: it becomes the failure of this node.
   */
  stop(reason: string): void {
    this.#stop.abort(new SortFailedError({ node: -1, reason }));
  }
}
