import assert from "node:assert/strict";
import { MemoryLog } from "../../../lib/storage/memory/memory_log.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import { type Entry, OutOfMemoryError } from "../../../lib/storage/store.ts";
import { valueText } from "../../../lib/storage/value.ts";
import { nextTurn } from "../../../lib/turn.ts";
import { HeldLog } from "./held_log.ts";

/** More changes than the store undoes or forgets at once. */
const MANY_CHANGES = 6_000;

/** The text of an entry that is there without waiting. */
function textOf(entry: Entry | undefined | Promise<Entry | undefined>): string | undefined {
  assert.ok(!(entry instanceof Promise), "the entry is not there at once");
  return entry === undefined ? undefined : valueText(entry.value);
}

/** Writes to the log as another service does that shares it. */
function writeElsewhere(log: HeldLog): void {
  log.put({ id: 99 }, "job", "body");
}

Deno.test("MemoryStore: a value read in a transaction that then changes it is not read later", async () => {
  const log = new HeldLog();
  const store = await MemoryStore.open(log);
  for (const later of ["at once", "after one more write"]) {
    void store.transact([], (tx) => {
      tx.put(0, "n", "1", 0);
      if (later === "at once") tx.get(0, "n");
      tx.put(0, "n", "2", 0);
      if (later !== "at once") tx.get(0, "n");
    });
    log.commit();
    if (later === "at once") {
      assert.equal(textOf(store.get(0, "n")), "2", later);
    } else {
      void store.put(0, "n", "3", 0);
      log.commit();
      assert.equal(textOf(store.get(0, "n")), "3", later);
    }
  }
  await store.close();
});

Deno.test("MemoryStore: a transaction over spaces is undone even if other services commit meanwhile", async () => {
  const log = new HeldLog();
  const store = await MemoryStore.open(log);
  void store.put(0, "a", "old", 0);
  log.commit();
  const failing = store.transactSpaces(async (tx) => {
    await tx.put(0, "a", "new", 0);
    await tx.put(0, "b", "new", 0);
    for (let count = 0; count < 3; count++) writeElsewhere(log);
    log.commit();
    throw new Error("stop");
  });
  await assert.rejects(failing, { message: "stop" });
  assert.equal(textOf(store.get(0, "a")), "old");
  assert.equal(textOf(store.get(0, "b")), undefined);

  log.changes.length = 0;
  const done = store.transactSpaces(async (tx) => {
    await tx.put(0, "a", "new", 0);
    await tx.delete(0, "a");
    for (let count = 0; count < 3; count++) writeElsewhere(log);
    log.commit();
    await tx.put(0, "b", "new", 0);
  });
  await nextTurn();
  log.commit();
  await done;
  const own = log.changes.filter(({ key }) => key !== "job").map(({ key, value }) => [key, value]);
  assert.deepEqual(own, [["a", undefined], ["b", "new"]]);
  await store.close();
});

Deno.test("MemoryStore: forgetting old changes leaves those of a running transaction", async () => {
  const store = await MemoryStore.open(new MemoryLog(), { maxBytes: 1_000_000 });
  await store.transactSpaces(async (tx) => {
    for (let count = 0; count < MANY_CHANGES; count++) await tx.put(0, `k${count}`, "old", 0);
  });
  const failing = store.transactSpaces(async (tx) => {
    await tx.put(0, "k0", "new", 0);
    await nextTurn();
    await tx.put(0, "k1", new Uint8Array(2_000_000), 0);
  });
  await assert.rejects(failing, OutOfMemoryError);
  assert.equal(textOf(store.get(0, "k0")), "old");
  await store.close();
});

Deno.test("MemoryStore: a large failed group is undone even if others commit meanwhile", async () => {
  const log = new HeldLog();
  const store = await MemoryStore.open(log);
  void store.put(0, "k0", "old", 0);
  log.commit();
  for (let count = 0; count < MANY_CHANGES; count++) {
    Promise.resolve(store.put(0, `k${count}`, "new", 0)).catch(() => {});
  }
  log.fail();
  writeElsewhere(log);
  log.commit();
  const entry = await store.get(0, "k0");
  assert.equal(valueText(entry!.value), "old");
  assert.equal(store.metrics().keys, 1);
  await store.close();
});
