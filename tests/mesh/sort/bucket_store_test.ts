import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bucket, BucketStore } from "../../../lib/mesh/sort/bucket_store.ts";
import { SLOT_BYTES } from "../../../lib/mesh/sort/open_pieces.ts";
import { SortEndedError } from "../../../lib/mesh/sort/sort_ended.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";
import { until, within } from "../../support/within.ts";

const WAIT_MS = 60_000;

async function makeStore(slots: number, spillPath?: string) {
  const directory = await makeTempDirectory();
  const failures: unknown[] = [];
  let freed = 0;
  const store = new BucketStore({
    memoryBytes: slots * SLOT_BYTES,
    spillPath: spillPath ?? `${directory.path}/spill`,
    onFree: () => freed++,
    onFailure: (error) => failures.push(error),
  });
  return {
    store,
    failures,
    directory: directory.path,
    freed: () => freed,
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Stores a piece that is filled with one byte. */
async function put(
  store: BucketStore,
  index: number,
  { order, bytes = 8, fill = order }: { order: number; bytes?: number; fill?: number },
): Promise<void> {
  const slot = await within(WAIT_MS, "a slot", store.slot());
  store.bytes.fill(fill, slot * SLOT_BYTES, slot * SLOT_BYTES + bytes);
  store.add(index, { bucket: index, slot, bytes, records: 1, fileBytes: bytes, order, sum: order });
}

/** Reads a bucket back, spilled pieces included: the first byte of each piece, in input order. */
async function readBack(store: BucketStore, bucket: Bucket): Promise<number[]> {
  const { stretches, slots } = await within(WAIT_MS, "a bucket", store.stretches(bucket));
  const bytes = stretches.map(({ address, bytes, spilledAt }) => {
    if (spilledAt === undefined) return store.bytes[address]!;
    using file = Deno.openSync(store.spillPath);
    file.seekSync(spilledAt, Deno.SeekMode.Start);
    const content = store.bytes.subarray(address, address + bytes);
    assert.equal(file.readSync(content), bytes);
    assert.ok(content.every((byte) => byte === content[0]));
    return content[0]!;
  });
  store.drop(bucket, slots);
  return bytes;
}

Deno.test("BucketStore: buckets are in input order, in whatever order their pieces arrive", async () => {
  await using made = await makeStore(64);
  const { store } = made;
  store.addBuckets(2);
  for (const order of [3, 1, 2]) await put(store, 1, { order });
  const [empty, bucket] = store.buckets as [Bucket, Bucket];
  assert.deepEqual([bucket.bytes, bucket.records, bucket.sum, empty.records], [24, 3, 6n, 0]);
  assert.equal(store.freeSlots, 61);
  assert.deepEqual(await readBack(store, bucket), [1, 2, 3]);
  assert.equal(store.freeSlots, 64);
  assert.equal(made.freed(), 3);
});

Deno.test("BucketStore: spills the largest bucket when few slots are free, until enough are", async () => {
  await using made = await makeStore(64);
  const { store } = made;
  store.addBuckets(3);
  for (let order = 0; order < 10; order++) await put(store, 0, { order });
  for (let order = 0; order < 40; order++) await put(store, 1, { order });
  for (let order = 0; order < 10; order++) await put(store, 2, { order });
  assert.equal(store.spilledBytes, 0, "exactly 1/16 is free");
  await put(store, 2, { order: 10 });
  await until("it has spilled", () => !store.spilling, WAIT_MS);
  assert.deepEqual(store.buckets.map(({ inMemory }) => inMemory), [10, 0, 11]);
  assert.equal(store.freeSlots, 43);
  assert.equal(store.spilledBytes, 40 * 8);
  assert.equal(Deno.statSync(store.spillPath).mode! & 0o777, 0o600, "others cannot read it");
  assert.deepEqual(
    await readBack(store, store.buckets[1]!),
    Array.from({ length: 40 }, (_, i) => i),
  );
  await made.store.close();
  assert.throws(() => Deno.statSync(store.spillPath), Deno.errors.NotFound);
});

Deno.test("BucketStore: a bucket that is being sorted is not spilled", async () => {
  await using made = await makeStore(64);
  const { store } = made;
  store.addBuckets(2);
  for (let order = 0; order < 50; order++) await put(store, 0, { order });
  const { slots } = await store.stretches(store.buckets[0]!);
  for (let order = 0; order < 11; order++) await put(store, 1, { order });
  await until("it has spilled", () => !store.spilling, WAIT_MS);
  assert.deepEqual(store.buckets.map(({ inMemory }) => inMemory), [50, 0]);
  store.drop(store.buckets[0]!, slots);
  assert.equal(store.freeSlots, 64);
});

Deno.test("BucketStore: slot() waits for a release, first come first served, and ends with the store", async () => {
  await using made = await makeStore(16);
  const { store } = made;
  const taken = store.takeSlots(100);
  assert.equal(taken.length, 16);
  const order: string[] = [];
  const first = store.slot().then((slot) => (order.push("first"), slot));
  const second = store.slot().then((slot) => (order.push("second"), slot));
  const third = store.slot();
  assert.equal(store.waiting, 3);
  store.release(taken[0]!);
  store.release(taken[1]!);
  assert.equal(await within(WAIT_MS, "the first", first), taken[0]);
  assert.equal(await within(WAIT_MS, "the second", second), taken[1]);
  assert.deepEqual(order, ["first", "second"]);
  assert.equal(made.freed(), 0, "none became free: others were waiting");
  await Promise.all([
    assert.rejects(within(WAIT_MS, "the third", third), SortEndedError),
    store.close(),
  ]);
  await assert.rejects(store.slot(), SortEndedError);
});

Deno.test("BucketStore: a spill file that cannot be created fails the job with its name", async () => {
  await using made = await makeStore(16, "/nowhere/at/all.spill");
  const { store, failures } = made;
  store.addBuckets(1);
  for (let order = 0; order < 16; order++) await put(store, 0, { order });
  await until("it has failed", () => failures.length > 0, WAIT_MS);
  assert.match(String(failures[0]), /Cannot spill to "\/nowhere\/at\/all.spill": No such file/);
});

Deno.test("BucketStore: spillAll() and split() replace a bucket by empty ones", async () => {
  await using made = await makeStore(64);
  const { store } = made;
  store.addBuckets(3);
  for (const order of [2, 0, 1]) await put(store, 1, { order, bytes: 10 + order });
  const extents = await store.spillAll(store.buckets[1]!);
  assert.deepEqual(extents.map(({ bytes }) => bytes), [10, 11, 12]);
  assert.equal(store.freeSlots, 64);
  store.split(1, 4);
  assert.deepEqual(store.buckets.map(({ records }) => records), [0, 0, 0, 0, 0, 0]);
});

Deno.test("BucketStore: whatever is stored and spilled, the buckets are complete and all slots return", async () => {
  const pieces = fc.array(
    fc.record({ bucket: fc.nat(4), bytes: fc.integer({ min: 1, max: SLOT_BYTES }) }),
    { maxLength: 120, size: "max" },
  );
  await fc.assert(
    fc.asyncProperty(pieces, async (all) => {
      await using made = await makeStore(32);
      const { store } = made;
      store.addBuckets(5);
      const expected: number[][] = [[], [], [], [], []];
      for (const [order, { bucket, bytes }] of all.entries()) {
        await put(store, bucket, { order, bytes, fill: order });
        expected[bucket]!.push(order);
      }
      const found: number[][] = [];
      // A bucket has to fit in memory to be sorted: those that do not are split elsewhere.
      for (const bucket of store.buckets) {
        const isSmall = bucket.pieces.length <= 24;
        found.push(isSmall ? await readBack(store, bucket) : []);
        if (!isSmall) await store.spillAll(bucket);
      }
      assert.deepEqual(found, expected.map((orders) => orders.length <= 24 ? orders : []));
      assert.equal(store.freeSlots, 32);
      assert.deepEqual(made.failures, []);
    }),
    { numRuns: 25 },
  );
});
