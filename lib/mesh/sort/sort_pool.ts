/**
 * The worker threads of one sort, as the main thread sees them.
 *
 * @module
 */

import { startWorker } from "../../worker.ts";
import type { OutputPlace } from "./bucket_output.ts";
import type { Tally } from "../records/checksum.ts";
import type { ReducedBucket } from "./bucket_reducer.ts";
import type { KeyList } from "./key_list.ts";
import type { CopyNames } from "./plain_copy.ts";
import type { RecordFormat } from "../records/record_format.ts";
import type { DealingThread } from "./slot_budget.ts";
import { OutputClosedError } from "./output_closed.ts";
import { SortEndedError } from "./sort_ended.ts";
import type {
  DealTask,
  DealtReport,
  FilePart,
  FromSortWorker,
  ReduceTask,
  SampleTask,
  SizedSample,
  SortTask,
  ToSortWorker,
} from "./sort_messages.ts";
import { SORT_WORKER_NAME } from "./sort_worker.ts";
import type { SplitterOptions } from "./splitters.ts";
import type { TopEntry } from "./top_list.ts";
import type { WorkerHandle } from "./worker_starter.ts";

/** The most threads that a sort uses; with more, it would wait for the disk and the network. */
export const MAX_WORKERS = 8;

/** How many threads a sort uses that has the machine to itself. */
export function defaultWorkers(): number {
  return Math.max(1, Math.min(navigator.hardwareConcurrency, MAX_WORKERS));
}

/** How many threads a sort uses next to other services, which keep one processor. */
export function workersBesideOthers(): number {
  return Math.max(1, defaultWorkers() - 1);
}

/** Starts a worker as {@linkcode startWorker} does, which holds up the thread for a while. */
export type StartWorker = (name: string, module: string) => WorkerHandle;

/** The answer that ends a task. */
type TaskEnd = Exclude<FromSortWorker, { kind: "pieces" | "starved" | "failed" }>;

/** One worker thread. It runs one task at a time. */
export class SortThread implements DealingThread {
  readonly #worker: WorkerHandle;
  #task: { resolve: (end: TaskEnd) => void; reject: (error: Error) => void } | undefined;
  #onDealt: (report: DealtReport) => void = () => {};
  /** Slots that were granted since the last `takeBack`. */
  #granted = 0;
  #starved = false;
  #ended = false;

  /**
   * @param slab The memory that it shares with the main thread.
   * @param start Starts the worker.
   */
  constructor(slab: SharedArrayBuffer, format: RecordFormat, start: StartWorker = startWorker) {
    this.#worker = start(SORT_WORKER_NAME, "mesh/sort/sort_worker.ts");
    this.#worker.onmessage = ({ data }: MessageEvent<FromSortWorker>) => this.#take(data);
    this.#worker.onerror = (event) => {
      // An unhandled error in a worker would end the whole program; it ends this sort only.
      event.preventDefault();
      this.#settle()?.reject(new Error(`Cannot go on sorting: ${event.message}`));
    };
    this.#post({ kind: "start", slab, format });
  }

  /** Whether it has a task and waits for slots. */
  get starved(): boolean {
    return this.#starved && this.#task !== undefined;
  }

  /** Whether it has a task and does not wait for slots. */
  get working(): boolean {
    return !this.#starved && this.#task !== undefined;
  }

  /** Hands over slots to put entries into. */
  grant(slots: number[]): void {
    this.#granted += slots.length;
    this.#starved = false;
    this.#post({ kind: "slots", slots });
  }

  /** Copies an input; returns the size of the copy. */
  async copy(names: CopyNames): Promise<number> {
    const task = { kind: "copy", names } as const;
    const end = await this.#run(task);
    if (end.kind !== "copied") throw unexpected(task, end);
    return end.bytes;
  }

  /** Samples keys. */
  async sample(task: SampleTask): Promise<KeyList> {
    const end = await this.#run(task);
    if (end.kind !== "sampled") throw unexpected(task, end);
    return end.keys;
  }

  /** Chooses the cuts between buckets. */
  async cut(samples: SizedSample[], options: SplitterOptions): Promise<KeyList> {
    const task = { kind: "cut", samples, options } as const;
    const end = await this.#run(task);
    if (end.kind !== "cut") throw unexpected(task, end);
    return end.splitters;
  }

  /** Counts the quotes in a part of a file of CSV. */
  async countQuotes(part: FilePart): Promise<number> {
    const task = { kind: "count-quotes", part } as const;
    const end = await this.#run(task);
    if (end.kind !== "counted") throw unexpected(task, end);
    return end.quotes;
  }

  /** Deals out entries, into slots that have to be granted meanwhile. */
  async deal(
    task: DealTask,
    onDealt: (report: DealtReport) => void,
  ): Promise<void> {
    this.#onDealt = onDealt;
    const end = await this.#run(task);
    if (end.kind !== "dealt") throw unexpected(task, end);
  }

  /** Takes back all slots that were granted and not handed on in pieces. */
  async takeBack(): Promise<number[]> {
    const task = { kind: "return-slots" } as const;
    const end = await this.#run(task);
    if (end.kind !== "returned") throw unexpected(task, end);
    this.#granted = 0;
    return end.slots;
  }

  /** Sorts a bucket and writes it; returns the tally of what was written. */
  async sort(task: SortTask & { kind: "sort" }): Promise<Tally> {
    const end = await this.#run(task);
    if (end.kind !== "sorted") throw unexpected(task, end);
    return end.tally;
  }

  /** Writes bytes to a place in the output. */
  async write(bytes: Uint8Array, place: OutputPlace): Promise<void> {
    const task = { kind: "write", bytes, place } as const;
    const end = await this.#run(task);
    if (end.kind !== "written") throw unexpected(task, end);
  }

  /** Sorts, reduces and writes a bucket. */
  async reduce(task: ReduceTask): Promise<ReducedBucket> {
    const end = await this.#run(task);
    if (end.kind !== "reduced") throw unexpected(task, end);
    return end.reduced;
  }

  /** The top entries of all buckets that this thread has reduced. */
  async takeTop(): Promise<TopEntry[]> {
    const task = { kind: "take-top" } as const;
    const end = await this.#run(task);
    if (end.kind !== "top") throw unexpected(task, end);
    return end.entries;
  }

  /** Ends the thread at once. A task that it has rejects with a {@linkcode SortEndedError}. */
  end(): void {
    this.#ended = true;
    this.#worker.terminate();
    this.#settle()?.reject(new SortEndedError());
  }

  #run(task: SortTask): Promise<TaskEnd> {
    if (this.#ended) return Promise.reject(new SortEndedError());
    return new Promise((resolve, reject) => {
      this.#task = { resolve, reject };
      this.#post(task);
    });
  }

  #take(message: FromSortWorker): void {
    switch (message.kind) {
      case "pieces":
        return this.#onDealt(message);
      case "starved":
        // A grant may have been sent before this message arrived; then it is outdated.
        this.#starved = message.received === this.#granted;
        return;
      case "failed":
        return this.#settle()?.reject(
          message.isClosed ? new OutputClosedError() : new Error(message.message),
        );
      default:
        return this.#settle()?.resolve(message);
    }
  }

  #settle() {
    const task = this.#task;
    this.#task = undefined;
    this.#starved = false;
    return task;
  }

  #post(message: ToSortWorker): void {
    this.#worker.postMessage(message);
  }
}

function unexpected(task: SortTask, end: TaskEnd): Error {
  return new Error(`Cannot go on sorting: a worker answered "${task.kind}" with "${end.kind}"`);
}
