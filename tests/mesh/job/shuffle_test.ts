import assert from "node:assert/strict";
import { encodeKeyList } from "../../../lib/mesh/sort/key_list.ts";
import { type Peer, PeerGroup } from "../../../lib/mesh/job/peer_group.ts";
import { Shuffle } from "../../../lib/mesh/job/shuffle.ts";
import {
  encodeTallies,
  FRAME,
  FRAME_HEADER_BYTES,
  FrameError,
  writeDataFrame,
} from "../../../lib/mesh/link/frame.ts";
import type { PeerLink } from "../../../lib/mesh/link/peer_link.ts";
import { emptyTally } from "../../../lib/mesh/records/checksum.ts";
import { BucketStore } from "../../../lib/mesh/sort/bucket_store.ts";
import { SLOT_BYTES } from "../../../lib/mesh/sort/open_pieces.ts";
import { type DealingThread, SlotBudget } from "../../../lib/mesh/sort/slot_budget.ts";
import type { DealtReport } from "../../../lib/mesh/sort/sort_messages.ts";
import { SortEndedError } from "../../../lib/mesh/sort/sort_ended.ts";
import { within } from "../../support/within.ts";
import { wholeFile } from "../support/nodes.ts";
import { linkPair } from "../support/pipe_links.ts";

const WAIT_MS = 60_000;
const SLOTS = 64;
const FORMAT = { recordBytes: 4, keyStart: 0, keyEnd: 4 };
/** Two nodes with two buckets each. */
const PLAN = {
  bucketsPerNode: 2,
  splitters: encodeKeyList([1, 2, 3].map((byte) => ({ key: Uint8Array.of(byte), order: 0 }))),
};

/** A thread that puts one record into each piece, with the number of its bucket as content. */
class OneRecordPieces implements DealingThread {
  readonly #bytes: Uint8Array;
  readonly #buckets: number[];
  readonly #slots: number[] = [];
  #wake: () => void = () => {};

  constructor(bytes: Uint8Array, buckets: number[]) {
    this.#bytes = bytes;
    this.#buckets = buckets;
  }

  grant(slots: number[]): void {
    this.#slots.push(...slots);
    this.#wake();
  }

  async deal(_: unknown, onDealt: (report: DealtReport) => void): Promise<void> {
    for (const [order, bucket] of this.#buckets.entries()) {
      while (this.#slots.length === 0) {
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
      const slot = this.#slots.pop()!;
      this.#bytes.fill(bucket, slot * SLOT_BYTES, slot * SLOT_BYTES + 4);
      const piece = { bucket, slot, bytes: 4, records: 1, fileBytes: 4, order, sum: bucket + 1 };
      onDealt({ pieces: [piece], bytes: 4 });
    }
  }

  takeBack(): Promise<number[]> {
    return Promise.resolve(this.#slots.splice(0));
  }
}

/** One node of two. */
function makeNode(node: number, link: PeerLink) {
  const failures: string[] = [];
  const store = new BucketStore({
    memoryBytes: SLOTS * SLOT_BYTES,
    spillPath: "/nowhere/unused.spill",
    onFree: () => budget.grant(),
    onFailure: (error) => failures.push(String(error)),
  });
  const budget = new SlotBudget(store);
  let dealtBytes = 0;
  const onProgress = (bytes: number) => {
    dealtBytes += bytes;
  };
  const shuffle = new Shuffle({ node, format: FORMAT, store, budget, onProgress });
  const peers = new PeerGroup({
    node,
    links: [link],
    phase: () => "shuffle",
    onFailure: ({ message }) => failures.push(message),
    onData: (peer, payload) => shuffle.takeData(peer, payload),
    onEnd: (peer, payload) => shuffle.takeEnd(peer, payload),
  });
  const listening = peers.listen();
  /** Deals out records for these buckets. */
  const run = (buckets: number[]) => {
    const thread = new OneRecordPieces(store.bytes, buckets);
    const size = 4 * buckets.length;
    const part = { ...wholeFile("unused", size), end: size };
    return within(WAIT_MS, "the shuffle", shuffle.run(peers, [thread], [[part]]));
  };
  return {
    shuffle,
    store,
    budget,
    peers,
    failures,
    run,
    dealtBytes: () => dealtBytes,
    [Symbol.asyncDispose]: async () => {
      peers.end();
      shuffle.end();
      await store.close();
      peers.close();
      await within(WAIT_MS, "the reader", listening);
    },
  };
}

Deno.test("Shuffle: every entry arrives in its bucket, and the tallies of both nodes agree", async () => {
  const { here, there } = linkPair(0, 1);
  await using first = makeNode(0, here);
  await using second = makeNode(1, there);
  // The first one sends before the second has the plan.
  first.shuffle.begin(PLAN);
  const running = first.run([0, 1, 2, 3, 3, 2, 3]);
  second.shuffle.begin(PLAN);
  await Promise.all([running, second.run([0, 0, 3])]);
  const records = ({ store }: typeof first) => store.buckets.map((bucket) => bucket.records);
  assert.deepEqual([records(first), records(second)], [[3, 1], [2, 4]]);
  assert.deepEqual([first.dealtBytes(), second.dealtBytes()], [28, 12]);
  for (const [node, input, output] of [[first, 7, 4], [second, 3, 6]] as const) {
    assert.equal(node.shuffle.input(node.peers).records, input);
    assert.equal(node.shuffle.expectedOutput(node.peers).records, output);
    assert.equal(node.budget.granted + node.budget.queued, 0);
    assert.equal(node.store.freeSlots, SLOTS - output);
    assert.deepEqual(node.failures, []);
    for (const [bucket, { pieces }] of node.store.buckets.entries()) {
      const content = node === first ? bucket : bucket + 2;
      for (const { slot } of pieces) assert.equal(node.store.bytes[slot * SLOT_BYTES], content);
    }
  }
});

Deno.test("Shuffle: a peer that takes nothing holds at most half of the slots, and the rest follows", async () => {
  const { here, there } = linkPair(0, 1);
  await using first = makeNode(0, here);
  first.shuffle.begin(PLAN);
  let most = 0;
  const grant = first.budget.grant.bind(first.budget);
  first.budget.grant = () => {
    grant();
    most = Math.max(most, first.budget.granted + first.budget.queued);
  };
  // Far more than there are slots, all for a node that does not read yet.
  const running = first.run(Array.from({ length: 20 * SLOTS }, () => 2));
  await using second = makeNode(1, there);
  second.shuffle.begin(PLAN);
  second.store.add = (_, { slot }) => second.store.release(slot);
  await Promise.all([running, second.run([])]);
  assert.equal(most, SLOTS / 2);
  assert.equal(second.shuffle.expectedOutput(second.peers).records, 20 * SLOTS);
  first.budget.assertAllFree();
});

/** The payload of a data frame with these records. */
function dataFrame(bucket: number, records: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(1000);
  const piece = { bucket, slot: -1, bytes, records, fileBytes: bytes, order: 0, sum: 7 };
  const length = writeDataFrame(piece, new Uint8Array(bytes), frame);
  return frame.slice(FRAME_HEADER_BYTES, length);
}

Deno.test("Shuffle.takeData() refuses frames that do not fit the plan or the format", async () => {
  const { here, there } = linkPair(1, 0);
  await using node = makeNode(1, here);
  node.shuffle.begin(PLAN);
  const peer: Peer = node.peers.peer(0);
  const cases: [string, Uint8Array][] = [
    ["a bucket of another node", dataFrame(1, 1, 4)],
    ["a bucket that does not exist", dataFrame(4, 1, 4)],
    ["the wrong number of records", dataFrame(2, 2, 4)],
    ["part of a record", dataFrame(2, 1, 6)],
    ["no record", dataFrame(2, 0, 0)],
  ];
  for (const [what, payload] of cases) {
    await assert.rejects(node.shuffle.takeData(peer, payload), FrameError, what);
  }
  assert.equal(node.store.freeSlots, SLOTS);
  await node.shuffle.takeData(peer, dataFrame(2, 1, 4));
  assert.equal(node.store.buckets[0]!.records, 1);
  there.close();
});

Deno.test("Shuffle.takeEnd() compares every field of what was sent with what arrived", async () => {
  const { here, there } = linkPair(1, 0);
  await using node = makeNode(1, here);
  node.shuffle.begin(PLAN);
  const peer = node.peers.peer(0);
  await node.shuffle.takeData(peer, dataFrame(2, 2, 8));
  const right = { records: 2, bytes: 8, sum: 7n };
  for (const wrong of [{ records: 3 }, { bytes: 9 }, { sum: 8n }]) {
    const payload = encodeTallies({ ...right, ...wrong });
    assert.throws(() => node.shuffle.takeEnd(peer, payload), /only 2 of them arrived/);
  }
  node.shuffle.takeEnd(peer, encodeTallies(right));
  there.close();
});

Deno.test("Shuffle: data that waits for the plan, or for a slot, is given up when the sort ends", async () => {
  const { here, there } = linkPair(1, 0);
  await using node = makeNode(1, here);
  const peer = node.peers.peer(0);
  const early = node.shuffle.takeData(peer, dataFrame(2, 1, 4));
  node.shuffle.end();
  await assert.rejects(within(WAIT_MS, "the rejection", early), SortEndedError);

  await using full = makeNode(0, there);
  full.shuffle.begin(PLAN);
  const taken = full.store.takeSlots(SLOTS);
  assert.equal(taken.length, SLOTS);
  const late = full.shuffle.takeData(full.peers.peer(1), dataFrame(0, 1, 4));
  await Promise.all([
    assert.rejects(within(WAIT_MS, "the rejection", late), SortEndedError),
    full.store.close(),
  ]);
});

Deno.test("Shuffle: a peer that is lost ends the shuffle with the reason", async () => {
  const { here, there } = linkPair(0, 1);
  await using node = makeNode(0, here);
  node.shuffle.begin(PLAN);
  await there.send(FRAME.END, encodeTallies({ ...emptyTally(), records: 1 }));
  const running = node.run(Array.from({ length: 1000 }, () => 2));
  await node.peers.peer(1).ended;
  assert.match(node.failures[0]!, /^node 1: sent 1 records and only 0 of them arrived/);
  there.close();
  node.peers.close();
  await assert.rejects(running, /^SortFailedError: node 1: sent 1 records/);
});
