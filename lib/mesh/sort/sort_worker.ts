/**
 * The worker thread of a sort: it samples, deals out and sorts on request.
 *
 * This module is the entry point of the worker. A bundled program has one file, which is then the
 * entry point of all workers; the name of the worker tells what it is for.
 *
 * @module
 */

import { BucketSorter, readFull } from "./bucket_sorter.ts";
import { decodeKeyList, encodeKeyList, type KeyList } from "./key_list.ts";
import { lineTooLong, Partitioner, SLOT_BYTES } from "./partitioner.ts";
import { MAX_LINE_BYTES, type RecordFormat } from "../records/record_format.ts";
import { sampleExtents, sampleFile } from "./sampler.ts";
import { chooseSplitters, type Splitter } from "./splitters.ts";
import type {
  CutTask,
  FilePart,
  FromSortWorker,
  SortTask,
  SpilledEntries,
  ToSortWorker,
} from "./sort_messages.ts";

/** The name of workers of this kind. */
export const SORT_WORKER_NAME = "quartet-sort";

/** The part of a worker's global scope that is used here; a message port has the same. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToSortWorker>) => void) | null;
  postMessage(message: FromSortWorker): void;
}

const CHUNK_BYTES = 1024 * 1024;
/** Pieces per report: waking another thread takes as long as dealing out a chunk. */
const PIECES_PER_REPORT = 32;
const NEWLINE = 0x0a;

class SortWorker {
  readonly #scope: WorkerScope;
  readonly #slab: SharedArrayBuffer;
  readonly #format: RecordFormat;
  readonly #files = new Map<string, Deno.FsFile>();
  #sorter: BucketSorter | undefined;
  #unreportedBytes = 0;
  /** Slots that the partitioner has not taken yet, and those that it left over. */
  #granted: number[] = [];
  /** Slots that have arrived since the last time all were returned. */
  #received = 0;
  #onGrant: (() => void) | undefined;

  constructor(scope: WorkerScope, slab: SharedArrayBuffer, format: RecordFormat) {
    this.#scope = scope;
    this.#slab = slab;
    this.#format = format;
  }

  grant(slots: number[]): void {
    this.#received += slots.length;
    this.#granted.push(...slots);
    this.#onGrant?.();
  }

  async run(task: SortTask): Promise<FromSortWorker> {
    switch (task.kind) {
      case "sample-file": {
        using file = Deno.openSync(task.path);
        const options = { format: this.#format, node: task.node };
        return { kind: "sampled", keys: encodeKeyList(sampleFile(file, task.size, options)) };
      }
      case "sample-spilled": {
        using file = Deno.openSync(task.entries.path);
        const options = { format: this.#format, records: task.records, keys: task.keys };
        const sample = sampleExtents(file, task.entries.extents, options);
        return { kind: "sampled", keys: encodeKeyList(sample) };
      }
      case "cut":
        return { kind: "cut", splitters: encodeKeyList(cut(task)) };
      case "deal-file": {
        const { splitters, node, part } = task;
        const partitioner = this.#partitioner(splitters, node);
        if (this.#format.recordBytes) await this.#dealRecords(partitioner, part);
        else await this.#dealLines(partitioner, part);
        return this.#dealt(partitioner);
      }
      case "deal-spilled": {
        const partitioner = this.#partitioner(task.splitters, 0);
        await this.#dealSpilled(partitioner, task.entries);
        return this.#dealt(partitioner);
      }
      case "return-slots":
        this.#received = 0;
        return { kind: "returned", slots: this.#granted.splice(0) };
      case "sort": {
        const output = this.#open(task.outputPath, { write: true });
        const spilled = task.bucket.stretches.some(({ spilledAt }) => spilledAt !== undefined);
        const spill = spilled ? this.#open(task.spillPath, { read: true }) : undefined;
        this.#sorter ??= new BucketSorter(this.#slab, this.#format);
        return { kind: "sorted", tally: this.#sorter.sort(task.bucket, output, spill) };
      }
    }
  }

  #open(path: string, options: Deno.OpenOptions): Deno.FsFile {
    let file = this.#files.get(path);
    if (!file) this.#files.set(path, file = Deno.openSync(path, options));
    return file;
  }

  #partitioner(list: KeyList, node: number): Partitioner {
    const splitters = decodeKeyList(list);
    return new Partitioner(this.#slab, { format: this.#format, splitters, node });
  }

  #dealt(partitioner: Partitioner): FromSortWorker {
    partitioner.finish();
    this.#report(partitioner);
    this.#granted.push(...partitioner.spare.splice(0));
    return { kind: "dealt" };
  }

  /** Counts dealt bytes, and reports them if there are enough pieces to go with them. */
  #count(partitioner: Partitioner, bytes: number): void {
    this.#unreportedBytes += bytes;
    if (partitioner.pieces.length >= PIECES_PER_REPORT) this.#report(partitioner);
  }

  #report(partitioner: Partitioner): void {
    const { pieces } = partitioner;
    const bytes = this.#unreportedBytes;
    partitioner.pieces = [];
    this.#unreportedBytes = 0;
    this.#scope.postMessage({ kind: "pieces", pieces, bytes });
  }

  /**
   * Deals out a chunk and waits for slots when there are none left.
   *
   * @param deal Deals out from a position on and returns where it stopped.
   * @returns Where the last call of `deal` stopped.
   */
  async #deal(partitioner: Partitioner, from: number, to: number, deal: (from: number) => number) {
    for (let at = from;;) {
      partitioner.spare.push(...this.#granted.splice(0));
      at = deal(at);
      if (at >= to || partitioner.spare.length > 0) return at;
      if (partitioner.pieces.length > 0) this.#report(partitioner);
      if (this.#granted.length > 0) continue;
      this.#scope.postMessage({ kind: "starved", received: this.#received });
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onGrant = resolve;
      await promise;
    }
  }

  async #dealRecords(partitioner: Partitioner, part: FilePart): Promise<void> {
    const { recordBytes } = this.#format;
    using file = Deno.openSync(part.path);
    file.seekSync(part.start, Deno.SeekMode.Start);
    const chunk = new Uint8Array(Math.ceil(CHUNK_BYTES / recordBytes) * recordBytes);
    for (let position = part.start; position < part.end;) {
      const bytes = Math.min(chunk.length, part.end - position);
      readFull(file, chunk.subarray(0, bytes));
      const deal = (from: number) => partitioner.dealRecords(chunk, from, bytes, position);
      await this.#deal(partitioner, 0, bytes, deal);
      this.#count(partitioner, bytes);
      position += bytes;
    }
  }

  async #dealLines(partitioner: Partitioner, part: FilePart): Promise<void> {
    using file = Deno.openSync(part.path);
    // A line belongs to the part in which it begins, so start at the newline before it.
    let position = Math.max(0, part.start - 1);
    file.seekSync(position, Deno.SeekMode.Start);
    const chunk = new Uint8Array(CHUNK_BYTES + 1);
    let filled = 0;
    let skipping = part.start > 0;
    while (position < part.end) {
      const bytes = Math.min(CHUNK_BYTES - filled, part.size - position - filled);
      readFull(file, chunk.subarray(filled, filled + bytes));
      filled += bytes;
      const whole = position + filled === part.size;
      if (whole && chunk[filled - 1] !== NEWLINE) chunk[filled++] = NEWLINE;
      let at = 0;
      if (skipping) {
        at = chunk.subarray(0, filled).indexOf(NEWLINE) + 1;
        // The line is longer than a chunk. The part in which it begins reports it.
        if (at === 0) return;
        skipping = false;
      }
      const to = Math.min(filled, part.end - position);
      const lines = chunk.subarray(0, filled);
      const deal = (from: number) => partitioner.dealLines(lines, from, to, position);
      at = await this.#deal(partitioner, at, to, deal);
      this.#count(partitioner, bytes);
      if (at >= to && (to < filled || whole)) return;
      if (filled - at > MAX_LINE_BYTES) throw lineTooLong(position + at);
      chunk.copyWithin(0, at, filled);
      position += at;
      filled -= at;
    }
  }

  async #dealSpilled(partitioner: Partitioner, { path, extents }: SpilledEntries): Promise<void> {
    using file = Deno.openSync(path);
    // One chunk for all: thousands of them would be in memory until the garbage collector comes by.
    const chunk = new Uint8Array(SLOT_BYTES);
    let position = 0;
    for (const { offset, bytes } of extents) {
      file.seekSync(offset, Deno.SeekMode.Start);
      readFull(file, chunk.subarray(0, bytes));
      const deal = this.#format.recordBytes
        ? (from: number) => partitioner.dealRecords(chunk, from, bytes, position)
        : (from: number) => partitioner.dealEntries(chunk, from, bytes, position);
      await this.#deal(partitioner, 0, bytes, deal);
      this.#count(partitioner, 0);
      position += bytes;
    }
  }
}

/** Cuts the key space according to samples. The keys of each represent equal parts of its bytes. */
function cut({ samples, options }: CutTask): Splitter[] {
  const keys = samples.flatMap(({ bytes, keys: list }) => {
    const keys = decodeKeyList(list);
    const weight = bytes / keys.length;
    return keys.map(({ key, order }) => ({ key, order, weight }));
  });
  return chooseSplitters(keys, options);
}

/** Serves the thread that started this worker, until it is terminated. */
export function serveSortWorker(scope: WorkerScope): void {
  let worker: SortWorker | undefined;
  scope.onmessage = async ({ data }) => {
    if (data.kind === "connect") serveSortWorker(data.port);
    else if (data.kind === "start") worker = new SortWorker(scope, data.slab, data.format);
    else if (data.kind === "slots") worker?.grant(data.slots);
    else {
      try {
        scope.postMessage(await worker!.run(data));
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        scope.postMessage({ kind: "failed", message });
      }
    }
  };
}

const scope = globalThis as unknown as WorkerScope & { name: string };
if ("WorkerGlobalScope" in globalThis && scope.name === SORT_WORKER_NAME) serveSortWorker(scope);
