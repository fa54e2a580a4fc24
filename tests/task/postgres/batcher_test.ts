import assert from "node:assert/strict";
import fc from "fast-check";
import { Batcher, type BatcherOptions } from "../../../lib/task/postgres/batcher.ts";

/** A batcher of strings, whose batches end when the test says so. */
function start(options: Partial<BatcherOptions<string>> = {}) {
  const sent: string[][] = [];
  const flying: PromiseWithResolvers<void>[] = [];
  const batcher = new Batcher<string>({
    maxFlying: 1,
    maxItems: 3,
    ...options,
    execute: (items) => {
      sent.push(items);
      const batch = Promise.withResolvers<void>();
      flying.push(batch);
      return batch.promise;
    },
  });
  /** Ends the oldest batch and lets the next one leave. */
  const finish = async () => {
    flying.shift()!.resolve();
    await settle();
  };
  return { batcher, sent, flying, finish };
}

/** Lets all settled promises continue. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

Deno.test("Batcher: items of the same moment share a batch", async () => {
  const { batcher, sent } = start();
  batcher.add("a");
  batcher.add("b");
  assert.deepEqual(sent, [], "a batch leaves only when its moment is over");
  await settle();
  assert.deepEqual(sent, [["a", "b"]]);
});

Deno.test("Batcher: items that arrive while a batch is in flight wait for the next one", async () => {
  const { batcher, sent, finish } = start();
  batcher.add("a");
  await settle();
  for (const item of "bcdef") batcher.add(item);
  await settle();
  assert.deepEqual(sent, [["a"]]);
  await finish();
  assert.deepEqual(sent, [["a"], ["b", "c", "d"]]);
  await finish();
  assert.deepEqual(sent, [["a"], ["b", "c", "d"], ["e", "f"]]);
  await finish();
  batcher.add("g");
  await settle();
  assert.deepEqual(sent.at(-1), ["g"]);
});

Deno.test("Batcher: has at most maxFlying batches in flight", async () => {
  const { batcher, sent, flying, finish } = start({ maxFlying: 2, maxItems: 1 });
  for (const item of "abcd") batcher.add(item);
  await settle();
  assert.deepEqual(sent, [["a"], ["b"]]);
  await finish();
  assert.deepEqual(sent, [["a"], ["b"], ["c"]]);
  assert.equal(flying.length, 2);
});

Deno.test("Batcher: a batch above maxBytes takes no more items, but an item may have any size", async () => {
  const { batcher, sent, finish } = start({
    maxItems: 100,
    maxBytes: 4,
    bytesOf: (item) => item.length,
  });
  for (const item of ["aa", "bb", "c", "dddddddd", "e"]) batcher.add(item);
  await settle();
  await finish();
  await finish();
  assert.deepEqual(sent, [["aa", "bb", "c"], ["dddddddd"], ["e"]]);
});

Deno.test("Batcher: sends every item once and in order", async () => {
  const item = fc.record({ bytes: fc.nat(10), pause: fc.boolean(), finish: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(item, { maxLength: 60 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 5 }),
      async (items, maxFlying, maxItems) => {
        const { batcher, sent, flying, finish } = start({
          maxFlying,
          maxItems,
          maxBytes: 12,
          bytesOf: (item) => Number(item.split(":")[1]),
        });
        for (const [index, { bytes, pause, finish: ends }] of items.entries()) {
          batcher.add(`${index}:${bytes}`);
          if (pause) await settle();
          if (ends && flying.length > 0) await finish();
          assert(flying.length <= maxFlying);
        }
        await settle();
        while (flying.length > 0) await finish();
        assert.deepEqual(sent.flat(), items.map(({ bytes }, index) => `${index}:${bytes}`));
        for (const batch of sent) assert(batch.length > 0 && batch.length <= maxItems);
      },
    ),
    { numRuns: 30 },
  );
});
