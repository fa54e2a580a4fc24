/**
 * What clients see while the store is loading.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../../lib/auth.ts";
import { openStorage } from "../../lib/storage/open.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { within } from "../support/within.ts";
import { TestKv } from "./support.ts";

const LOADING = "-LOADING quartet is loading the dataset in memory\r\n";

/** A storage that opens its store only when a test says so. */
class GatedStorage {
  readonly gate = Promise.withResolvers<void>();
  /** What was closed, in order. */
  readonly closed: string[] = [];

  readonly open = async (...options: Parameters<typeof openStorage>): Promise<Storage> => {
    const storage = await openStorage(...options);
    return {
      ...storage,
      openStore: async (limits) => {
        await this.gate.promise;
        const store = await storage.openStore(limits);
        const close = store.close.bind(store);
        store.close = () => {
          this.closed.push("store");
          return close();
        };
        return store;
      },
      close: () => {
        this.closed.push("storage");
        return storage.close();
      },
    };
  };
}

Deno.test("kv: Redis clients get LOADING until the store has loaded", async () => {
  const storage = new GatedStorage();
  await using kv = await TestKv.launch({}, { open: storage.open, storageUrl: "sqlite:a.db" });
  using client = await kv.connect();
  assert.equal(await client.ask("HELLO", "2").then((reply) => reply[0]), "*");
  for (
    const request of [
      ["PING"],
      ["GET", "a"],
      ["SET", "a", "b"],
      ["MGET", "a", "b"],
      ["SCAN", "0"],
      ["DBSIZE"],
      ["FLUSHALL"],
      ["WATCH", "a"],
      ["TIME"],
    ]
  ) assert.equal(await client.ask(...request), LOADING, request[0]!);
  assert.equal(await client.ask("GET"), "-ERR wrong number of arguments for 'get' command\r\n");
  assert.equal(await client.ask("MULTI"), "+OK\r\n");
  assert.equal(await client.ask("SET", "a", "b"), LOADING);
  assert.match(await client.ask("EXEC"), /^-EXECABORT /);
  assert.equal(await client.ask("SELECT", "1"), "+OK\r\n");
  assert.match(await client.ask("INFO"), /\r\nloading:1\r\n/);
  assert.deepEqual(kv.running.problems(), ["loading"]);
  assert.ok(kv.running.metrics().length > 0);

  storage.gate.resolve();
  await kv.running.loaded;
  assert.deepEqual(kv.running.problems(), []);
  assert.equal(await client.ask("PING"), "+PONG\r\n");
  assert.equal(await client.ask("SET", "a", "b"), "+OK\r\n");
  assert.equal(await client.ask("GET", "a"), "$1\r\nb\r\n");
  assert.match(await client.ask("INFO"), /\r\nloading:0\r\n/);
  assert.match(await client.ask("CONFIG", "GET", "appendonly"), /yes/);
});

Deno.test("kv: clients of the text protocol get ERR loading until the store has loaded", async () => {
  const storage = new GatedStorage();
  await using kv = await TestKv.launch({}, { open: storage.open });
  using client = await kv.connect();
  const requests = ["PUT a b", "GET a", "DELETE a", "MGET a b", "LIST", "COUNT", "INCREX a 1 1"];
  for (const request of requests) {
    assert.equal(await client.askLine(request), "ERR loading", request);
  }
  assert.match(await client.askLine("HELP"), /^COMMANDS /);
  storage.gate.resolve();
  await kv.running.loaded;
  assert.equal(await client.askLine("PUT a b"), "OK");
  assert.equal(await client.askLine("QUIT"), "OK");
});

Deno.test("kv: a client can log in while the store is loading, and must", async () => {
  const storage = new GatedStorage();
  const guard = new Guard(["secret"], new FailureCounter(10, 60_000), 60_000);
  await using kv = await TestKv.launch({}, { open: storage.open, guard });
  using client = await kv.connect();
  assert.match(await client.ask("PING"), /^-NOAUTH /);
  assert.equal(await client.ask("AUTH", "secret"), "+OK\r\n");
  assert.equal(await client.ask("PING"), LOADING);
  assert.equal(await client.ask("QUIT"), "+OK\r\n");
  storage.gate.resolve();
  await kv.running.loaded;
});

Deno.test("kv: a store that cannot be loaded is the reason why the start fails", async () => {
  const storage = new GatedStorage();
  await using kv = await TestKv.launch({}, { open: storage.open });
  using client = await kv.connect();
  storage.gate.reject(new Error("the file is damaged"));
  await assert.rejects(kv.running.loaded!, { message: "the file is damaged" });
  assert.equal(await client.ask("GET", "a"), LOADING);
  assert.deepEqual(storage.closed, ["storage"]);
});

Deno.test("kv: a drain does not wait for a store that is loading", async () => {
  const storage = new GatedStorage();
  const kv = await TestKv.launch({}, { open: storage.open });
  using client = await kv.connect();
  assert.equal(await client.ask("GET", "a"), LOADING);
  await within(60_000, "the drain", kv.stop({ drainMs: 500 }));
  assert.deepEqual(storage.closed, []);
  storage.gate.resolve();
  await assert.rejects(kv.running.loaded!, { message: "it was stopped while it was loading" });
  assert.deepEqual(storage.closed, ["store", "storage"]);
});
