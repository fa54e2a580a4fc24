import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeKeyList } from "../../../lib/mesh/sort/key_list.ts";
import { BucketStore } from "../../../lib/mesh/sort/bucket_store.ts";
import { SLOT_BYTES } from "../../../lib/mesh/sort/open_pieces.ts";
import { type DealingThread, SlotBudget } from "../../../lib/mesh/sort/slot_budget.ts";
import type { DealTask, DealtReport } from "../../../lib/mesh/sort/sort_messages.ts";

const TASK: DealTask = {
  kind: "deal-spilled",
  entries: { path: "unused", extents: [] },
  splitters: encodeKeyList([]),
};

/** A thread whose slots the test uses up: it hands them on as pieces, and ends when told to. */
class ScriptedThread implements DealingThread {
  /** The slots that it was granted and still has. */
  readonly slots: number[] = [];
  /** How many slots it does not return at the end. */
  lost = 0;
  readonly #end = Promise.withResolvers<void>();
  #ended = false;
  #onDealt: (report: DealtReport) => void = () => {};

  grant(slots: number[]): void {
    this.slots.push(...slots);
  }

  async deal(_: DealTask, onDealt: (report: DealtReport) => void): Promise<void> {
    this.#onDealt = onDealt;
    await this.#end.promise;
  }

  takeBack(): Promise<number[]> {
    return Promise.resolve(this.slots.splice(0, this.slots.length - this.lost));
  }

  /** Hands on full slots, unless it has ended. */
  handOn(count: number): void {
    if (this.#ended) return;
    const pieces = this.slots.splice(0, count).map((slot) => (
      { bucket: 0, slot, bytes: 0, records: 0, fileBytes: 0, order: 0, sum: 0 }
    ));
    this.#onDealt({ pieces, bytes: 0 });
  }

  end(): void {
    this.#ended = true;
    this.#end.resolve();
  }
}

function makeBudget(slots: number) {
  const store = new BucketStore({
    memoryBytes: slots * SLOT_BYTES,
    spillPath: "/nowhere/unused.spill",
    onFree: () => budget.grant(),
    onFailure: (error) => {
      throw error;
    },
  });
  const budget = new SlotBudget(store);
  return { store, budget };
}

Deno.test("SlotBudget: grants a slot for each bucket and a few more, and takes back the rest", async () => {
  const { store, budget } = makeBudget(1000);
  budget.plan(10);
  const thread = new ScriptedThread();
  const queued: number[] = [];
  const dealing = budget.deal(thread, TASK, ({ pieces }) => {
    for (const { slot } of pieces) queued.push(slot);
  });
  assert.equal(thread.slots.length, 74);
  thread.handOn(30);
  assert.equal(thread.slots.length, 74, "a slot for each one handed on");
  assert.equal(queued.length, 30);
  thread.end();
  await dealing;
  assert.equal(store.freeSlots, 970);
  assert.throws(() => budget.assertAllFree(), /slots have leaked, of 1000 slots 970 are free/);
  for (const slot of queued) store.release(slot);
  assert.equal(thread.slots.length, 0, "no grants after the end");
  budget.assertAllFree();
});

Deno.test("SlotBudget: open and queued slots together take at most half of all", async () => {
  const { store, budget } = makeBudget(400);
  budget.plan(100);
  const threads = [new ScriptedThread(), new ScriptedThread()];
  const queued: number[] = [];
  const dealing = threads.map((thread) => (
    budget.deal(thread, TASK, ({ pieces }) => {
      for (const { slot } of pieces) {
        queued.push(slot);
        budget.queue();
      }
    })
  ));
  const held = () => threads.reduce((sum, { slots }) => sum + slots.length, 0);
  assert.equal(held(), 200);
  // A peer that takes nothing: the queue grows, and the threads get nothing for what they hand on.
  threads[0]!.handOn(150);
  threads[1]!.handOn(20);
  assert.equal(queued.length, 170);
  assert.equal(held(), 30);
  assert.equal(store.freeSlots, 200);
  // The peer takes a few, and exactly those are granted again.
  for (const slot of queued.splice(0, 50)) {
    budget.unqueue();
    store.release(slot);
  }
  assert.equal(held(), 80);
  for (const thread of threads) thread.end();
  await Promise.all(dealing);
  for (const slot of queued) {
    budget.unqueue();
    store.release(slot);
  }
  budget.assertAllFree();
});

Deno.test("SlotBudget: a few free slots are left for the data of peers", async () => {
  const { store, budget } = makeBudget(200);
  // The buckets have all but 20 slots.
  store.addBuckets(1);
  for (let i = 0; i < 180; i++) {
    const slot = await store.slot();
    store.add(0, { bucket: 0, slot, bytes: 0, records: 1, fileBytes: 0, order: i, sum: 0 });
    store.buckets[0]!.pinned = true;
  }
  budget.plan(100);
  const thread = new ScriptedThread();
  const dealing = budget.deal(thread, TASK, () => {});
  assert.equal(thread.slots.length, 4);
  assert.equal(store.freeSlots, 16);
  thread.end();
  await dealing;
});

Deno.test("SlotBudget: a thread that does not return all slots is an error", async () => {
  const { budget } = makeBudget(1000);
  budget.plan(1);
  const thread = new ScriptedThread();
  thread.lost = 3;
  const dealing = budget.deal(thread, TASK, () => {});
  thread.end();
  await assert.rejects(dealing, /a thread owes 65 slots and returned 62/);
  assert.throws(() => budget.assertAllFree(), /997 are free, 3 with threads and 0 queued/);
});

Deno.test("SlotBudget: whatever the threads and the peers do, the limits hold and all slots return", async () => {
  const steps = fc.array(
    fc.record({
      what: fc.constantFrom("hand on", "send", "end"),
      thread: fc.nat(2),
      count: fc.nat(60),
    }),
    { maxLength: 60 },
  );
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 40, max: 300 }), async (script, slots) => {
      const { store, budget } = makeBudget(slots);
      budget.plan(20);
      const threads = [0, 1, 2].map(() => new ScriptedThread());
      const queued: number[] = [];
      const dealing = threads.map((thread) => (
        budget.deal(thread, TASK, ({ pieces }) => {
          for (const { slot } of pieces) {
            queued.push(slot);
            budget.queue();
          }
        })
      ));
      const send = (count: number) => {
        for (const slot of queued.splice(0, count)) {
          budget.unqueue();
          store.release(slot);
        }
      };
      for (const { what, thread, count } of script) {
        if (what === "hand on") threads[thread]!.handOn(count);
        else if (what === "send") send(count);
        else threads[thread]!.end();
        const held = threads.reduce((sum, { slots }) => sum + slots.length, 0);
        assert.ok(held + queued.length <= slots / 2, `${held} held, ${queued.length} queued`);
        assert.ok(store.freeSlots >= 16 || held === 0);
        if (what === "end") await Promise.resolve();
      }
      for (const thread of threads) thread.end();
      await Promise.all(dealing);
      send(queued.length);
      budget.assertAllFree();
    }),
    { numRuns: 50 },
  );
});
