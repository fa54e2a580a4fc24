/**
 * A real worker thread, driven as the budget drives it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { encodeKeyList } from "../../../lib/mesh/sort/key_list.ts";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { BucketStore } from "../../../lib/mesh/sort/bucket_store.ts";
import { type Piece, SLOT_BYTES } from "../../../lib/mesh/sort/open_pieces.ts";
import { SlotBudget } from "../../../lib/mesh/sort/slot_budget.ts";
import type { DealTask } from "../../../lib/mesh/sort/sort_messages.ts";
import { SortEndedError } from "../../../lib/mesh/sort/sort_ended.ts";
import { SortThread } from "../../../lib/mesh/sort/sort_pool.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";
import { until, within } from "../../support/within.ts";
import { generated, wholeFile } from "../support/nodes.ts";

const WAIT_MS = 60_000;
const SLOTS = 300;

/** A thread, a store without buckets, and a file of records to deal out to one bucket. */
async function setUp(records: number) {
  const directory = await makeTempDirectory();
  const path = `${directory.path}/in`;
  const content = generated(records);
  await Deno.writeFile(path, content);
  const store = new BucketStore({
    memoryBytes: SLOTS * SLOT_BYTES,
    spillPath: `${directory.path}/spill`,
    onFree: () => {},
    onFailure: (error) => {
      throw error;
    },
  });
  const size = content.length;
  const parts = [{ ...wholeFile(path, size), end: size }];
  const task: DealTask = { kind: "deal-files", parts, splitters: encodeKeyList([]), node: 0 };
  const thread = new SortThread(store.slab, DEFAULT_RECORD_FORMAT);
  return {
    store,
    thread,
    task,
    size,
    [Symbol.asyncDispose]: async () => {
      thread.end();
      await directory[Symbol.asyncDispose]();
    },
  };
}

Deno.test("SortThread: slots that a task leaves over come back, grants on their way included", async () => {
  await using at = await setUp(20_000);
  const { store, thread, task, size } = at;
  const budget = new SlotBudget(store);
  for (let round = 0; round < 3; round++) {
    budget.plan(1);
    const pieces: Piece[] = [];
    await within(
      WAIT_MS,
      "the deal",
      budget.deal(thread, task, (more) => void pieces.push(...more.pieces)),
    );
    assert.equal(pieces.reduce((sum, { bytes }) => sum + bytes, 0), size);
    assert.equal(store.freeSlots, SLOTS - pieces.length, "all others are free");
    for (const { slot } of pieces) store.release(slot);
    budget.assertAllFree();
  }
});

Deno.test("SortThread: a thread without slots is starved until it gets one", async () => {
  await using at = await setUp(20_000);
  const { store, thread, task, size } = at;
  const pieces: Piece[] = [];
  const dealing = thread.deal(task, (more) => void pieces.push(...more.pieces));
  await until("it is starved", () => thread.starved, WAIT_MS);
  assert.ok(!thread.working);
  thread.grant(store.takeSlots(2));
  assert.ok(thread.working, "the grant has not arrived yet, but will");
  // It opens the second slot when the first one is full, and is starved with the second one full.
  await until("it is starved again", () => thread.starved && pieces.length >= 1, WAIT_MS);
  thread.grant(store.takeSlots(100));
  await within(WAIT_MS, "the end of the task", dealing);
  assert.equal(pieces.reduce((sum, { bytes }) => sum + bytes, 0), size);
  assert.ok(!thread.starved && !thread.working);
  const back = await within(WAIT_MS, "the slots", thread.takeBack());
  assert.equal(back.length + pieces.length, 102);
});

Deno.test("SortThread.end() rejects the task that runs, and those that follow", async () => {
  await using at = await setUp(20_000);
  const { thread, task } = at;
  const dealing = thread.deal(task, () => {});
  thread.end();
  await assert.rejects(within(WAIT_MS, "the rejection", dealing), SortEndedError);
  await assert.rejects(within(WAIT_MS, "the rejection", thread.takeBack()), SortEndedError);
});
