/**
 * Reads beside a transaction over whole spaces: they see nothing of it before it ends, and wait only
 * for what it has changed.
 *
 * @module
 */

import assert from "node:assert/strict";
import { MemoryLog } from "../../../lib/storage/memory/memory_log.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import type { Entry, SpaceTransaction } from "../../../lib/storage/store.ts";
import { valueText } from "../../../lib/storage/value.ts";
import { openStore } from "./store_model.ts";

type Opened = { store: MemoryStore } & AsyncDisposable;

const ENGINES: Record<string, (directory: string) => Promise<Opened>> = {
  memory: async () => {
    const store = await MemoryStore.open(new MemoryLog());
    return { store, [Symbol.asyncDispose]: () => store.close() };
  },
  sqlite: (directory) => openStore(`${directory}/held.db`),
};

const at = (key: string) => ({ space: 0, key });

function textOf(entry: Entry | undefined): string | undefined {
  return entry === undefined ? undefined : valueText(entry.value);
}

/** Starts a transaction that makes changes and then stays open until the result is called. */
async function holdOpen(
  store: MemoryStore,
  change: (tx: SpaceTransaction) => Promise<void>,
): Promise<(end: "commit" | "undo") => Promise<void>> {
  const changed = Promise.withResolvers<void>(), end = Promise.withResolvers<string>();
  const whole = store.transactSpaces(async (tx) => {
    await change(tx);
    changed.resolve();
    if (await end.promise === "undo") throw new RangeError("undone");
  });
  await changed.promise;
  return async (how) => {
    end.resolve(how);
    if (how === "commit") await whole;
    else await assert.rejects(whole, RangeError);
  };
}

for (const [name, open] of Object.entries(ENGINES)) {
  for (const end of ["commit", "undo"] as const) {
    Deno.test(`MemoryStore on ${name}: reads beside a long transaction that ends with ${end}`, async () => {
      const directory = await Deno.makeTempDir({ prefix: "quartet-held-" });
      try {
        await using opened = await open(directory);
        const { store } = opened;
        for (const key of ["a", "b", "c"]) await store.put(0, key, key, 0);
        const finish = await holdOpen(store, async (tx) => {
          await tx.put(0, "a", "new", 0);
          await tx.put(0, "d", "new", 0);
        });
        // Nothing of these was changed. None of the reads may commit or undo what was.
        assert.equal(textOf(store.get(0, "b") as Entry), "b");
        assert.equal(store.get(0, "none"), undefined);
        const read = (key: string) =>
          store.transact([at(key)], (tx) => textOf(tx.get(0, key)), { readOnly: true });
        assert.equal(read("c"), "c");
        assert.throws(() =>
          store.transact([at("c")], () => {
            throw new SyntaxError("no");
          }, { readOnly: true }), SyntaxError);
        let ended = false;
        const waiting = [
          store.get(0, "a"),
          store.get(0, "d"),
          read("a"),
          store.transact([at("a")], (tx) => {
            try {
              return textOf(tx.get(0, "a"));
            } catch {
              return "caught";
            }
          }, { readOnly: true }),
        ].map(async (result) => {
          const found = await result;
          assert.ok(ended);
          return typeof found === "string" ? found : textOf(found);
        });
        ended = true;
        await finish(end);
        const [a, d] = end === "commit" ? ["new", "new"] : ["a", undefined];
        assert.deepEqual(await Promise.all(waiting), [a, d, a, a]);
        assert.equal(textOf(await store.get(0, "d")), d);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    });
  }

  Deno.test(`MemoryStore on ${name}: reads wait for deletions and moves of a long transaction`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "quartet-held-" });
    try {
      await using opened = await open(directory);
      const { store } = opened;
      for (const key of ["a", "b"]) await store.put(0, key, key, 0);
      const removed = await holdOpen(store, async (tx) => void await tx.delete(0, "a"));
      const gone = store.get(0, "a");
      assert.ok(gone instanceof Promise);
      assert.equal(textOf(store.get(0, "b") as Entry), "b");
      await removed("undo");
      assert.equal(textOf(await gone), "a");
      const swapped = await holdOpen(store, (tx) => tx.swap(0, 1));
      const moved = [store.get(0, "a"), store.get(1, "a")];
      assert.ok(moved.every((result) => result instanceof Promise));
      await swapped("commit");
      assert.deepEqual((await Promise.all(moved)).map(textOf), [undefined, "a"]);
      const cleared = await holdOpen(store, (tx) => tx.clear(1));
      const emptied = store.get(1, "b");
      assert.ok(emptied instanceof Promise);
      await cleared("undo");
      assert.equal(textOf(await emptied), "b");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
