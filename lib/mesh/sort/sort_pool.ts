/**
 * The worker threads of one sort, seen from the main thread.
 *
 * @module
 */

import { startWorker } from "../../worker.ts";
import type { Tally } from "../records/checksum.ts";
import type { Piece } from "./partitioner.ts";
import type { RecordFormat } from "../records/record_format.ts";
import type { FromSortWorker, SortTask, ToSortWorker } from "./sort_messages.ts";
import { SORT_WORKER_NAME } from "./sort_worker.ts";
import type { SampledKey } from "./splitters.ts";

/** The most threads that a sort uses: beyond that the disk and the network are what it waits for. */
const MAX_WORKERS = 8;

/** How many threads a sort uses that has the machine for itself. */
export function defaultWorkers(): number {
  return Math.max(1, Math.min(navigator.hardwareConcurrency, MAX_WORKERS));
}

/** How many threads a sort uses beside other services: one processor is left to them. */
export function workersBesideOthers(): number {
  return Math.max(1, defaultWorkers() - 1);
}

/** One worker thread. It does one task at a time. */
export class SortThread {
  readonly #worker: Worker;
  #settle:
    | { resolve: (answer: FromSortWorker) => void; reject: (error: Error) => void }
    | undefined;
  /** Takes the pieces that come while entries are dealt out. */
  onPieces: (pieces: Piece[], bytes: number) => void = () => {};

  /** @param slab The memory that is shared with it. */
  constructor(slab: SharedArrayBuffer, format: RecordFormat) {
    this.#worker = startWorker(SORT_WORKER_NAME, "mesh/sort/sort_worker.ts");
    this.#worker.onmessage = ({ data }: MessageEvent<FromSortWorker>) => {
      if (data.kind === "pieces") return this.onPieces(data.pieces, data.bytes);
      const settle = this.#settle;
      this.#settle = undefined;
      if (data.kind === "failed") settle?.reject(new Error(data.message));
      else settle?.resolve(data);
    };
    this.#worker.onerror = (event) => {
      // Handled here: it is the end of this sort, not of the program.
      event.preventDefault();
      this.#settle?.reject(new Error(`Cannot go on sorting: ${event.message}`));
      this.#settle = undefined;
    };
    this.#post({ kind: "start", slab, format });
  }

  /** Hands over slots to put entries into. */
  grant(slots: number[]): void {
    this.#post({ kind: "slots", slots });
  }

  async sample(task: SortTask & { kind: "sample-file" | "sample-spilled" }): Promise<SampledKey[]> {
    const answer = await this.#run(task);
    return answer.kind === "sampled" ? answer.sample : [];
  }

  async deal(task: SortTask & { kind: "deal-file" | "deal-spilled" }): Promise<void> {
    await this.#run(task);
  }

  /** Sorts and writes a bucket; what was written. */
  async sort(task: SortTask & { kind: "sort" }): Promise<Tally> {
    const answer = await this.#run(task);
    if (answer.kind !== "sorted") {
      throw new Error(`Cannot sort a bucket: answered "${answer.kind}"`);
    }
    return answer.tally;
  }

  /** Ends the thread, in the middle of its work too. What it is asked to do never resolves. */
  end(): void {
    this.#worker.terminate();
  }

  #run(task: SortTask): Promise<FromSortWorker> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#post(task);
    });
  }

  #post(message: ToSortWorker): void {
    this.#worker.postMessage(message);
  }
}
