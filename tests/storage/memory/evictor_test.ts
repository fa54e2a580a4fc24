import assert from "node:assert/strict";
import fc from "fast-check";
import type { EvictionPolicy } from "../../../lib/storage/eviction_policy.ts";
import { Evictor, idleTime, stampOf } from "../../../lib/storage/memory/evictor.ts";
import { MemoryRoom } from "../../../lib/storage/memory/memory_room.ts";
import { Table } from "../../../lib/storage/table/table.ts";

/** Tables with records of nine to ten bytes, and what evicts from them. */
class Cache {
  tables: Table[];
  readonly evictor: Evictor;
  readonly room: MemoryRoom;
  readonly evictedKeys: string[] = [];
  #version = 0;

  constructor(
    policy: EvictionPolicy,
    { spaces = 1, maxBytes = Infinity, random = Math.random } = {},
  ) {
    this.tables = Array.from({ length: spaces }, () => new Table());
    this.evictor = new Evictor(() => this.tables.map((table) => ({ table })), random);
    this.evictor.policy = policy;
    this.room = new MemoryRoom(maxBytes, this.evictor, {
      bytes: () => this.tables.reduce((sum, { bytes }) => sum + bytes, 0),
      stamp: () => this.now,
      ready: () => this.busy.shift(),
      evict: ({ space, address }) => {
        this.evictedKeys.push(this.keyOf(space, address));
        this.tables[space]!.delete(address, ++this.#version, false);
      },
    });
  }

  now = 0;
  /** What evictions have to wait for. */
  readonly busy: Promise<void>[] = [];

  keyOf(space: number, address: number): string {
    const range = { bytes: new Uint8Array(0), start: 0, end: 0 };
    this.tables[space]!.records.locateKey(address, range);
    return new TextDecoder().decode(range.bytes.subarray(range.start, range.end));
  }

  put(key: string, { space = 0, value = "value", expiresAtMs = 0 } = {}): void {
    const bytes = new TextEncoder().encode(key + value);
    const table = this.tables[space]!;
    const { length } = key;
    table.stamp = this.now;
    table.put(bytes, 0, length, bytes, length, bytes.length, ++this.#version, expiresAtMs, false);
  }

  /** Uses a key; returns whether it exists. */
  use(key: string, space = 0): boolean {
    const bytes = new TextEncoder().encode(key);
    const { records } = this.tables[space]!;
    const address = this.tables[space]!.find(bytes, 0, bytes.length);
    if (address !== 0) records.setStamp(address, this.now);
    return address !== 0;
  }

  get keys(): number {
    return this.tables.reduce((sum, { size }) => sum + size, 0);
  }
}

Deno.test("Evictor: allkeys-lru evicts what has been idle for long", () => {
  const cache = new Cache("allkeys-lru", { spaces: 3 });
  for (let at = 0; at < 3000; at++) {
    cache.now = at;
    cache.put(`k${at}`, { space: at % 3 });
  }
  for (let at = 0; at < 100; at++) {
    cache.now = 3000;
    assert.ok(cache.use(`k${at}`, at % 3));
  }
  let idle = 0;
  for (let count = 0; count < 500; count++) {
    const { space, address } = cache.evictor.next(cache.now)!;
    const { records } = cache.tables[space]!;
    idle += idleTime(cache.now, records.stamp(address));
    assert.notEqual(records.stamp(address), 3000, "a key that was just used is evicted");
    cache.tables[space]!.delete(address, 1e6 + count, false);
  }
  // Exact LRU would have 2650 on average, random eviction 1500.
  assert.ok(idle / 500 > 2300, `idle time ${idle / 500}`);
});

Deno.test("Evictor: the hit ratio on a Zipf load is close to that of exact LRU", () => {
  const keys = 5000, capacity = 500, requests = 60_000;
  const cumulated: number[] = [];
  let total = 0;
  for (let rank = 1; rank <= keys; rank++) cumulated.push(total += 1 / rank);
  const draw = () => {
    const wanted = Math.random() * total;
    let low = 0, high = keys - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulated[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return `k${low}`;
  };
  const cache = new Cache("allkeys-lru");
  const exact = new Set<string>();
  let hits = 0, exactHits = 0;
  for (cache.now = 0; cache.now < requests; cache.now++) {
    const key = draw();
    if (exact.delete(key)) exactHits++;
    else if (exact.size === capacity) {
      for (const oldest of exact) {
        exact.delete(oldest);
        break;
      }
    }
    exact.add(key);
    if (cache.use(key)) {
      hits++;
      continue;
    }
    if (cache.keys === capacity) {
      const { space, address } = cache.evictor.next(cache.now)!;
      cache.tables[space]!.delete(address, 1e9 + cache.now, false);
    }
    cache.put(key);
  }
  assert.ok(hits > 0.97 * exactHits, `${hits} hits, exact LRU has ${exactHits}`);
});

Deno.test("Evictor: volatile policies evict only keys that expire, and volatile-ttl the next one", () => {
  for (const policy of ["volatile-lru", "volatile-random", "volatile-ttl"] as const) {
    const cache = new Cache(policy, { spaces: 2 });
    for (let at = 0; at < 200; at++) {
      const expiresAtMs = at % 5 === 0 ? 1_000_000 - at : 0;
      cache.put(`k${at}`, { space: at % 2, expiresAtMs });
    }
    const evicted: number[] = [];
    for (;;) {
      const victim = cache.evictor.next(cache.now);
      if (victim === undefined) break;
      evicted.push(Number(cache.keyOf(victim.space, victim.address).slice(1)));
      cache.tables[victim.space]!.delete(victim.address, 1000 + evicted.length, false);
    }
    assert.equal(evicted.length, 40, policy);
    assert.ok(evicted.every((at) => at % 5 === 0), policy);
    if (policy === "volatile-ttl") assert.deepEqual(evicted, evicted.toSorted((a, b) => b - a));
    assert.equal(cache.keys, 160);
  }
});

Deno.test("Evictor: candidates that were used, deleted, moved or made persistent are passed over", () => {
  let draws = 0;
  // Samples records in turn, so that the pool has all of them.
  const cache = new Cache("volatile-lru", { spaces: 2, random: () => (draws++ % 5) / 5 });
  const addressOf = (key: string) => cache.tables[0]!.find(new TextEncoder().encode(key), 0, 1);
  for (const key of ["a", "b", "c", "d", "e"]) {
    cache.now++;
    cache.put(key, { expiresAtMs: cache.now });
  }
  const next = () => {
    const { space, address } = cache.evictor.next(cache.now)!;
    return `${space} ${cache.keyOf(space, address)}`;
  };
  assert.equal(next(), "0 a");
  cache.now = 100;
  cache.tables[0]!.delete(addressOf("a"), 1000, false);
  cache.use("b");
  cache.tables[0]!.expire(addressOf("c"), 0, 1001, false);
  cache.tables[0]!.delete(addressOf("d"), 1002, false);
  assert.equal(next(), "0 e");
  // The pool has a candidate for space 0, which is now another table.
  cache.now = 200;
  cache.tables.reverse();
  assert.equal(next(), "1 e");
});

Deno.test("MemoryRoom: the data never exceed the limit, and noeviction evicts nothing", () => {
  const policy = fc.constantFrom<EvictionPolicy>(
    "noeviction",
    "allkeys-lru",
    "allkeys-random",
    "volatile-lru",
    "volatile-random",
    "volatile-ttl",
  );
  const writes = fc.array(
    fc.record({
      key: fc.integer({ min: 0, max: 40 }).map((number) => `k${number}`),
      space: fc.nat(1),
      value: fc.integer({ min: 0, max: 60 }).map((length) => "x".repeat(length)),
      expiresAtMs: fc.constantFrom(0, 0, 1e9, 2e9),
    }),
    { maxLength: 120 },
  );
  fc.assert(fc.property(policy, writes, (policy, writes) => {
    const cache = new Cache(policy, { spaces: 2, maxBytes: 300 });
    const expiring = new Set<string>();
    for (const { key, space, value, expiresAtMs } of writes) {
      cache.now++;
      const before = cache.room.evicted;
      const fits = cache.room.make(key.length + value.length);
      const evicted = cache.evictedKeys.splice(0);
      assert.equal(cache.room.evicted - before, evicted.length);
      assert.ok(evicted.length <= 16);
      if (policy === "noeviction") assert.equal(evicted.length, 0);
      if (policy.startsWith("volatile")) assert.ok(evicted.every((key) => expiring.has(key)));
      if (policy.startsWith("allkeys")) assert.ok(fits || evicted.length === 16);
      if (!fits) continue;
      cache.put(key, { space, value, expiresAtMs });
      if (expiresAtMs !== 0) expiring.add(key);
      assert.ok(cache.tables.reduce((sum, { bytes }) => sum + bytes, 0) <= 300);
    }
  }));
});

Deno.test("MemoryRoom: makes room for a long value in turns, and refuses what can never fit", async () => {
  const cache = new Cache("allkeys-lru", { maxBytes: 10_000 });
  for (let at = 0; at < 1000; at++) cache.put(`k${at}`, { value: "12345" });
  assert.equal(cache.room.make(9000), false);
  assert.equal(await cache.room.makeInTurns(9000), true);
  assert.ok(cache.room.has(9000));
  const { evicted } = cache.room;
  assert.equal(await cache.room.makeInTurns(10_001), false);
  assert.equal(cache.room.evicted, evicted);
  cache.evictor.policy = "volatile-ttl";
  assert.equal(await cache.room.makeInTurns(10_000), false);
});

Deno.test("MemoryRoom: nothing is evicted while a transaction over whole spaces runs", async () => {
  const cache = new Cache("allkeys-lru", { maxBytes: 1000 });
  for (let at = 0; at < 100; at++) cache.put(`k${at}`, { value: "12345" });
  const first = Promise.withResolvers<void>(), second = Promise.withResolvers<void>();
  cache.busy.push(first.promise);
  assert.equal(cache.room.make(900), false);
  cache.busy.push(first.promise, second.promise);
  const made = cache.room.makeInTurns(900);
  first.resolve();
  await first.promise;
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(cache.room.evicted, 0);
  second.resolve();
  assert.equal(await made, true);
});

Deno.test("stampOf and idleTime survive the wrap of 32 bits", () => {
  const early = stampOf(16 * (2 ** 32 - 5)), late = stampOf(16 * (2 ** 32 + 5));
  assert.equal(idleTime(late, early), 10);
});
