import assert from "node:assert/strict";
import type { KeyWork } from "../../../lib/kv/commands/command.ts";
import { runLongWork } from "../../../lib/kv/session/long_work.ts";
import { openStorage } from "../../../lib/storage/open.ts";
import type { Store } from "../../../lib/storage/store.ts";
import { TestLog } from "../../support/log.ts";

/** Runs a test with a store in memory. */
async function withStore(test: (store: Store) => Promise<void>): Promise<void> {
  const storage = await openStorage("memory:", { dataDir: ".", log: new TestLog("info").log });
  const store = await storage.openStore({ maxBytes: 1024 });
  try {
    await test(store);
  } finally {
    await store.close();
    await storage.close();
  }
}

/** Work that doubles a value in steps, and calls `meanwhile` between reading and writing. */
function doubling(meanwhile: (attempt: number) => void): KeyWork & { attempts: number } {
  return {
    places: [{ space: 0, key: "a" }],
    attempts: 0,
    run(tx) {
      tx.put(0, "b", `${tx.get(0, "a")?.value} at once`, 0);
      return "at once";
    },
    inSteps(tx) {
      const value = tx.get(0, "a")?.value;
      if (value === undefined) return undefined;
      return async (turn) => {
        await turn.next();
        meanwhile(++this.attempts);
        return (tx) => {
          tx.put(0, "a", `${value}${value}`, 0);
          return "in steps";
        };
      };
    },
  };
}

const A = { space: 0, key: "a" };

Deno.test("runLongWork writes the result if the value is still the same", () =>
  withStore(async (store) => {
    await store.put(0, "a", "x", 0);
    const work = doubling(() => {});
    assert.equal(await runLongWork(store, work, {}), "in steps");
    assert.equal((await store.get(0, "a"))?.value, "xx");
    assert.equal(work.attempts, 1);
  }));

Deno.test("runLongWork starts over if the value has changed", () =>
  withStore(async (store) => {
    await store.put(0, "a", "x", 0);
    const work = doubling((attempt) => {
      if (attempt < 3) void store.put(0, "a", "y".repeat(attempt), 0);
    });
    assert.equal(await runLongWork(store, work, {}), "in steps");
    assert.equal((await store.get(0, "a"))?.value, "yyyy");
    assert.equal(work.attempts, 3);
  }));

Deno.test("runLongWork runs at once if the value keeps changing", () =>
  withStore(async (store) => {
    await store.put(0, "a", "x", 0);
    const work = {
      ...doubling((attempt) => void store.put(0, "a", String(attempt), 0)),
      places: [A, { space: 0, key: "b" }],
    };
    assert.equal(await runLongWork(store, work, {}), "at once");
    assert.equal((await store.get(0, "b"))?.value, `${work.attempts} at once`);
    assert.equal(work.attempts, 4);
  }));

Deno.test("runLongWork runs short work at once, without a promise", () =>
  withStore((store) => {
    const work = { ...doubling(() => {}), places: [A, { space: 0, key: "b" }] };
    assert.equal(runLongWork(store, work, {}), "at once");
    return Promise.resolve();
  }));

Deno.test("runLongWork fails with the error of its computation", () =>
  withStore(async (store) => {
    await store.put(0, "a", "x", 0);
    const work = doubling(() => {
      throw new RangeError("out of memory");
    });
    await assert.rejects(async () => await runLongWork(store, work, {}), /out of memory/);
    assert.equal((await store.get(0, "a"))?.value, "x");
  }));
