/**
 * One node's part in one sort.
 *
 * Every node samples its input, and node 0 cuts the key space into buckets, several for each node
 * (sampling.ts). Then all nodes deal out their inputs: each entry is appended to its bucket, on this
 * node or on another one (shuffle.ts). When everything has arrived, the buckets are sorted and
 * written to their places in the output (sort_phase.ts). The records written are compared with the
 * records sent, and the outputs get their names only when these agree on every node (commit.ts).
 *
 * So data is read once, sent once, and written once, or twice if memory does not hold it. The main
 * thread moves bytes between sockets and shared memory; worker threads do the rest.
 *
 * @module
 */

import { BucketStore } from "../sort/bucket_store.ts";
import type { Tally } from "../records/checksum.ts";
import { commit, type Decisions, UndecidedError } from "./commit.ts";
import { createOutput, plainFolderOf } from "./create_output.ts";
import { assertSpace } from "./free_space.ts";
import { JobInput } from "./job_input.ts";
import { divideInput, markQuoted } from "./input_parts.ts";
import type { Output } from "./output.ts";
import { PeerGroup } from "./peer_group.ts";
import type { PeerLink } from "../link/peer_link.ts";
import {
  isReducing,
  MAX_LINE_PART,
  maxLineOf,
  type RecordFormat,
} from "../records/record_format.ts";
import { LineOrder } from "../records/line_order.ts";
import { agreeOnPlan, sampleInput } from "./sampling.ts";
import { Shuffle } from "./shuffle.ts";
import { maxOpenBuckets, slabBytes, SlotBudget } from "../sort/slot_budget.ts";
import { encodeAbort, FRAME } from "../link/frame.ts";
import { cancellation, SortFailedError } from "../link/sort_failure.ts";
import { writeSorted } from "./sorted_output.ts";
import { STANDARD_OUTPUT } from "./standard_output.ts";
import { StallWatch } from "./stall_watch.ts";
import type { InputFile } from "../sort/sort_messages.ts";
import { SortThread, type StartWorker } from "../sort/sort_pool.ts";
import { type Phase, PhaseClock, type SortProgress } from "./sort_progress.ts";
import type { Partition } from "../sort/splitters.ts";

/** How long a node that is cancelled waits for node 0, if only node 0 may give up any more. */
const CANCEL_GRACE_MS = 1000;

const NO_HEADER = new Uint8Array(0);

/** The least part of an equal share that a node is sure to get; cuts come from samples. */
const LEAST_SHARE = 0.9;

/** Buckets for each file of an output, which are equal to within the size of one. */
const BUCKETS_PER_PART = 16;

/** The result of a job. */
export interface SortSummary {
  node: number;
  nodes: number;
  /** The input and the output of this node. */
  input: Tally;
  output: Tally;
  /** All nodes together; only node 0 knows. */
  total?: Tally;
  /** Of node 0: which node was lost before its output had its name, and how. */
  unfinished?: string;
  seconds: Record<Phase, number>;
  spilledBytes: number;
  peers: { node: number; sentBytes: number; receivedBytes: number }[];
}

/** Options for {@linkcode SortJob}. */
export interface SortJobOptions {
  node: number;
  nodes: number;
  /** The links to all other nodes. */
  links: PeerLink[];
  /** The paths of the inputs, in order; "-" is standard input. */
  inputs: readonly string[];
  /** The path of the output; "-" is standard output. */
  output: string;
  /** Into how many files of a folder the output is divided. @default {one file without a folder} */
  parts?: number | undefined;
  /** The name of the job, which all nodes know. */
  job: string;
  format: RecordFormat;
  partition: Partition;
  /** Memory for slots, tables and blocks. */
  memoryBytes: number;
  /** The directory for the spill file. */
  spillDir: string;
  /** The number of worker threads. */
  workers: number;
  /** Starts them. By default this thread does it, and is held up meanwhile. */
  startWorker?: StartWorker;
  /** How long the job may be blocked before it fails; silent peers have the same limit. */
  stallTimeoutMs: number;
  /** Where node 0 keeps its decision; without it, the decision does not survive a restart. */
  decisions?: Decisions | undefined;
  /** Cancels the job. */
  signal?: AbortSignal;
}

/** One node's part in one sort. It runs once. */
export class SortJob {
  readonly #options: SortJobOptions;
  readonly #failure = Promise.withResolvers<never>();
  #failed: SortFailedError | undefined;
  readonly #clock = new PhaseClock();
  readonly #store: BucketStore;
  readonly #budget: SlotBudget;
  readonly #shuffle: Shuffle;
  readonly #peers: PeerGroup;
  readonly #threads: SortThread[] = [];
  #input: JobInput | undefined;
  #output: Promise<Output> | undefined;
  /** Whether outputs may have their names already, so that the job cannot be cancelled. */
  #decided = false;
  /** Whether only node 0 may give up any more. */
  #prepared = false;
  #inDoubt = false;
  #finished = false;

  constructor(options: SortJobOptions) {
    const { node, format, links, memoryBytes, spillDir } = options;
    this.#options = options;
    this.#failure.promise.catch(() => {});
    const store = this.#store = new BucketStore({
      memoryBytes: slabBytes(memoryBytes),
      spillPath: `${spillDir}/sort-${crypto.randomUUID()}.spill`,
      onFree: () => this.#budget.grant(),
      onFailure: (error) => this.#fail(error),
    });
    const budget = this.#budget = new SlotBudget(store);
    const onProgress = (bytes: number) => this.#progressed(bytes);
    const shuffle = this.#shuffle = new Shuffle({ node, format, store, budget, onProgress });
    this.#peers = new PeerGroup({
      node,
      links,
      phase: () => this.#clock.phase,
      onFailure: (error) => this.#fail(error),
      onData: (peer, payload) => shuffle.takeData(peer, payload),
      onEnd: (peer, payload) => shuffle.takeEnd(peer, payload),
    });
  }

  /**
   * Whether the job has ended without this node knowing whether it is committed. Its part is complete
   * and stays where it is.
   */
  get inDoubt(): boolean {
    return this.#inDoubt;
  }

  /** The progress so far. */
  progress(): SortProgress {
    const { phase, doneBytes, totalBytes } = this.#clock;
    const { records } = this.#shuffle.input(this.#peers);
    let [sentBytes, receivedBytes] = [0, 0];
    for (const peer of this.#peers.all) {
      sentBytes += peer.sentBytes;
      receivedBytes += peer.receivedBytes;
    }
    const { spilledBytes } = this.#store;
    return { phase, doneBytes, totalBytes, records, sentBytes, receivedBytes, spilledBytes };
  }

  /**
   * Runs the job. The links are closed at the end in any case.
   *
   * @throws {SortFailedError} If it failed, here or on another node. The output was not touched,
   * unless the job is {@linkcode inDoubt}.
   */
  async run(): Promise<SortSummary> {
    const { signal } = this.#options;
    let grace: ReturnType<typeof setTimeout> | undefined;
    const cancel = () => {
      if (signal === undefined) return;
      const failure = cancellation(signal);
      const giveUp = () => {
        if (!this.#decided) this.#fail(failure);
      };
      if (!this.#prepared) return giveUp();
      // Node 0 answers with the outcome; it may have committed already.
      const notice = encodeAbort({ node: failure.node, reason: failure.message });
      void this.#peers.tell(0, FRAME.ABORT, notice);
      grace = setTimeout(giveUp, CANCEL_GRACE_MS);
    };
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
    const listening = this.#peers.listen();
    const running = this.#run();
    using _watch = this.#watch();
    try {
      return await Promise.race([this.#failure.promise, running]);
    } catch (error) {
      this.#fail(error);
      throw this.#failed!;
    } finally {
      this.#finished = true;
      clearTimeout(grace);
      this.#peers.end();
      this.#shuffle.end();
      signal?.removeEventListener("abort", cancel);
      for (const thread of this.#threads) thread.end();
      await this.#store.close();
      // If node 0 cannot tell what it decided, an abort might contradict it.
      const isUndecided = this.#failed?.cause instanceof UndecidedError;
      if (this.#failed && !isUndecided) await this.#peers.abort(this.#failed);
      this.#peers.close();
      // Everything that it may wait for has ended, and the output may be about to get its name.
      await running.catch(() => {});
      await this.#input?.removeCopies();
      await listening;
      await this.#output?.then((file) => {
        this.#inDoubt = file.inDoubt;
        file.discard();
      }, () => {});
    }
  }

  async #run(): Promise<SortSummary> {
    const { node, nodes, job, inputs, output, parts, format, spillDir } = this.#options;
    assertPossible(this.#options);
    const input = this.#input = await JobInput.find(inputs, { format, spillDir });
    await this.#assertSpace(input.plainBytes + input.copiedBytes, input.copiedBytes);
    if (this.#finished) throw this.#failed!;
    this.#output = createOutput(output, { mode: input.mode, owner: { job, node }, parts });
    const file = await this.#output;
    if (this.#finished) throw this.#failed!;
    this.#startThreads();
    await input.copy(this.#threads);
    const { files, header } = await input.files(format);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    if (input.copiedBytes > 0) await this.#assertSpace(bytes, 0);
    const outputHeader = await this.#agreeOnPlan(files, { bytes, header });
    // Now every node has claimed its output.
    await file.begin();

    this.#clock.enter("shuffle", bytes);
    const divided = divideInput(
      files,
      { parts: this.#threads.length, unit: format.recordBytes || 1 },
    );
    if (new LineOrder(format).csv) await markQuoted(divided, this.#threads);
    await this.#shuffle.run(this.#peers, this.#threads, divided);
    await input.removeCopies();

    const expected = this.#shuffle.expectedOutput(this.#peers);
    if (!isReducing(format)) await this.#assertSpaceFor(expected.bytes);
    this.#clock.enter("sort", expected.bytes);
    const { written, represented } = await writeSorted(this.#peers, {
      ...this.#options,
      file,
      header: outputHeader,
      expected,
      store: this.#store,
      budget: this.#budget,
      threads: this.#threads,
      onProgress: (bytes) => this.#progressed(bytes),
    });
    this.#budget.assertAllFree();

    this.#clock.enter("commit", expected.bytes);
    await file.sync();
    const read = this.#shuffle.input(this.#peers);
    const unfinished: string[] = [];
    const total = await commit(this.#peers, {
      job,
      node,
      nodes,
      file,
      format,
      input: read,
      output: written,
      represented,
      decisions: this.#options.decisions,
      onPrepared: () => {
        this.#prepared = true;
      },
      onDecided: () => {
        this.#decided = true;
      },
      onUnfinished: ({ message }) => unfinished.push(message),
    });
    this.#clock.end();
    return {
      node,
      nodes,
      input: read,
      output: written,
      ...(total ? { total } : {}),
      ...(unfinished.length > 0 ? { unfinished: unfinished.join("; ") } : {}),
      seconds: this.#clock.seconds,
      spilledBytes: this.#store.spilledBytes,
      peers: this.#peers.all.map(({ link, sentBytes, receivedBytes }) => (
        { node: link.node, sentBytes, receivedBytes }
      )),
    };
  }

  /**
   * Checks the disks before anything is written. With several nodes, the share of this one is not
   * known yet; it is about an equal part of all inputs, so at least that part of its own. If the job
   * reduces, it may need next to nothing.
   *
   * @param copyBytes What the copies of inputs take.
   */
  async #assertSpace(inputBytes: number, copyBytes: number): Promise<void> {
    const { nodes, output, spillDir, memoryBytes, format } = this.#options;
    const least = isReducing(format) ? 0 : nodes === 1 ? 1 : LEAST_SHARE / nodes;
    const share = least * inputBytes;
    const folder = plainFolderOf(output);
    await assertSpace([
      ...(folder === undefined ? [] : [{ directory: folder, bytes: Math.floor(share) }]),
      { directory: spillDir, bytes: copyBytes + Math.max(0, Math.floor(share) - memoryBytes) },
    ]);
  }

  /** Checks the disk before the output is written. How small it is when compressed is not known. */
  async #assertSpaceFor(bytes: number): Promise<void> {
    const directory = plainFolderOf(this.#options.output);
    if (directory !== undefined) await assertSpace([{ directory, bytes }]);
  }

  #startThreads(): void {
    const { workers, format, startWorker } = this.#options;
    for (let i = 0; i < workers; i++) {
      this.#threads.push(new SortThread(this.#store.slab, format, startWorker));
    }
  }

  /** Agrees on the cuts between buckets; returns the header that the output of this node has. */
  async #agreeOnPlan(
    files: InputFile[],
    { bytes, header }: { bytes: number; header: Uint8Array },
  ): Promise<Uint8Array> {
    const { node, nodes } = this.#options;
    const maxBuckets = Math.floor(maxOpenBuckets(this.#store.slots) / this.#threads.length);
    const minBuckets = BUCKETS_PER_PART * (this.#options.parts ?? 0);
    const options = { files, bytes, node, nodes, minBuckets, maxBuckets, header };
    const sample = await sampleInput(this.#threads[0]!, options);
    const planning = { ...this.#options, thread: this.#threads[0]!, minBuckets };
    const plan = await agreeOnPlan(this.#peers, sample, planning);
    this.#shuffle.begin(plan);
    return plan.header ?? NO_HEADER;
  }

  /** Fails the job if it waits for a slot that nothing can release. */
  #watch(): StallWatch {
    return new StallWatch({
      timeoutMs: this.#options.stallTimeoutMs,
      turnover: () => this.#store.turnover,
      blockedOn: () => this.#blockedOn(),
      onStall: (error) => this.#fail(error),
    });
  }

  /** What waits for a slot although no thread, no peer and no spill is about to release one. */
  #blockedOn(): string | undefined {
    const starved = this.#threads.filter((thread) => thread.starved).length;
    const { waiting } = this.#store;
    const busy = this.#threads.some((thread) => thread.working) || this.#store.spilling ||
      this.#budget.queued > 0;
    if (busy || starved + waiting === 0) return undefined;
    return `slots for ${starved} threads and ${waiting} other waits; ${this.#budget.describe()}`;
  }

  #progressed(bytes: number): void {
    this.#clock.doneBytes += bytes;
  }

  /** Ends the job with a failure; only the first one counts. */
  #fail(error: unknown): void {
    if (this.#failed || this.#finished) return;
    const { node, nodes } = this.#options;
    const where = nodes > 1 ? `node ${node}: ` : "";
    const message = error instanceof Error ? error.message : String(error);
    this.#failed = error instanceof SortFailedError
      ? error
      : new SortFailedError({ node, reason: where + message }, { cause: error });
    this.#failure.reject(this.#failed);
  }
}

/** @throws {Error} If a line could take too much memory, or the output needs a sort without peers. */
function assertPossible(
  { format, memoryBytes, nodes, output, parts }: SortJobOptions,
): void {
  if (nodes > 1 && (output === STANDARD_OUTPUT || parts !== undefined)) {
    throw new Error("Cannot sort on several nodes: each needs an output that is one file");
  }
  const maxLineBytes = maxLineOf(format);
  if (format.recordBytes > 0 || maxLineBytes <= memoryBytes * MAX_LINE_PART) return;
  throw new Error(
    `Cannot sort lines of up to ${maxLineBytes} bytes: with ${memoryBytes} bytes of memory, they ` +
      `may have up to ${Math.floor(memoryBytes * MAX_LINE_PART)}`,
  );
}
