/**
 * One node's part in one sort.
 *
 * Every node samples its input; node 0 cuts the key space into buckets, some for each node. Then
 * all deal out their inputs: an entry goes to the end of its bucket, on this node or on the one
 * that has it. When everything has arrived, buckets are sorted one by one and written to their
 * places in the output. What was written is compared with what was sent, and only when that
 * agrees on every node do the outputs get their names.
 *
 * So data is read once, sent once and written once, or twice where memory does not hold it. The
 * main thread moves bytes between sockets and shared memory; the rest is done by workers.
 *
 * @module
 */

import { type Bucket, BucketStore } from "./bucket_store.ts";
import { addTally, emptyTally, sameTally, type Tally } from "./checksum.ts";
import {
  type AbortNotice,
  decodeAbort,
  decodePlan,
  decodeSample,
  decodeTallies,
  encodeAbort,
  encodePlan,
  encodeSample,
  encodeTallies,
  FRAME,
  type Frame,
  FRAME_HEADER_BYTES,
  FrameError,
  type FrameType,
  type InputSample,
  MAX_DATA_BYTES,
  type Plan,
  readDataFrame,
  writeDataFrame,
} from "./frame.ts";
import { OutputFile } from "./output_file.ts";
import { type Piece, SLOT_BYTES } from "./partitioner.ts";
import type { PeerLink } from "./peer_link.ts";
import { fileBytes, type RecordFormat } from "./record_format.ts";
import { defaultWorkers, SortThread } from "./sort_pool.ts";
import { chooseSplitters, MAX_INPUT_BYTES, type Partition } from "./splitters.ts";

/** The least memory that a sort can work with. */
export const MIN_MEMORY_BYTES = 64 * 1024 * 1024;
/** The most memory that a sort uses: addresses in it have 32 bits. */
export const MAX_MEMORY_BYTES = 4 * 1024 * 1024 * 1024 - SLOT_BYTES;

/** Of the memory, this much is for slots; the rest is for tables, chunks and blocks. */
const SLAB_PART = 7 / 8;
/** Buckets have about this size, so that what is being sorted stays in the caches. */
const BUCKET_BYTES = 1024 * 1024;
/** Of short entries, a bucket has about this many, */
const BUCKET_RECORDS = 256 * 1024;
/** and never more than this: it bounds the tables that they are sorted with. */
const MAX_BUCKET_RECORDS = 1024 * 1024;
/** A line is taken to have at least this many bytes when buckets are planned. */
const PLANNED_LINE_BYTES = 16;
/** A bucket that takes more than this part of the slots is cut into smaller ones. */
const MAX_BUCKET_PART = 1 / 8;
/** The open slots of all workers together take this part of all slots at most. */
const OPEN_PART = 1 / 4;
/** Slots that are open or wait to be sent take this part at most; the rest can be spilled. */
const OUTBOUND_PART = 1 / 2;
/** So many full slots can be on their way from a worker. */
const SPARE_SLOTS = 64;
/** So many slots are left for what peers send. */
const RESERVED_SLOTS = 16;
/** So many data frames are sent in one write. */
const FRAMES_PER_WRITE = 4;
/** How long a failing node waits for its peers to take the reason. */
const ABORT_GRACE_MS = 1000;

/** The phases of a job, in their order. */
export const PHASES = ["sample", "shuffle", "sort", "commit"] as const;

/** What a job is doing. */
export type Phase = typeof PHASES[number];

/** How far a job is. */
export interface SortProgress {
  phase: Phase;
  /** Bytes of the phase that are done, and how many there are. */
  doneBytes: number;
  totalBytes: number;
  records: number;
  sentBytes: number;
  receivedBytes: number;
  spilledBytes: number;
}

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

/** Thrown when a job fails. The message names the node that is at fault. */
export class SortFailedError extends Error {
  override name = "SortFailedError";
  /** The node that is at fault; -1 if it is nobody's. */
  readonly node: number;

  constructor({ node, reason }: AbortNotice, options?: ErrorOptions) {
    super(reason, options);
    this.node = node;
  }
}

/** How a peer is doing. */
interface PeerState {
  link: PeerLink;
  queue: Piece[];
  wake: () => void;
  sent: Tally;
  received: Tally;
  sentBytes: number;
  receivedBytes: number;
}

/** One node's part in one sort. It runs once. */
export class SortJob {
  readonly #options: SortJobOptions;
  readonly #peers = new Map<number, PeerState>();
  readonly #failure = Promise.withResolvers<never>();
  #failed: SortFailedError | undefined;
  readonly #store: BucketStore;
  readonly #threads: SortThread[] = [];
  /** Slots that each thread holds, open ones included. */
  readonly #held = new Map<SortThread, number>();
  #slotsPerThread = 0;
  #queuedSlots = 0;
  #plan: Plan = { bucketsPerNode: 1, splitters: [] };
  /** Resolves when there are buckets to put data into. */
  readonly #planned = Promise.withResolvers<void>();
  readonly #frames = new Map<FrameType, { frame: Frame; from: number }[]>();
  #onFrame: () => void = () => {};
  #output: Promise<OutputFile> | undefined;
  #own = emptyTally();
  #phase: Phase = "sample";
  #phaseStartMs = performance.now();
  readonly #seconds: Record<Phase, number> = { sample: 0, shuffle: 0, sort: 0, commit: 0 };
  #inputBytes = 0;
  #doneBytes = 0;
  #totalBytes = 0;
  /** Whether outputs may have got their names, so that it is too late to cancel. */
  #decided = false;
  #finished = false;
  readonly #ended = Promise.withResolvers<undefined>();

  constructor(options: SortJobOptions) {
    this.#options = options;
    this.#failure.promise.catch(() => {});
    this.#store = new BucketStore({
      memoryBytes: Math.floor(options.memoryBytes * SLAB_PART),
      spillPath: `${options.spillDir}/sort-${crypto.randomUUID()}.spill`,
      onFree: () => this.#grantSlots(),
      onFailure: (error) => this.#fail(error),
    });
    for (const link of options.links) {
      const [sent, received] = [emptyTally(), emptyTally()];
      const counts = { sentBytes: 0, receivedBytes: 0 };
      this.#peers.set(link.node, { link, queue: [], wake: () => {}, sent, received, ...counts });
    }
  }

  /** How far it is. */
  progress(): SortProgress {
    let [sentBytes, receivedBytes] = [0, 0];
    for (const peer of this.#peers.values()) {
      sentBytes += peer.sentBytes;
      receivedBytes += peer.receivedBytes;
    }
    return {
      phase: this.#phase,
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      records: this.#input().records,
      sentBytes,
      receivedBytes,
      spilledBytes: this.#store.spilledBytes,
    };
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
    const listening = [...this.#peers.values()].map((peer) => this.#listen(peer));
    try {
      return await Promise.race([this.#failure.promise, this.#run()]);
    } catch (error) {
      this.#fail(error);
      throw this.#failed!;
    } finally {
      this.#finished = true;
      this.#ended.resolve(undefined);
      signal?.removeEventListener("abort", cancel);
      for (const thread of this.#threads) thread.end();
      await this.#store.close();
      // It may be about to be made.
      await this.#output?.then((file) => file.discard(), () => {});
      if (this.#failed) await this.#tellPeers(this.#failed);
      for (const { link } of this.#peers.values()) link.close();
      await Promise.all(listening);
    }
  }

  async #run(): Promise<SortSummary> {
    const { node, input, output, format, nodes } = this.#options;
    this.#inputBytes = await measureInput(input, format);
    if (this.#finished) throw this.#failed!;
    this.#output = OutputFile.create(output);
    const file = await this.#output;
    if (this.#finished) throw this.#failed!;
    const workers = this.#options.workers ?? defaultWorkers();
    for (let i = 0; i < workers; i++) {
      this.#threads.push(new SortThread(this.#store.slab, format));
    }
    this.#plan = await this.#agreeOnPlan();
    this.#store.addBuckets(this.#plan.bucketsPerNode);
    this.#planned.resolve();

    this.#enter("shuffle", this.#inputBytes);
    await this.#shuffle();

    const expected = this.#expectedOutput();
    this.#enter("sort", expected.bytes);
    const written = await this.#sortBuckets(file);
    if (!sameTally(written, expected)) {
      throw new Error(
        `Cannot complete "${output}": ${written.records} records were written and ` +
          `${expected.records} were sent, or their checksums differ`,
      );
    }

    this.#enter("commit", expected.bytes);
    await file.sync();
    const total = await this.#commit(file, written);
    this.#enter("commit", expected.bytes);
    return {
      node,
      nodes,
      input: this.#input(),
      output: written,
      ...(total ? { total } : {}),
      seconds: this.#seconds,
      spilledBytes: this.#store.spilledBytes,
      peers: [...this.#peers.values()].map(({ link, sentBytes, receivedBytes }) => (
        { node: link.node, sentBytes, receivedBytes }
      )),
    };
  }

  #enter(phase: Phase, totalBytes: number): void {
    const nowMs = performance.now();
    this.#seconds[this.#phase] += (nowMs - this.#phaseStartMs) / 1000;
    this.#phase = phase;
    this.#phaseStartMs = nowMs;
    this.#doneBytes = 0;
    this.#totalBytes = totalBytes;
  }

  // Sample

  async #agreeOnPlan(): Promise<Plan> {
    const { node, nodes, input } = this.#options;
    const keys = this.#inputBytes === 0 ? [] : await this.#threads[0]!.sample({
      kind: "sample-file",
      path: input,
      size: this.#inputBytes,
      node,
    });
    const maxBuckets = Math.floor(this.#store.slots * OPEN_PART / this.#threads.length);
    const sample: InputSample = { bytes: this.#inputBytes, maxBuckets, keys };
    if (node !== 0) {
      await this.#send(0, FRAME.SAMPLE, encodeSample(sample));
      const plan = decodePlan((await this.#collect(FRAME.PLAN, 1))[0]!.frame.payload);
      if (plan.splitters.length + 1 !== plan.bucketsPerNode * nodes) {
        throw new FrameError("a plan of the wrong size");
      }
      return plan;
    }
    const others = await this.#collect(FRAME.SAMPLE, nodes - 1);
    const plan = this.#makePlan([
      sample,
      ...others.map(({ frame }) => decodeSample(frame.payload)),
    ]);
    const encoded = encodePlan(plan);
    await Promise.all([...this.#peers.keys()].map((to) => this.#send(to, FRAME.PLAN, encoded)));
    return plan;
  }

  #makePlan(samples: InputSample[]): Plan {
    const { nodes, partition, format } = this.#options;
    const bytesPerNode = samples.reduce((sum, { bytes }) => sum + bytes, 0) / nodes;
    const recordsPerNode = bytesPerNode / (format.recordBytes || PLANNED_LINE_BYTES);
    const wanted = Math.max(bytesPerNode / BUCKET_BYTES, recordsPerNode / BUCKET_RECORDS);
    const most = Math.floor(Math.min(...samples.map(({ maxBuckets }) => maxBuckets)) / nodes);
    const bucketsPerNode = Math.max(1, Math.min(Math.ceil(wanted), most));
    const keys = samples.flatMap((sample) => sample.keys);
    const splitters = chooseSplitters(keys, { nodes, bucketsPerNode, partition });
    return { bucketsPerNode, splitters };
  }

  // Shuffle

  async #shuffle(): Promise<void> {
    const { format, input, node } = this.#options;
    const size = this.#inputBytes;
    const unit = format.recordBytes || 1;
    this.#slotsPerThread = this.#plan.splitters.length + 1 + SPARE_SLOTS;
    const dealing = Promise.withResolvers<void>();
    const sending = [...this.#peers.values()].map((peer) => this.#sendData(peer, dealing.promise));
    const ends = this.#collect(FRAME.END, this.#peers.size);
    await Promise.all(this.#threads.map((thread, i) => {
      const at = (part: number) => Math.floor(part * (size / unit) / this.#threads.length) * unit;
      const part = { path: input, size, start: at(i), end: at(i + 1) };
      if (part.start === part.end) return;
      thread.onPieces = (pieces, bytes) => this.#dealt(thread, pieces, bytes);
      this.#held.set(thread, 0);
      this.#grantSlots();
      const { splitters } = this.#plan;
      return thread.deal({ kind: "deal-file", part, splitters, node }).then(() => {
        this.#held.delete(thread);
      });
    }));
    dealing.resolve();
    await Promise.all([...sending, ends]);
  }

  #dealt(thread: SortThread, pieces: Piece[], bytes: number): void {
    this.#doneBytes += bytes;
    this.#held.set(thread, this.#held.get(thread)! - pieces.length);
    const { node, format } = this.#options;
    const { bucketsPerNode } = this.#plan;
    for (const piece of pieces) {
      const owner = Math.floor(piece.bucket / bucketsPerNode);
      const tally = tallyOf(piece, format);
      if (owner === node) {
        addTally(this.#own, tally);
        this.#store.add(piece.bucket - node * bucketsPerNode, piece);
        continue;
      }
      const peer = this.#peers.get(owner)!;
      addTally(peer.sent, tally);
      peer.queue.push(piece);
      this.#queuedSlots++;
      peer.wake();
    }
    this.#grantSlots();
  }

  /** Gives slots to threads that are short of them, as far as there are any for that. */
  #grantSlots(): void {
    if (this.#held.size === 0) return;
    const most = Math.floor(this.#store.slots * OUTBOUND_PART);
    for (const [thread, held] of this.#held) {
      const outbound = this.#held.values().reduce((sum, slots) => sum + slots, this.#queuedSlots);
      const slots = this.#store.takeSlots(
        Math.min(
          this.#slotsPerThread - held,
          most - outbound,
          this.#store.freeSlots - RESERVED_SLOTS,
        ),
      );
      if (slots.length === 0) continue;
      this.#held.set(thread, held + slots.length);
      thread.grant(slots);
    }
  }

  async #sendData(peer: PeerState, dealing: Promise<void>): Promise<void> {
    const slab = this.#store.bytes;
    const block = new Uint8Array(FRAMES_PER_WRITE * (FRAME_HEADER_BYTES + MAX_DATA_BYTES));
    let dealt = false;
    dealing.then(() => {
      dealt = true;
      peer.wake();
    });
    for (;;) {
      const pieces = peer.queue.splice(0, FRAMES_PER_WRITE);
      if (pieces.length === 0) {
        if (dealt) break;
        const { promise, resolve } = Promise.withResolvers<void>();
        peer.wake = resolve;
        await promise;
        continue;
      }
      let fill = 0;
      for (const piece of pieces) {
        const from = piece.slot * SLOT_BYTES;
        const entries = slab.subarray(from, from + piece.bytes);
        fill += writeDataFrame(piece, entries, block.subarray(fill));
        this.#queuedSlots--;
        this.#store.release(piece.slot);
      }
      await this.#write(peer, block.subarray(0, fill));
    }
    await this.#send(peer.link.node, FRAME.END, encodeTallies(peer.sent));
  }

  async #takeData(peer: PeerState, payload: Uint8Array): Promise<void> {
    // A peer may have the plan, and data for us, before we have it.
    await Promise.race([this.#planned.promise, this.#ended.promise]);
    if (this.#finished) return;
    const { node, format } = this.#options;
    const { piece, entries } = readDataFrame(payload);
    const index = piece.bucket - node * this.#plan.bucketsPerNode;
    const { recordBytes } = format;
    const records = recordBytes ? entries.length / recordBytes : piece.records;
    if (!this.#store.buckets[index] || records !== piece.records) {
      throw new FrameError("a data frame of nonsense");
    }
    addTally(peer.received, tallyOf(piece, format));
    const slot = await Promise.race([this.#store.slot(), this.#ended.promise]);
    if (slot === undefined) return;
    piece.slot = slot;
    this.#store.bytes.set(entries, piece.slot * SLOT_BYTES);
    this.#store.add(index, piece);
  }

  #takeEnd(peer: PeerState, payload: Uint8Array): void {
    const [sent] = decodeTallies(payload, 1);
    if (!sameTally(sent!, peer.received)) {
      throw new FrameError(
        `${sent!.records} records and only ${peer.received.records} of them arrived, ` +
          "or their checksums differ",
      );
    }
  }

  // Sort

  #expectedOutput(): Tally {
    const expected = { ...this.#own };
    for (const { received } of this.#peers.values()) addTally(expected, received);
    return expected;
  }

  async #sortBuckets(output: OutputFile): Promise<Tally> {
    const { format } = this.#options;
    const written = emptyTally();
    const idle = [...this.#threads];
    const busy = new Set<Promise<void>>();
    let offset = 0;
    const { buckets } = this.#store;
    for (let i = 0; i < buckets.length; i++) {
      const bucket = buckets[i]!;
      if (bucket.records === 0) continue;
      while (idle.length === 0) await Promise.race(busy);
      if (this.#isTooLarge(bucket)) {
        await this.#splitBucket(i--, idle[0]!);
        continue;
      }
      const { stretches, slots } = await this.#store.stretches(bucket);
      while (idle.length === 0) await Promise.race(busy);
      const thread = idle.pop()!;
      const bytes = fileBytes(format, bucket.bytes, bucket.records);
      const sorted = thread.sort({
        kind: "sort",
        bucket: { stretches, records: bucket.records, offset },
        outputPath: output.temporaryPath,
        spillPath: this.#store.spillPath,
      }).then((tally) => {
        if (!sameTally(tally, { records: bucket.records, bytes, sum: bucket.sum })) {
          throw new Error("Cannot sort a bucket: what was read back is not what was stored");
        }
        addTally(written, tally);
        this.#doneBytes += tally.bytes;
        this.#store.drop(bucket, slots);
        busy.delete(sorted);
        idle.push(thread);
      });
      // Its failure is seen where it is waited for.
      sorted.catch(() => {});
      busy.add(sorted);
      offset += bytes;
    }
    await Promise.all(busy);
    return written;
  }

  #isTooLarge({ bytes, records }: Bucket): boolean {
    return records > 1 &&
      (records > MAX_BUCKET_RECORDS || bytes > this.#store.slots * SLOT_BYTES * MAX_BUCKET_PART);
  }

  /** Deals a bucket out to smaller ones, which take its place. */
  async #splitBucket(index: number, thread: SortThread): Promise<void> {
    const bucket = this.#store.buckets[index]!;
    const extents = await this.#store.spillAll(bucket);
    const entries = { path: this.#store.spillPath, extents };
    const sample = await thread.sample({ kind: "sample-spilled", entries });
    const wanted = Math.max(bucket.bytes / BUCKET_BYTES, bucket.records / BUCKET_RECORDS);
    const parts = Math.max(2, Math.min(Math.ceil(wanted), this.#store.slots * OPEN_PART));
    const options = { nodes: 1, bucketsPerNode: Math.floor(parts), partition: "sample" } as const;
    const splitters = chooseSplitters(sample, options);
    this.#store.split(index, splitters.length + 1);
    this.#slotsPerThread = splitters.length + 1 + SPARE_SLOTS;
    thread.onPieces = (pieces) => {
      this.#held.set(thread, this.#held.get(thread)! - pieces.length);
      for (const piece of pieces) this.#store.add(index + piece.bucket, piece);
      this.#grantSlots();
    };
    this.#held.set(thread, 0);
    this.#grantSlots();
    await thread.deal({ kind: "deal-spilled", entries, splitters });
    this.#held.delete(thread);
  }

  // Commit

  #input(): Tally {
    const input = { ...this.#own };
    for (const { sent } of this.#peers.values()) addTally(input, sent);
    return input;
  }

  /** Agrees with all that everything is there, and names the output; the total on node 0. */
  async #commit(file: OutputFile, written: Tally): Promise<Tally | undefined> {
    const { node, nodes } = this.#options;
    const others = [...this.#peers.keys()];
    if (node !== 0) {
      await this.#send(0, FRAME.COMPLETE, encodeTallies(this.#input(), written));
      await this.#collect(FRAME.COMMIT, 1);
      this.#decided = true;
      await file.commit();
      await this.#send(0, FRAME.DONE);
      await this.#collect(FRAME.FINISH, 1);
      return undefined;
    }
    const [inputs, outputs] = [this.#input(), { ...written }];
    for (const { frame } of await this.#collect(FRAME.COMPLETE, nodes - 1)) {
      const [input, output] = decodeTallies(frame.payload, 2);
      addTally(inputs, input!);
      addTally(outputs, output!);
    }
    if (!sameTally(inputs, outputs)) {
      throw new Error(
        `Cannot commit: all nodes read ${inputs.records} records and wrote ${outputs.records}, ` +
          "or their checksums differ",
      );
    }
    this.#decided = true;
    await Promise.all(others.map((to) => this.#send(to, FRAME.COMMIT)));
    await file.commit();
    await this.#collect(FRAME.DONE, nodes - 1);
    await Promise.all(others.map((to) => this.#send(to, FRAME.FINISH)));
    return inputs;
  }

  // Peers

  /** Takes what a peer sends until it closes. */
  async #listen(peer: PeerState): Promise<void> {
    const { link } = peer;
    try {
      for (;;) {
        const frame = await link.receive();
        if (this.#finished) return;
        if (frame === null) {
          if (this.#mayLeave(link.node)) return;
          throw new SortFailedError({
            node: link.node,
            reason: `${link.name} closed the connection during ${this.#phase}`,
          });
        }
        peer.receivedBytes += FRAME_HEADER_BYTES + frame.payload.length;
        if (frame.type === FRAME.DATA) await this.#takeData(peer, frame.payload);
        else if (frame.type === FRAME.ABORT) throw new SortFailedError(decodeAbort(frame.payload));
        else {
          if (frame.type === FRAME.END) this.#takeEnd(peer, frame.payload);
          this.#takeFrame({ type: frame.type, payload: frame.payload.slice() }, link.node);
        }
      }
    } catch (error) {
      if (this.#finished) return;
      if (error instanceof SortFailedError) return this.#fail(error);
      const what = error instanceof FrameError ? `sent ${error.message}` : messageOf(error);
      const reason = `${link.name}: ${what} during ${this.#phase}`;
      this.#fail(new SortFailedError({ node: link.node, reason }, { cause: error }));
    }
  }

  /** Whether a peer has said all that we need from it. */
  #mayLeave(node: number): boolean {
    if (this.#options.node === 0) {
      return this.#frames.get(FRAME.DONE)?.some(({ from }) => from === node) ?? false;
    }
    // After that the others wait for node 0 alone, and may hear from it before we do.
    return this.#frames.has(node === 0 ? FRAME.FINISH : FRAME.COMMIT);
  }

  #takeFrame(frame: Frame, from: number): void {
    const frames = this.#frames.get(frame.type) ?? [];
    this.#frames.set(frame.type, frames);
    if (frames.some((other) => other.from === from)) {
      throw new FrameError(`a second frame of type ${frame.type}`);
    }
    frames.push({ frame, from });
    this.#onFrame();
  }

  /** Waits for a frame of this type from `count` nodes. */
  async #collect(type: FrameType, count: number): Promise<{ frame: Frame; from: number }[]> {
    while ((this.#frames.get(type)?.length ?? 0) < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const others = this.#onFrame;
      this.#onFrame = () => {
        others();
        resolve();
      };
      await promise;
    }
    return this.#frames.get(type) ?? [];
  }

  #send(to: number, type: FrameType, payload?: Uint8Array): Promise<void> {
    const peer = this.#peers.get(to)!;
    peer.sentBytes += FRAME_HEADER_BYTES + (payload?.length ?? 0);
    return this.#guard(peer.link.send(type, payload));
  }

  #write(peer: PeerState, frames: Uint8Array): Promise<void> {
    peer.sentBytes += frames.length;
    return this.#guard(peer.link.write(frames));
  }

  /** A write that fails is no reason: who reads from the same peer knows what happened to it. */
  #guard(write: Promise<void>): Promise<void> {
    return write.catch(() => new Promise<void>(() => {}));
  }

  /** The first failure is the one that counts. */
  #fail(error: unknown): void {
    if (this.#failed || this.#finished) return;
    const { node, nodes } = this.#options;
    const where = nodes > 1 ? `node ${node}: ` : "";
    this.#failed = error instanceof SortFailedError
      ? error
      : new SortFailedError({ node, reason: where + messageOf(error) }, { cause: error });
    this.#failure.reject(this.#failed);
  }

  async #tellPeers({ node, message }: SortFailedError): Promise<void> {
    const notice = encodeAbort({ node, reason: message });
    const telling = [...this.#peers.values()].map(async ({ link }) => {
      try {
        await link.send(FRAME.ABORT, notice);
        await link.connection.finish();
      } catch {
        // It is gone; then it needs no reason.
      }
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ABORT_GRACE_MS);
    await Promise.race([Promise.all(telling), promise]);
    clearTimeout(timer);
  }
}

function tallyOf({ bytes, records, sum }: Piece, format: RecordFormat): Tally {
  return { records, bytes: fileBytes(format, bytes, records), sum: BigInt(sum) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The size of an input, which has to consist of whole records. */
async function measureInput(path: string, format: RecordFormat): Promise<number> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    throw new Error(`Cannot read "${path}": ${messageOf(error)}`, { cause: error });
  }
  if (!info.isFile) throw new Error(`Cannot sort "${path}": it is not a file`);
  if (info.size > MAX_INPUT_BYTES) {
    throw new Error(`Cannot sort "${path}": it has more than ${MAX_INPUT_BYTES} bytes`);
  }
  const rest = format.recordBytes ? info.size % format.recordBytes : 0;
  if (rest !== 0) {
    throw new Error(
      `Cannot sort "${path}": the record at byte ${info.size - rest} is cut off, ` +
        `it has ${rest} of ${format.recordBytes} bytes`,
    );
  }
  return info.size;
}
