/**
 * The second phase of a job, in which data changes places: all nodes deal out their inputs, and an
 * entry goes to the end of its bucket, on this node or on the one that has it.
 *
 * @module
 */

import type { BucketStore } from "../sort/bucket_store.ts";
import { addTally, emptyTally, sameTally, type Tally } from "../records/checksum.ts";
import {
  decodeTallies,
  encodeTallies,
  FRAME,
  FRAME_HEADER_BYTES,
  FrameError,
  MAX_DATA_BYTES,
  type Plan,
  readDataFrame,
  writeDataFrame,
} from "../link/frame.ts";
import { type Piece, SLOT_BYTES } from "../sort/partitioner.ts";
import type { Peer, PeerGroup } from "./peer_group.ts";
import { fileBytes, type RecordFormat } from "../records/record_format.ts";
import type { SlotBudget } from "../sort/slot_budget.ts";
import type { SortThread } from "../sort/sort_pool.ts";

/** So many data frames are sent in one write. */
const FRAMES_PER_WRITE = 4;

/** Options for {@linkcode Shuffle}. */
export interface ShuffleOptions {
  node: number;
  format: RecordFormat;
  store: BucketStore;
  budget: SlotBudget;
  /** Told how many bytes of the input have been dealt out. */
  onProgress: (bytes: number) => void;
}

/** What waits to be sent to a peer. */
interface Outbound {
  peer: Peer;
  queue: Piece[];
  /** Tells the one who sends that there is something. */
  wake: () => void;
}

/** This node's part of the shuffle. It runs once. */
export class Shuffle {
  readonly #options: ShuffleOptions;
  readonly #outbound = new Map<number, Outbound>();
  /** What stays on this node. */
  readonly #own = emptyTally();
  #plan: Plan = { bucketsPerNode: 1, splitters: [] };
  /** Resolves when there are buckets to put data into. */
  readonly #planned = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<undefined>();
  #over = false;

  constructor(options: ShuffleOptions) {
    this.#options = options;
  }

  /** What has been read here so far; the whole input at the end. */
  input(peers: PeerGroup): Tally {
    const input = { ...this.#own };
    for (const { sent } of peers.all) addTally(input, sent);
    return input;
  }

  /** What this node has to write. */
  expectedOutput(peers: PeerGroup): Tally {
    const expected = { ...this.#own };
    for (const { received } of peers.all) addTally(expected, received);
    return expected;
  }

  /** Makes the buckets; from now on data is taken. */
  begin(plan: Plan): void {
    this.#plan = plan;
    this.#options.store.addBuckets(plan.bucketsPerNode);
    this.#planned.resolve();
  }

  /** Deals out an input of that many bytes, and waits for what others send. */
  async run(
    peers: PeerGroup,
    threads: readonly SortThread[],
    { path, bytes: size }: { path: string; bytes: number },
  ): Promise<void> {
    const { node, format, budget } = this.#options;
    const { splitters } = this.#plan;
    const unit = format.recordBytes || 1;
    budget.plan(splitters.length + 1);
    const dealing = Promise.withResolvers<void>();
    const sending = peers.all.map((peer) => this.#send(peers, peer, dealing.promise));
    const ends = peers.collect(FRAME.END, peers.all.length);
    await Promise.all(threads.map((thread, i) => {
      const at = (part: number) => Math.floor(part * (size / unit) / threads.length) * unit;
      const part = { path, size, start: at(i), end: at(i + 1) };
      if (part.start === part.end) return;
      thread.onPieces = (pieces, bytes) => this.#dealt(thread, pieces, bytes);
      budget.begin(thread);
      return thread.deal({ kind: "deal-file", part, splitters, node }).then(() => {
        budget.end(thread);
      });
    }));
    dealing.resolve();
    await Promise.all([...sending, ends]);
  }

  /** Takes no more; who waits for room goes away. */
  end(): void {
    this.#over = true;
    this.#ended.resolve(undefined);
  }

  /** Puts the data of a frame into its bucket. */
  async takeData(peer: Peer, payload: Uint8Array): Promise<void> {
    // A peer may have the plan, and data for us, before we have it.
    await Promise.race([this.#planned.promise, this.#ended.promise]);
    if (this.#over) return;
    const { node, format, store } = this.#options;
    const { piece, entries } = readDataFrame(payload);
    const index = piece.bucket - node * this.#plan.bucketsPerNode;
    const { recordBytes } = format;
    const records = recordBytes ? entries.length / recordBytes : piece.records;
    if (!store.buckets[index] || records !== piece.records) {
      throw new FrameError("a data frame of nonsense");
    }
    addTally(peer.received, tallyOf(piece, format));
    const slot = await Promise.race([store.slot(), this.#ended.promise]);
    if (slot === undefined) return;
    piece.slot = slot;
    store.bytes.set(entries, piece.slot * SLOT_BYTES);
    store.add(index, piece);
  }

  /** Compares what a peer says that it has sent with what has come. */
  takeEnd(peer: Peer, payload: Uint8Array): void {
    const [sent] = decodeTallies(payload, 1);
    if (!sameTally(sent!, peer.received)) {
      throw new FrameError(
        `${sent!.records} records and only ${peer.received.records} of them arrived, ` +
          "or their checksums differ",
      );
    }
  }

  #dealt(thread: SortThread, pieces: Piece[], bytes: number): void {
    const { node, format, store, budget, onProgress } = this.#options;
    const { bucketsPerNode } = this.#plan;
    onProgress(bytes);
    budget.handedOn(thread, pieces.length);
    for (const piece of pieces) {
      const owner = Math.floor(piece.bucket / bucketsPerNode);
      const tally = tallyOf(piece, format);
      if (owner === node) {
        addTally(this.#own, tally);
        store.add(piece.bucket - node * bucketsPerNode, piece);
        continue;
      }
      const outbound = this.#outbound.get(owner)!;
      addTally(outbound.peer.sent, tally);
      outbound.queue.push(piece);
      budget.queue();
      outbound.wake();
    }
    budget.grant();
  }

  async #send(peers: PeerGroup, peer: Peer, dealing: Promise<void>): Promise<void> {
    const { store, budget } = this.#options;
    const outbound: Outbound = { peer, queue: [], wake: () => {} };
    this.#outbound.set(peer.link.node, outbound);
    const block = new Uint8Array(FRAMES_PER_WRITE * (FRAME_HEADER_BYTES + MAX_DATA_BYTES));
    let dealt = false;
    dealing.then(() => {
      dealt = true;
      outbound.wake();
    });
    for (;;) {
      const pieces = outbound.queue.splice(0, FRAMES_PER_WRITE);
      if (pieces.length === 0) {
        if (dealt) break;
        const { promise, resolve } = Promise.withResolvers<void>();
        outbound.wake = resolve;
        await promise;
        continue;
      }
      let fill = 0;
      for (const piece of pieces) {
        const from = piece.slot * SLOT_BYTES;
        const entries = store.bytes.subarray(from, from + piece.bytes);
        fill += writeDataFrame(piece, entries, block.subarray(fill));
        budget.unqueue();
        store.release(piece.slot);
      }
      await peers.write(peer, block.subarray(0, fill));
    }
    await peers.send(peer.link.node, FRAME.END, encodeTallies(peer.sent));
  }
}

function tallyOf({ bytes, records, sum }: Piece, format: RecordFormat): Tally {
  return { records, bytes: fileBytes(format, bytes, records), sum: BigInt(sum) };
}
