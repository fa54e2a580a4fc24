/**
 * The second phase of a job: all nodes deal out their inputs, and each entry is appended to its
 * bucket, on this node or on the node that has the bucket.
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
import { encodeKeyList, keyCount } from "../sort/key_list.ts";
import { type Piece, SLOT_BYTES } from "../sort/open_pieces.ts";
import type { Peer, PeerGroup } from "./peer_group.ts";
import { countBytesOf, type RecordFormat } from "../records/record_format.ts";
import type { DealingThread, SlotBudget } from "../sort/slot_budget.ts";
import type { DealtReport, FilePart } from "../sort/sort_messages.ts";
import { SortEndedError } from "../sort/sort_ended.ts";

/** Data frames per write. */
const FRAMES_PER_WRITE = 4;

/** Options for {@linkcode Shuffle}. */
export interface ShuffleOptions {
  node: number;
  format: RecordFormat;
  store: BucketStore;
  budget: SlotBudget;
  /** Called with the number of input bytes dealt out since the last call. */
  onProgress: (bytes: number) => void;
}

/** The pieces that wait to be sent to a peer. */
interface Outbound {
  peer: Peer;
  queue: Piece[];
  /** Wakes the sender when a piece is queued. */
  wake: () => void;
}

/** This node's part of the shuffle. It runs once. */
export class Shuffle {
  readonly #options: ShuffleOptions;
  readonly #outbound = new Map<number, Outbound>();
  /** The entries that stay on this node. */
  readonly #own = emptyTally();
  /** Of a sort that reduces: the entries that only raised the count of another one. */
  readonly #absorbed = emptyTally();
  #plan: Plan = { bucketsPerNode: 1, splitters: encodeKeyList([]) };
  /** Resolves when there are buckets for data; rejects if the sort ends before. */
  readonly #planned = Promise.withResolvers<void>();

  constructor(options: ShuffleOptions) {
    this.#options = options;
    this.#planned.promise.catch(() => {});
  }

  /** The entries read here so far; at the end, the whole input. */
  input(peers: PeerGroup): Tally {
    const input = { ...this.#own };
    addTally(input, this.#absorbed);
    for (const { sent } of peers.all) addTally(input, sent);
    return input;
  }

  /** The entries that this node has to write. */
  expectedOutput(peers: PeerGroup): Tally {
    const expected = { ...this.#own };
    for (const { received } of peers.all) addTally(expected, received);
    return expected;
  }

  /** Creates the buckets; from now on `takeData` stores data. */
  begin(plan: Plan): void {
    this.#plan = plan;
    this.#options.store.addBuckets(plan.bucketsPerNode);
    this.#planned.resolve();
  }

  /**
   * Deals out an input, and waits until all peers have sent their data.
   *
   * @param divided The input, divided among the threads.
   * @throws {Error} If a thread cannot read the input, a peer is at fault, or the sort ends.
   */
  async run(
    peers: PeerGroup,
    threads: readonly DealingThread[],
    divided: readonly (readonly FilePart[])[],
  ): Promise<void> {
    const { node, budget } = this.#options;
    const { splitters } = this.#plan;
    budget.plan(keyCount(splitters) + 1);
    for (const peer of peers.all) {
      this.#outbound.set(peer.link.node, { peer, queue: [], wake: () => {} });
    }
    const dealing = Promise.all(threads.map(async (thread, i) => {
      const parts = divided[i]!;
      if (parts.length === 0) return;
      const task = { kind: "deal-files", parts, splitters, node } as const;
      await budget.deal(thread, task, (report) => this.#dealt(report));
    }));
    const sending = this.#outbound.values().map((outbound) => this.#send(peers, outbound, dealing));
    const ends = peers.collect(FRAME.END, peers.all.length);
    await Promise.all([dealing, ...sending, ends]);
  }

  /** Rejects what waits for the plan. */
  end(): void {
    this.#planned.reject(new SortEndedError());
  }

  /**
   * Puts the data of a frame into its bucket.
   *
   * @throws {FrameError} If the frame does not fit the plan.
   * @throws {SortEndedError} If the sort ends before there is a slot.
   */
  async takeData(peer: Peer, payload: Uint8Array): Promise<void> {
    // A peer may get the plan first, and send data before this node has it.
    await this.#planned.promise;
    const { node, format, store } = this.#options;
    const { piece, entries } = readDataFrame(payload);
    const index = piece.bucket - node * this.#plan.bucketsPerNode;
    const { recordBytes } = format;
    const stride = recordBytes + countBytesOf(format);
    const records = recordBytes ? entries.length / stride : piece.records;
    if (!store.buckets[index] || records !== piece.records || !isPlausible(piece, format)) {
      throw new FrameError("a malformed data frame");
    }
    addTally(peer.received, tallyOf(piece));
    piece.slot = await store.slot();
    store.bytes.set(entries, piece.slot * SLOT_BYTES);
    store.add(index, piece);
  }

  /**
   * Compares what a peer says that it has sent with what has arrived.
   *
   * @throws {FrameError} If they differ.
   */
  takeEnd(peer: Peer, payload: Uint8Array): void {
    const [sent] = decodeTallies(payload, 1);
    if (!sameTally(sent!, peer.received)) {
      throw new FrameError(
        `${sent!.records} records and only ${peer.received.records} of them arrived, ` +
          "or their checksums differ",
      );
    }
  }

  #dealt({ pieces, bytes, absorbed }: DealtReport): void {
    const { node, store, budget, onProgress } = this.#options;
    const { bucketsPerNode } = this.#plan;
    onProgress(bytes);
    if (absorbed) addTally(this.#absorbed, absorbed);
    for (const piece of pieces) {
      const owner = Math.floor(piece.bucket / bucketsPerNode);
      const tally = tallyOf(piece);
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
  }

  /** Sends the pieces for a peer until everything is dealt out, and then the end. */
  async #send(peers: PeerGroup, outbound: Outbound, dealing: Promise<unknown>): Promise<void> {
    const { store, budget } = this.#options;
    const { peer } = outbound;
    const block = new Uint8Array(FRAMES_PER_WRITE * (FRAME_HEADER_BYTES + MAX_DATA_BYTES));
    let dealt = false;
    const stop = () => {
      dealt = true;
      outbound.wake();
    };
    // If dealing fails, the job fails for that reason, and the queue does not matter.
    dealing.then(stop, stop);
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

function tallyOf({ fileBytes, records, sum }: Piece): Tally {
  return { records, bytes: fileBytes, sum: BigInt(sum) };
}

/** Whether the numbers of a received piece can be right. Continuations of lines have no records. */
function isPlausible(
  { bytes, records, fileBytes, sum }: Piece,
  { recordBytes }: RecordFormat,
): boolean {
  if (bytes === 0) return false;
  if (recordBytes) return records > 0 && fileBytes === records * recordBytes;
  return records > 0 ? fileBytes >= records : fileBytes === 0 && sum === 0;
}
