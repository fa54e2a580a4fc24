/**
 * The worker thread of a sort: it samples, deals out and sorts on request.
 *
 * This module is the entry point of the worker. A bundled program has one file, which is then the
 * entry point of all workers; the name of the worker tells what it is for.
 *
 * @module
 */

import type { BucketEntries } from "./bucket_order.ts";
import { BucketReducer } from "./bucket_reducer.ts";
import { BucketOutput, type OutputPlace } from "./bucket_output.ts";
import { BucketSorter } from "./bucket_sorter.ts";
import { readFull } from "./file_reads.ts";
import { decodeKeyList, encodeKeyList, type KeyList } from "./key_list.ts";
import { countQuotes } from "../keys/csv_record.ts";
import { inputError } from "./input_error.ts";
import { LineChunks } from "./line_chunks.ts";
import { OutputClosedError } from "./output_closed.ts";
import { LineOrder } from "../records/line_order.ts";
import { Partitioner } from "./partitioner.ts";
import type { RecordFormat } from "../records/record_format.ts";
import { spilledBlocks } from "./spilled_blocks.ts";
import { copyPlain } from "./plain_copy.ts";
import { sampleExtents, sampleFiles } from "./sampler.ts";
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

class SortWorker {
  readonly #scope: WorkerScope;
  readonly #slab: SharedArrayBuffer;
  readonly #format: RecordFormat;
  readonly #files = new Map<string, Deno.FsFile>();
  #outputPath = "";
  #sorter: BucketSorter | undefined;
  #reducer: BucketReducer | undefined;
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
      case "copy":
        return { kind: "copied", bytes: await copyPlain(task.names) };
      case "sample-files": {
        const { node, keys } = task;
        const options = { format: this.#format, node, keys };
        return { kind: "sampled", keys: encodeKeyList(sampleFiles(task.files, options)) };
      }
      case "sample-spilled": {
        using file = Deno.openSync(task.entries.path);
        const options = { format: this.#format, records: task.records, keys: task.keys };
        const sample = sampleExtents(file, task.entries.extents, options);
        return { kind: "sampled", keys: encodeKeyList(sample) };
      }
      case "cut":
        return { kind: "cut", splitters: encodeKeyList(cut(task)) };
      case "count-quotes":
        return { kind: "counted", quotes: this.#countQuotes(task.part) };
      case "deal-files": {
        const { splitters, node } = task;
        const partitioner = this.#partitioner(splitters, { node, adaptive: true });
        for (const part of task.parts) await this.#dealFile(partitioner, part);
        return this.#dealt(partitioner);
      }
      case "deal-spilled": {
        // What is dealt out again has to become smaller, so all duplicates are looked for.
        const partitioner = this.#partitioner(task.splitters, { node: 0, adaptive: false });
        await this.#dealSpilled(partitioner, task.entries);
        return this.#dealt(partitioner);
      }
      case "return-slots":
        this.#received = 0;
        return { kind: "returned", slots: this.#granted.splice(0) };
      case "sort": {
        const output = this.#output(task.place);
        const spill = this.#openSpill(task);
        this.#sorter ??= new BucketSorter(this.#slab, this.#format);
        const tally = this.#sorter.sort(task.bucket, output, spill);
        output.end();
        return { kind: "sorted", tally };
      }
      case "write": {
        const output = this.#output(task.place);
        output.write(task.bytes);
        output.end();
        return { kind: "written" };
      }
      case "reduce": {
        const output = task.place && this.#output(task.place);
        const spill = this.#openSpill(task);
        this.#reducer ??= new BucketReducer(this.#slab, this.#format);
        const reduced = this.#reducer.reduce(task.bucket, output, spill);
        output?.end();
        return { kind: "reduced", reduced };
      }
      case "take-top":
        return { kind: "top", entries: this.#reducer?.top() ?? [] };
    }
  }

  /** The spill file, if a bucket is in it. */
  #openSpill(
    { bucket, spillPath }: { bucket: BucketEntries; spillPath: string },
  ): Deno.FsFile | undefined {
    const spilled = bucket.stretches.some(({ spilledAt }) => spilledAt !== undefined);
    return spilled ? this.#open(spillPath, { read: true }) : undefined;
  }

  #open(path: string, options: Deno.OpenOptions): Deno.FsFile {
    let file = this.#files.get(path);
    if (!file) this.#files.set(path, file = Deno.openSync(path, options));
    return file;
  }

  #close(path: string): void {
    this.#files.get(path)?.close();
    this.#files.delete(path);
  }

  #output(place: OutputPlace): BucketOutput {
    const { path } = place;
    if (path === undefined) return new BucketOutput(Deno.stdout, place);
    // An output may be more files than a process may have open.
    if (path !== this.#outputPath) this.#close(this.#outputPath);
    this.#outputPath = path;
    return new BucketOutput(this.#open(path, { write: true }), place);
  }

  #partitioner(list: KeyList, options: { node: number; adaptive: boolean }): Partitioner {
    const splitters = decodeKeyList(list);
    return new Partitioner(this.#slab, { format: this.#format, splitters, ...options });
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
    if (partitioner.finishedPieces >= PIECES_PER_REPORT) this.#report(partitioner);
  }

  #report(partitioner: Partitioner): void {
    const pieces = partitioner.takePieces();
    const bytes = this.#unreportedBytes;
    this.#unreportedBytes = 0;
    const absorbed = partitioner.absorbed.take();
    this.#scope.postMessage({ kind: "pieces", pieces, bytes, absorbed });
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
      if (partitioner.finishedPieces > 0) this.#report(partitioner);
      if (this.#granted.length > 0) continue;
      this.#scope.postMessage({ kind: "starved", received: this.#received });
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onGrant = resolve;
      await promise;
    }
  }

  async #dealFile(partitioner: Partitioner, part: FilePart): Promise<void> {
    try {
      if (this.#format.recordBytes) await this.#dealRecords(partitioner, part);
      else await this.#dealLines(partitioner, part);
    } catch (error) {
      throw inputError(part, error);
    }
  }

  async #dealRecords(partitioner: Partitioner, part: FilePart): Promise<void> {
    const { recordBytes } = this.#format;
    using file = Deno.openSync(part.path);
    file.seekSync(part.start, Deno.SeekMode.Start);
    // There may be many small files.
    const most = Math.min(CHUNK_BYTES, part.end - part.start);
    const chunk = new Uint8Array(Math.ceil(most / recordBytes) * recordBytes);
    for (let position = part.start; position < part.end;) {
      const bytes = Math.min(chunk.length, part.end - position);
      readFull(file, chunk.subarray(0, bytes));
      const deal = (from: number) =>
        partitioner.dealRecords(chunk, from, bytes, part.base + position);
      await this.#deal(partitioner, 0, bytes, deal);
      this.#count(partitioner, bytes);
      position += bytes;
    }
  }

  async #dealLines(partitioner: Partitioner, part: FilePart): Promise<void> {
    using file = Deno.openSync(part.path);
    const options = { format: this.#format, csv: new LineOrder(this.#format).csv };
    const chunks = new LineChunks(file, part, options);
    while (chunks.read()) {
      const { lines, from, to, position } = chunks;
      const deal = (from: number) => partitioner.dealLines(lines, from, to, position);
      const at = await this.#deal(partitioner, from, to, deal);
      this.#count(partitioner, chunks.readBytes);
      chunks.done(at);
    }
  }

  async #dealSpilled(partitioner: Partitioner, { path, extents }: SpilledEntries): Promise<void> {
    using file = Deno.openSync(path);
    for (const { bytes, length, position } of spilledBlocks(file, extents)) {
      const deal = (from: number) => partitioner.dealEntries(bytes, from, length, position);
      await this.#deal(partitioner, 0, length, deal);
      this.#count(partitioner, 0);
    }
  }

  #countQuotes(part: FilePart): number {
    const { path, start, end } = part;
    using file = Deno.openSync(path);
    file.seekSync(start, Deno.SeekMode.Start);
    const chunk = new Uint8Array(CHUNK_BYTES);
    let quotes = 0;
    for (let position = start; position < end; position += chunk.length) {
      const bytes = chunk.subarray(0, Math.min(chunk.length, end - position));
      try {
        readFull(file, bytes);
      } catch (error) {
        throw inputError(part, error);
      }
      quotes += countQuotes(bytes);
    }
    return quotes;
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
        const isClosed = error instanceof OutputClosedError;
        scope.postMessage({ kind: "failed", message, ...(isClosed ? { isClosed } : {}) });
      }
    }
  };
}

const scope = globalThis as unknown as WorkerScope & { name: string };
if ("WorkerGlobalScope" in globalThis && scope.name === SORT_WORKER_NAME) serveSortWorker(scope);
