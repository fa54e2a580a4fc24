import assert from "node:assert/strict";
import type { ByteStore } from "../../../lib/storage/byte_store.ts";
import { MemoryLog } from "../../../lib/storage/memory/memory_log.ts";
import { nextTurn } from "../../../lib/turn.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { latin1From } from "../../../lib/storage/value.ts";
import { bytes, text } from "../store_suite.ts";
import { HeldLog } from "./held_log.ts";

/** The operations with strings, on one space. */
class Client {
  readonly store: ByteStore;
  readonly #space: number;

  constructor(store: MemoryStore, space = 0) {
    this.store = store.bytes;
    this.#space = space;
  }

  get(key: string): string | undefined {
    const { value } = this.store;
    if (!this.store.get(this.#space, bytes(`[${key}]`), 1, 1 + key.length)) return undefined;
    return latin1From(value.bytes, value.start, value.end);
  }

  put(key: string, value: string, expiresAtMs = 0): void {
    const both = bytes(`${key}${value}`);
    const { length } = key;
    this.store.put(this.#space, both, 0, length, both, length, both.length, expiresAtMs);
  }

  delete(key: string): boolean {
    return this.store.delete(this.#space, bytes(key), 0, key.length);
  }

  expire(key: string, expiresAtMs: number): boolean {
    return this.store.expire(this.#space, bytes(key), 0, key.length, expiresAtMs);
  }

  write(key: string, offset: number, value: string): boolean {
    const key_ = bytes(key);
    const source = bytes(`!${value}!`);
    return this.store.write(
      this.#space,
      key_,
      0,
      key_.length,
      offset,
      source,
      1,
      source.length - 1,
    );
  }
}

Deno.test("MemoryBytes: does on bytes what the store does on strings", async () => {
  const store = await MemoryStore.open(new MemoryLog());
  const client = new Client(store);
  assert.ok(store.bytes.ready);
  assert.equal(client.get("a"), undefined);
  assert.equal(client.delete("a"), false);
  assert.equal(client.expire("a", 5), false);
  assert.equal(client.write("a", 0, "x"), false);
  client.put("a", "1");
  assert.equal(client.get("a"), "1");
  assert.equal(store.bytes.expiresAtMs, 0);
  assert.equal(new Client(store, 1).get("a"), undefined);
  assert.equal(text((await store.get(0, "a"))?.value), "1");
  const dueMs = Date.now() + 60_000;
  assert.ok(client.expire("a", dueMs));
  assert.ok(client.write("a", 1, "23"));
  assert.equal(client.get("a"), "123");
  assert.equal(store.bytes.expiresAtMs, dueMs);
  client.put("a", "4");
  client.get("a");
  assert.equal(store.bytes.expiresAtMs, 0);
  client.put("past", "1", Date.now() - 1);
  assert.equal(client.get("past"), undefined);
  assert.equal(client.delete("past"), false);
  assert.equal(client.expire("past", 0), false);
  assert.equal(client.delete("a"), true);
  assert.equal(client.get("a"), undefined);
  assert.equal(store.bytes.seen, 0);
  await store.close();
});

Deno.test("MemoryBytes: a long value is stable while others change it", async () => {
  const store = await MemoryStore.open(new MemoryLog());
  const client = new Client(store);
  client.put("a", "x".repeat(100_000));
  client.put("b", "x".repeat(100));
  client.get("b");
  assert.equal(store.bytes.stable, false);
  client.get("a");
  assert.ok(store.bytes.stable);
  const { bytes: array, start, end } = store.bytes.value;
  client.write("a", 0, "yyy");
  client.write("a", 100_000, "z");
  assert.equal(client.get("a"), "yyy" + "x".repeat(99_997) + "z");
  client.put("a", "y".repeat(100_000));
  client.delete("a");
  client.put("c", "y".repeat(100_000));
  assert.equal(latin1From(array, start, end), "x".repeat(100_000));
  await store.close();
});

Deno.test("MemoryBytes: room is what the limit leaves", async () => {
  const store = await MemoryStore.open(new MemoryLog(), { maxBytes: 100 });
  assert.ok(store.bytes.hasRoom(100));
  assert.ok(!store.bytes.hasRoom(101));
  new Client(store).put("ab", "123");
  assert.ok(store.bytes.hasRoom(95));
  assert.ok(!store.bytes.hasRoom(96));
  await store.close();
});

Deno.test("MemoryBytes: tells on which version a result depends", async () => {
  const log = new HeldLog();
  const store = await MemoryStore.open(log);
  const client = new Client(store);
  const seen = () => {
    const { seen } = store.bytes;
    store.bytes.seen = 0;
    return seen;
  };
  client.put("a", "1");
  assert.equal(seen(), 1);
  client.get("none");
  assert.equal(seen(), 0);
  client.get("a");
  assert.equal(seen(), 1);
  client.put("b", "1");
  client.delete("a");
  assert.equal(seen(), 3);
  client.get("a");
  assert.equal(seen(), 3);
  client.get("b");
  assert.equal(seen(), 2);
  log.commit();
  client.get("a");
  client.get("b");
  assert.equal(seen(), 0);
  client.expire("b", Date.now() + 60_000);
  assert.equal(seen(), 4);
  client.write("b", 1, "2");
  assert.equal(seen(), 5);
  const flushed = store.bytes.flushed(5);
  log.fail();
  await assert.rejects(flushed, StorageUnavailableError);
  assert.equal(client.get("b"), "1");
  assert.equal(store.bytes.expiresAtMs, 0);
  assert.deepEqual(log.changes, [
    { version: 1, key: "a", value: "1" },
    { version: 2, key: "b", value: "1" },
    { version: 3, key: "a", value: undefined },
    { version: 4, key: "b", value: "1" },
    { version: 5, key: "b", value: "12" },
  ]);
  log.commit();
  await store.close();
});

Deno.test("MemoryStore: of several changes of a key in a transaction, only the last is logged", async () => {
  const log = new HeldLog();
  const store = await MemoryStore.open(log);
  const done = store.transact([], (tx) => {
    for (let count = 0; count < 3; count++) tx.put(0, "a", `${count}`, 0);
    tx.put(0, "b", "1", 0);
    tx.put(0, "a", "x".repeat(200), 0);
    tx.delete(0, "b");
    tx.put(0, "c", "1", 0);
    tx.delete(0, "c");
    tx.put(0, "c", "2", 0);
    for (let count = 0; count < 3; count++) tx.put(0, "d", `${count}`, 0);
  });
  assert.deepEqual(log.changes, [
    { version: 1, key: "a", value: "x".repeat(200) },
    { version: 2, key: "b", value: undefined },
    { version: 3, key: "c", value: undefined },
    { version: 4, key: "c", value: "2" },
    { version: 5, key: "d", value: "2" },
  ]);
  log.commit();
  await done;
  assert.equal((await store.get(0, "a"))?.version, 1);
  assert.equal((await store.get(0, "c"))?.version, 4);
  log.commit();
  await store.close();
});

Deno.test("MemoryStore: undoes a large failed group in steps, and reads wait for that", async () => {
  const log = new HeldLog();
  const store = await MemoryStore.open(log);
  const client = new Client(store);
  const keys = 30_000;
  for (let key = 0; key < keys; key += 2) client.put(`${key}`, "before");
  log.commit();
  for (let key = 0; key < keys; key++) client.put(`${key}`, "after");
  for (let key = 0; key < keys; key += 3) client.delete(`${key}`);
  const written = store.bytes.flushed(log.nextVersion - 1);
  log.fail();
  await assert.rejects(written, StorageUnavailableError);
  assert.equal(store.bytes.ready, false);
  const busy = Object.values(log.owners)[0]!.busy();
  assert.ok(busy !== undefined);
  const read = store.get(0, "0");
  assert.ok(read instanceof Promise);
  const page = store.scan(0, { limit: 1 });
  const sum = store.transact([], (tx) => text(tx.get(0, "1")?.value), { readOnly: true });
  assert.equal(text((await read)?.value), "before");
  assert.equal(await sum, undefined);
  assert.equal((await page).length, 1);
  assert.ok(store.bytes.ready);
  for (let key = 0; key < keys; key++) {
    assert.equal(client.get(`${key}`), key % 2 === 0 ? "before" : undefined);
  }
  assert.equal(store.metrics().keys, keys / 2);
  log.commit();
  await store.close();
});

Deno.test("MemoryStore: a failure undoes exchanged and cleared spaces", async () => {
  const log = new HeldLog();
  const store = await MemoryStore.open(log);
  new Client(store).put("a", "0");
  new Client(store, 1).put("a", "1");
  log.commit();
  const swapped = store.transactSpaces(async (tx) => {
    await tx.swap(0, 1);
    await tx.clear(1);
    await tx.put(1, "b", "2", 0);
  });
  swapped.catch(() => {});
  for (let turns = 0; log.nextVersion < 6 && turns < 1000; turns++) await Promise.resolve();
  assert.equal(log.nextVersion, 6);
  const read = store.get(0, "a");
  assert.ok(read instanceof Promise);
  log.fail();
  await assert.rejects(read, StorageUnavailableError);
  await assert.rejects(swapped, StorageUnavailableError);
  assert.equal(text((store.get(0, "a") as { value: string }).value), "0");
  assert.equal(text((store.get(1, "a") as { value: string }).value), "1");
  assert.equal(store.get(1, "b"), undefined);
  log.commit();
  await store.close();
});

Deno.test("MemoryStore: reads do not wait while writes do, until a transaction may change spaces", async () => {
  const log = new HeldLog();
  const store = await MemoryStore.open(log);
  const client = new Client(store);
  client.put("a", "1");
  log.commit();
  assert.equal(store.bytes.hasRoom(33 * 1024 * 1024), false, "its memory is not prepared");
  const long = store.put(0, "long", new Uint8Array(33 * 1024 * 1024), 0);
  assert.equal(store.bytes.ready, false);
  for (let turns = 0; log.changes.length < 2 && turns < 1000; turns++) await nextTurn();
  assert.equal(store.bytes.ready, false);
  const write = store.put(0, "b", "1", 0);
  assert.equal(log.changes.length, 2, "the write did not wait");
  assert.ok(!(store.get(0, "a") instanceof Promise));
  assert.equal(store.transact([], (tx) => text(tx.get(0, "a")?.value), { readOnly: true }), "1");
  const count = store.transactSpaces((tx) => tx.count(0), { readOnly: true });
  assert.ok(!(store.get(0, "a") instanceof Promise));
  log.commit();
  await Promise.resolve();
  await Promise.resolve();
  log.commit();
  await Promise.all([long, write]);
  assert.equal((await count).keys >= 2, true);
  await store.close();
});

Deno.test("MemoryStore: reads wait for a transaction that may change spaces, not for one that reads", async () => {
  const log = new HeldLog();
  const store = await MemoryStore.open(log);
  const client = new Client(store);
  client.put("a", "1");
  log.commit();
  client.put("b", "1");
  const count = store.transactSpaces((tx) => tx.count(0), { readOnly: true });
  assert.equal(store.bytes.ready, false);
  assert.ok(!(store.get(0, "a") instanceof Promise));
  log.commit();
  assert.equal((await count).keys, 2);
  client.put("b", "2");
  const cleared = store.transactSpaces((tx) => tx.clear(0));
  const read = store.get(0, "a");
  assert.ok(read instanceof Promise);
  log.commit();
  for (let turns = 0; log.nextVersion < 5 && turns < 1000; turns++) await Promise.resolve();
  log.commit();
  await cleared;
  assert.equal(await read, undefined);
  await store.close();
});
