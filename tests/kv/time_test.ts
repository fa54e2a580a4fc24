/**
 * TIME on a store whose clock is not the local one.
 *
 * @module
 */

import assert from "node:assert/strict";
import { openStorage } from "../../lib/storage/open.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import type { Transaction } from "../../lib/storage/store.ts";
import { type RawClient, TestKv } from "./support.ts";

/** How far the clock of the store is behind. */
const BEHIND_MS = 1e12;

/** A transaction, over keys or over spaces, that shows a clock which is behind. */
function behind<T extends { readonly nowMs: number }>(transaction: T): T {
  return new Proxy(transaction, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (name === "nowMs") return target.nowMs - BEHIND_MS;
      if (typeof value !== "function") return value;
      if (name !== "run") return value.bind(target);
      return (work: (inner: Transaction) => unknown) =>
        value.call(target, (inner: Transaction) => work(behind(inner)));
    },
  });
}

/** Opens a storage with a store whose clock is behind. */
async function openBehind(...options: Parameters<typeof openStorage>): Promise<Storage> {
  const storage = await openStorage(...options);
  return {
    ...storage,
    openStore: async (limits) => {
      const store = await storage.openStore(limits);
      const transact = store.transact.bind(store);
      const transactSpaces = store.transactSpaces.bind(store);
      store.transact = (places, run, options) => transact(places, (tx) => run(behind(tx)), options);
      // A transaction that takes longer than a turn goes on over whole spaces.
      store.transactSpaces = (run, options) => transactSpaces((tx) => run(behind(tx)), options);
      return store;
    },
  };
}

/** The time in milliseconds that a reply with two bulk strings shows. */
function milliseconds(reply: string): number {
  const [, seconds, microseconds] = /\*2\r\n\$\d+\r\n(\d+)\r\n\$\d+\r\n(\d+)\r\n$/.exec(reply)!;
  assert.ok(Number(microseconds) < 1e6);
  return Math.floor((Number(seconds) * 1e6 + Number(microseconds)) / 1000);
}

/** Checks that a reply to TIME shows a clock. */
async function assertTime(ask: () => Promise<string>, clock: () => number): Promise<void> {
  const beforeMs = clock();
  const shownMs = milliseconds(await ask());
  const afterMs = clock();
  assert.ok(shownMs >= beforeMs && shownMs <= afterMs, `${beforeMs} ${shownMs} ${afterMs}`);
}

/** Asks for the time within a transaction. */
async function askInTransaction(client: RawClient): Promise<string> {
  await client.ask("MULTI");
  await client.ask("TIME");
  return await client.ask("EXEC");
}

Deno.test("TIME shows the clock of the store, alone, in MULTI and in a script", async () => {
  for (const open of [openStorage, openBehind]) {
    await using kv = await TestKv.launch({}, { open });
    await kv.running.loaded;
    using client = await kv.connect();
    const clock = () => open === openStorage ? Date.now() : Date.now() - BEHIND_MS;
    await assertTime(() => client.ask("TIME"), clock);
    await assertTime(() => askInTransaction(client), clock);
    await assertTime(() => client.ask("EVAL", "return redis.call('TIME')", "0"), clock);
  }
});

Deno.test("TIME has microseconds as long as the clock of the store is the local one", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const endings = new Set<string>();
  for (let count = 0; count < 100; count++) {
    endings.add((await client.ask("TIME")).slice(-5));
  }
  assert.ok(endings.size > 10, `${[...endings]}`);
});
