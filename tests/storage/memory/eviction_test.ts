/**
 * Eviction by the store that holds its data in memory.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { join } from "node:path";
import { type EvictionPolicy, type MemoryLimits } from "../../../lib/storage/eviction_policy.ts";
import { openStorage } from "../../../lib/storage/open.ts";
import { MemoryLog } from "../../../lib/storage/memory/memory_log.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import { OutOfMemoryError, type Store } from "../../../lib/storage/store.ts";
import { TestLog } from "../../support/log.ts";
import { until } from "../../support/within.ts";

/** Runs a test with a store; one that is durable stays in the directory. */
async function withStore(
  limits: MemoryLimits,
  test: (store: Store) => void | Promise<void>,
  { url = "memory:", dataDir = "." } = {},
): Promise<void> {
  const storage = await openStorage(url, { dataDir, log: new TestLog("info").log });
  try {
    const store = await storage.openStore(limits);
    try {
      await test(store);
    } finally {
      await store.close();
    }
  } finally {
    await storage.close();
  }
}

/** All keys of a space. */
async function keysOf(store: Store, space = 0): Promise<string[]> {
  return (await store.scan(space, { limit: 1e6 })).map(([key]) => key);
}

/** Puts a key on the path on bytes, as kv does; returns whether there was room. */
function putBytes(store: Store, key: string, value: string, expiresAtMs: number): boolean {
  const bytes = new TextEncoder().encode(key + value);
  if (!store.bytes!.hasRoom(bytes.length)) return false;
  store.bytes!.put(0, bytes, 0, key.length, bytes, key.length, bytes.length, expiresAtMs);
  return true;
}

const FUTURE_MS = Date.now() + 3_600_000;

Deno.test("MemoryStore: the data never exceed the limit, whatever is written", async () => {
  const write = fc.record({
    how: fc.constantFrom("put", "bytes", "transact", "spaces"),
    keys: fc.array(fc.integer({ min: 0, max: 30 }).map((n) => `k${n}`), {
      minLength: 1,
      maxLength: 4,
    }),
    length: fc.integer({ min: 0, max: 80 }),
    expires: fc.boolean(),
  });
  const policies = fc.constantFrom<EvictionPolicy>(
    "noeviction",
    "allkeys-lru",
    "allkeys-random",
    "volatile-lru",
    "volatile-random",
    "volatile-ttl",
  );
  await fc.assert(
    fc.asyncProperty(
      policies,
      fc.array(write, { maxLength: 60 }),
      (policy, writes) =>
        withStore({ maxBytes: 400, policy }, async (store) => {
          const kept = new Set<string>();
          for (const { how, keys, length, expires } of writes) {
            const value = "x".repeat(length);
            const atMs = expires ? FUTURE_MS : 0;
            const before = store.metrics().evicted!;
            try {
              if (how === "put") await store.put(0, keys[0]!, value, atMs);
              else if (how === "bytes") putBytes(store, keys[0]!, value, atMs);
              else if (how === "transact") {
                await store.transact(keys.map((key) => ({ space: 0, key })), (tx) => {
                  for (const key of keys) tx.put(0, key, value, atMs);
                });
              } else {
                await store.transactSpaces(async (tx) => {
                  for (const key of keys) await tx.put(0, key, value, atMs);
                });
              }
            } catch (error) {
              assert.ok(error instanceof OutOfMemoryError, String(error));
              // With one key at a time, only what can never fit is refused.
              assert.ok(!policy.startsWith("allkeys") || keys.length * (length + 3) > 400);
            }
            const { bytes, evicted } = store.metrics();
            assert.ok(bytes! <= 400, `${bytes}`);
            if (policy === "noeviction") assert.equal(evicted, before);
            const left = new Set(await keysOf(store));
            if (policy.startsWith("volatile")) {
              for (const key of kept) assert.ok(left.has(key), `${key} does not expire`);
            }
            kept.clear();
            for (const key of left) {
              if ((await store.get(0, key))!.expiresAtMs === 0) kept.add(key);
            }
          }
        }),
    ),
    { numRuns: 60 },
  );
});

Deno.test("MemoryStore: a volatile policy refuses writes if no key can expire", () =>
  withStore({ maxBytes: 100, policy: "volatile-lru" }, async (store) => {
    await store.put(0, "a", "x".repeat(80), 0);
    await assert.rejects(async () => await store.put(0, "b", "x".repeat(50), 0), OutOfMemoryError);
    await store.put(0, "a", "x".repeat(20), FUTURE_MS);
    await store.put(0, "b", "x".repeat(90), 0);
    assert.deepEqual(await keysOf(store), ["b"]);
  }));

Deno.test("MemoryStore: a transaction that finds no room runs again, as a whole", () =>
  withStore({ maxBytes: 100_000, policy: "allkeys-lru" }, async (store) => {
    for (let at = 0; at < 1000; at++) await store.put(0, `old${at}`, "x".repeat(90), 0);
    const keys = Array.from({ length: 500 }, (_, at) => ({ space: 1, key: `new${at}` }));
    let runs = 0;
    await store.transact(keys, (tx) => {
      runs++;
      for (const { key } of keys) tx.put(1, key, "y".repeat(90), 0);
    });
    assert.ok(runs > 1 && runs < 20, `${runs} runs`);
    assert.equal((await keysOf(store, 1)).length, 500);
    const many = Array.from({ length: 2000 }, (_, at) => ({ space: 2, key: `many${at}` }));
    await assert.rejects(async () =>
      await store.transact(many, (tx) => {
        for (const { key } of many) tx.put(2, key, "z".repeat(90), 0);
      }), OutOfMemoryError);
    assert.deepEqual(await keysOf(store, 2), []);
  }));

Deno.test("MemoryStore: a key that was just used is not evicted, one that was not is", () =>
  withStore({ maxBytes: 10_000, policy: "allkeys-lru" }, async (store) => {
    await store.put(0, "used", "x".repeat(100), 0);
    for (let at = 0; at < 90; at++) await store.put(0, `k${at}`, "x".repeat(90), 0);
    await until("the clock of accesses moves", () => store.idleTimeMs!(0, "used")! >= 100);
    assert.equal((await store.get(0, "used"))!.value.length, 100);
    assert.ok(store.idleTimeMs!(0, "used")! < store.idleTimeMs!(0, "k0")!);
    for (let at = 0; at < 80; at++) await store.put(0, `new${at}`, "x".repeat(90), 0);
    assert.ok((await keysOf(store)).includes("used"));
    assert.ok(store.metrics().evicted! > 50);
    assert.equal(store.idleTimeMs!(0, "nothing"), undefined);
  }));

Deno.test("MemoryStore: a lower limit evicts in the background, and another policy takes effect", () =>
  withStore({ maxBytes: 100_000, policy: "noeviction" }, async (store) => {
    for (let at = 0; at < 1000; at++) await store.put(0, `k${at}`, "x".repeat(90), 0);
    store.setMemoryLimits!({ maxBytes: 10_000, policy: "noeviction" });
    assert.throws(() => store.put(0, "more", "x", 0), OutOfMemoryError);
    assert.equal(store.metrics().keys, 1000);
    store.setMemoryLimits!({ maxBytes: 10_000, policy: "allkeys-random" });
    await until("the keys are evicted", () => store.metrics().bytes! <= 10_000);
    await store.put(0, "more", "x", 0);
    assert.equal((await store.get(0, "more"))!.value, "x");
  }));

Deno.test("MemoryStore: evictions are durable, and the limit holds after a restart", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "quartet-evict-" });
  const place = { url: `sqlite:${join(dataDir, "kv.db")}`, dataDir };
  try {
    let left: string[] = [];
    await withStore({ maxBytes: 5000, policy: "allkeys-random" }, async (store) => {
      for (let batch = 0; batch < 10; batch++) {
        await Promise.all(
          Array.from({ length: 20 }, (_, at) => store.put(0, `k${batch}-${at}`, "x".repeat(90), 0)),
        );
      }
      left = await keysOf(store);
      assert.ok(left.length < 60 && store.metrics().evicted! === 200 - left.length);
    }, place);
    await withStore({ maxBytes: 5000, policy: "noeviction" }, async (store) => {
      assert.deepEqual(await keysOf(store), left);
    }, place);
    await withStore({ maxBytes: 1000, policy: "allkeys-random" }, async (store) => {
      await until("the limit holds", () => store.metrics().bytes! <= 1000);
      left = await keysOf(store);
    }, place);
    await withStore({ maxBytes: 5000, policy: "noeviction" }, async (store) => {
      assert.deepEqual(await keysOf(store), left);
    }, place);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("MemoryStore: operations on bytes do not overtake a write that waits for room", async () => {
  const store = await MemoryStore.open(new MemoryLog(), { maxBytes: 1000, policy: "allkeys-lru" });
  for (let key = 0; key < 100; key++) store.put(0, `${key}`.padStart(5), new Uint8Array(5), 0);
  assert.ok(store.bytes.ready);
  const put = store.put(0, "a", new Uint8Array(900), 0);
  assert.ok(put instanceof Promise);
  assert.equal(store.bytes.ready, false);
  await put;
  assert.ok(store.bytes.ready);
  await store.close();
});
