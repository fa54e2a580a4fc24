/**
 * One node's part in one sort.
 *
 * Every node samples its input; node 0 cuts the key space into buckets, some for each node. Then
 * all deal out their inputs: an entry goes to the end of its bucket, on this node or on the one
 * that has it. When everything has arrived, buckets are sorted one by one and written to their
 * places in the output. What was written is compared with what was sent, and only when that
 * agrees on every node do the outputs get their names. Each phase has a file: sampling.ts,
 * shuffle.ts, sort_phase.ts, commit.ts.
 *
 * So data is read once, sent once and written once, or twice where memory does not hold it. The
 * main thread moves bytes between sockets and shared memory; the rest is done by workers.
 *
 * @module
 */

import { BucketStore } from "../sort/bucket_store.ts";
import { sameTally, type Tally } from "../records/checksum.ts";
import { commit } from "./commit.ts";
import { measureInput } from "./input_file.ts";
import { OutputFile } from "./output_file.ts";
import { PeerGroup } from "./peer_group.ts";
import type { PeerLink } from "../link/peer_link.ts";
import type { RecordFormat } from "../records/record_format.ts";
import { agreeOnPlan, sampleInput } from "./sampling.ts";
import { Shuffle } from "./shuffle.ts";
import { maxOpenBuckets, slabBytes, SlotBudget } from "../sort/slot_budget.ts";
import { SortFailedError } from "../link/sort_failure.ts";
import { sortBuckets } from "./sort_phase.ts";
import { defaultWorkers, SortThread } from "../sort/sort_pool.ts";
import { type Phase, PhaseClock, type SortProgress } from "./sort_progress.ts";
import type { Partition } from "../sort/splitters.ts";

/** What a job has done. */
export interface SortSummary {
  node: number;
  nodes: number;
  /** The input of this node and its output. */
  input: Tally;
  output: Tally;
  /** Of all nodes together; known to node 0. */
  total?: Tally;
  seconds: Record<Phase, number>;
  spilledBytes: number;
  peers: { node: number; sentBytes: number; receivedBytes: number }[];
}

/** What a node is to sort, and how. */
export interface SortJobOptions {
  node: number;
  nodes: number;
  /** The links to all other nodes. */
  links: PeerLink[];
  input: string;
  output: string;
  /** Where the output is until it is complete. @default {a new name beside it} */
  temporaryPath?: string;
  format: RecordFormat;
  partition: Partition;
  /** How much memory to use. */
  memoryBytes: number;
  /** The directory for what does not fit into it. */
  spillDir: string;
  /** How many worker threads. @default {defaultWorkers()} */
  workers?: number;
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
  #output: Promise<OutputFile> | undefined;
  /** Whether outputs may have got their names, so that it is too late to cancel. */
  #decided = false;
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

  /** How far it is. */
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
   * Does all of it. The links are closed when it ends, however it ends.
   *
   * @throws {SortFailedError} If it failed, here or on another node; the output is as it was.
   */
  async run(): Promise<SortSummary> {
    const { signal } = this.#options;
    const cancel = () => {
      if (!this.#decided) this.#fail(new SortFailedError({ node: -1, reason: "Cancelled" }));
    };
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
    const listening = this.#peers.listen();
    try {
      return await Promise.race([this.#failure.promise, this.#run()]);
    } catch (error) {
      this.#fail(error);
      throw this.#failed!;
    } finally {
      this.#finished = true;
      this.#peers.end();
      this.#shuffle.end();
      signal?.removeEventListener("abort", cancel);
      for (const thread of this.#threads) thread.end();
      await this.#store.close();
      // It may be about to be made.
      await this.#output?.then((file) => file.discard(), () => {});
      if (this.#failed) await this.#peers.abort(this.#failed);
      this.#peers.close();
      await listening;
    }
  }

  async #run(): Promise<SortSummary> {
    const { node, nodes, input, output, temporaryPath, format } = this.#options;
    const bytes = await measureInput(input, format);
    if (this.#finished) throw this.#failed!;
    this.#output = OutputFile.create(output, temporaryPath);
    const file = await this.#output;
    if (this.#finished) throw this.#failed!;
    this.#startThreads();
    await this.#agreeOnPlan(bytes);

    this.#clock.enter("shuffle", bytes);
    await this.#shuffle.run(this.#peers, this.#threads, { path: input, bytes });

    const expected = this.#shuffle.expectedOutput(this.#peers);
    this.#clock.enter("sort", expected.bytes);
    const written = await this.#sort(file, expected);

    this.#clock.enter("commit", expected.bytes);
    await file.sync();
    const read = this.#shuffle.input(this.#peers);
    const onDecided = () => {
      this.#decided = true;
    };
    const options = { node, nodes, file, input: read, output: written, onDecided };
    const total = await commit(this.#peers, options);
    this.#clock.end();
    return {
      node,
      nodes,
      input: read,
      output: written,
      ...(total ? { total } : {}),
      seconds: this.#clock.seconds,
      spilledBytes: this.#store.spilledBytes,
      peers: this.#peers.all.map(({ link, sentBytes, receivedBytes }) => (
        { node: link.node, sentBytes, receivedBytes }
      )),
    };
  }

  #startThreads(): void {
    const workers = this.#options.workers ?? defaultWorkers();
    for (let i = 0; i < workers; i++) {
      this.#threads.push(new SortThread(this.#store.slab, this.#options.format));
    }
  }

  async #agreeOnPlan(bytes: number): Promise<void> {
    const { node, input } = this.#options;
    const maxBuckets = Math.floor(maxOpenBuckets(this.#store.slots) / this.#threads.length);
    const options = { path: input, bytes, node, maxBuckets };
    const sample = await sampleInput(this.#threads[0]!, options);
    this.#shuffle.begin(await agreeOnPlan(this.#peers, sample, this.#options));
  }

  async #sort(file: OutputFile, expected: Tally): Promise<Tally> {
    const written = await sortBuckets(file.temporaryPath, {
      store: this.#store,
      budget: this.#budget,
      threads: this.#threads,
      format: this.#options.format,
      onProgress: (bytes) => this.#progressed(bytes),
    });
    if (sameTally(written, expected)) return written;
    throw new Error(
      `Cannot complete "${file.path}": ${written.records} records were written and ` +
        `${expected.records} were sent, or their checksums differ`,
    );
  }

  #progressed(bytes: number): void {
    this.#clock.doneBytes += bytes;
  }

  /** The first failure is the one that counts. */
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
