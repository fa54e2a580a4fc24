/**
 * Limits on memory, by the configuration and by CONFIG SET.
 *
 * @module
 */

import assert from "node:assert/strict";
import { PostgresServer } from "../support/postgres.ts";
import { encodeRequest, type RawClient, TestKv } from "./support.ts";

const OOM = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

/** A field of INFO. */
async function infoField(client: RawClient, name: string): Promise<string | undefined> {
  return new RegExp(`\r\n${name}:(.*)\r\n`).exec(await client.ask("INFO"))?.[1];
}

/** Sets keys in a pipeline; returns the replies. */
async function setMany(client: RawClient, prefix: string, count: number): Promise<Set<string>> {
  const replies = new Set<string>();
  const value = "x".repeat(90);
  const sent = (async () => {
    for (let at = 0; at < count; at++) {
      await client.send(encodeRequest(["SET", `${prefix}${at}`, value]));
    }
  })();
  for (let at = 0; at < count; at++) replies.add(await client.reply());
  await sent;
  return replies;
}

Deno.test("kv: max_memory_policy evicts keys to make room", async () => {
  await using kv = await TestKv.start({ max_memory: "64KiB", max_memory_policy: "allkeys-lru" });
  using client = await kv.connect();
  assert.deepEqual([...await setMany(client, "k", 2000)], ["+OK\r\n"]);
  assert.ok(Number(await infoField(client, "used_memory_dataset")) <= 65536);
  const evicted = Number(await infoField(client, "evicted_keys"));
  const left = Number((await client.ask("DBSIZE")).slice(1));
  assert.equal(evicted, 2000 - left);
  assert.ok(left > 500);
  assert.equal(await infoField(client, "maxmemory_policy"), "allkeys-lru");
  assert.equal(await client.ask("SET", "long", "x".repeat(60_000)), "+OK\r\n");
  assert.equal(await client.ask("STRLEN", "long"), ":60000\r\n");
  assert.equal(await client.ask("SET", "longer", "x".repeat(70_000)), OOM);
  const samples = kv.running.metrics().find(({ name }) => name === "kv_evicted_keys_total");
  assert.equal(
    String((samples!.samples[0] as { value: number }).value),
    await infoField(client, "evicted_keys"),
  );
});

Deno.test("kv: CONFIG SET maxmemory and maxmemory-policy take effect", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  assert.deepEqual([...await setMany(client, "k", 1000)], ["+OK\r\n"]);
  assert.equal(await client.ask("CONFIG", "SET", "maxmemory", "20kb"), "+OK\r\n");
  assert.equal(await client.ask("SET", "a", "1"), OOM);
  assert.equal(await infoField(client, "maxmemory"), "20480");
  assert.equal(await client.ask("CONFIG", "SET", "maxmemory-policy", "volatile-ttl"), "+OK\r\n");
  assert.equal(await client.ask("SET", "a", "1"), OOM);
  assert.equal(await client.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random"), "+OK\r\n");
  assert.equal(await client.ask("SET", "a", "1"), "+OK\r\n");
  assert.ok(Number(await infoField(client, "evicted_keys")) >= 700);
  assert.equal(
    await client.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"),
    "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - argument(s) must " +
      "be one of the following: noeviction, allkeys-lru, allkeys-random, volatile-lru, " +
      "volatile-random, volatile-ttl\r\n",
  );
  assert.equal(await client.ask("CONFIG", "SET", "maxmemory", "0"), "+OK\r\n");
  assert.equal(await infoField(client, "maxmemory"), "0");
  assert.deepEqual([...await setMany(client, "more", 1000)], ["+OK\r\n"]);
  assert.equal(await client.ask("GET", "more0"), `$90\r\n${"x".repeat(90)}\r\n`);
});

Deno.test("kv: OBJECT IDLETIME does not count as using a key", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("SET", "a", "1");
  assert.equal(await client.ask("OBJECT", "IDLETIME", "a"), ":0\r\n");
  assert.equal(await client.ask("OBJECT", "IDLETIME", "nothing"), "$-1\r\n");
  await client.ask("MULTI");
  await client.ask("OBJECT", "IDLETIME", "a");
  assert.equal(await client.ask("EXEC"), "*1\r\n:0\r\n");
});

Deno.test("kv on PostgreSQL: a policy that evicts is refused", async () => {
  await using postgres = await PostgresServer.start({ fsync: false });
  const url = await postgres.createDatabase();
  const policy = { max_memory_policy: "allkeys-lru" };
  await assert.rejects(
    TestKv.start(policy, url),
    /a database does not evict: set max_memory_policy to "noeviction", not to "allkeys-lru"/,
  );
  await using kv = await TestKv.start({}, url);
  using client = await kv.connect();
  assert.equal(
    await client.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
    "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - a database does " +
      "not evict\r\n",
  );
  assert.equal(await client.ask("CONFIG", "SET", "maxmemory-policy", "noeviction"), "+OK\r\n");
  await client.ask("SET", "a", "1");
  assert.equal(await client.ask("OBJECT", "IDLETIME", "a"), ":0\r\n");
  assert.equal(await client.ask("OBJECT", "IDLETIME", "b"), "$-1\r\n");
});

Deno.test("kv: transactions and scripts that find no room evict keys as well", async () => {
  await using kv = await TestKv.start({
    max_memory: "16KiB",
    max_memory_policy: "allkeys-random",
    script_timeout: "1s",
  });
  using client = await kv.connect();
  assert.deepEqual([...await setMany(client, "k", 300)], ["+OK\r\n"]);
  const value = "y".repeat(2000);
  await client.ask("MULTI");
  for (const key of ["a", "b", "c"]) await client.ask("SET", key, value);
  assert.equal(await client.ask("EXEC"), "*3\r\n+OK\r\n+OK\r\n+OK\r\n");
  assert.equal(await client.ask("EXISTS", "a", "b", "c"), ":3\r\n");
  assert.deepEqual([...await setMany(client, "l", 300)], ["+OK\r\n"]);
  const script = "for i = 1, 3 do redis.call('SET', KEYS[i], ARGV[1]) end return 'done'";
  assert.equal(
    await client.ask("EVAL", script, "3", "d", "e", "f", value),
    "$4\r\ndone\r\n",
  );
  assert.equal(
    await client.ask("MGET", "d", "e", "f"),
    `*3\r\n${`$2000\r\n${value}\r\n`.repeat(3)}`,
  );
  assert.ok(Number(await infoField(client, "used_memory_dataset")) <= 16_384);
});

Deno.test("kv: a command whose own key is evicted to make room for it is not lost", async () => {
  await using kv = await TestKv.start({ max_memory: "1KiB", max_memory_policy: "allkeys-lru" });
  using client = await kv.connect();
  for (
    const request of [["APPEND", "a", "y".repeat(600)], ["SETRANGE", "a", "300", "y".repeat(600)]]
  ) {
    await client.ask("SET", "a", "x".repeat(600));
    const length = await client.ask(...request);
    assert.equal(await client.ask("STRLEN", "a"), length, request[0]!);
    assert.match(await client.ask("GET", "a"), /y{600}\r\n$/);
  }
  await client.ask("SET", "a", "x".repeat(600));
  assert.equal(await client.ask("SET", "b", "z".repeat(400)), "+OK\r\n");
  const evicted = await infoField(client, "evicted_keys");
  assert.equal(await client.ask("SETRANGE", "b", "0", "z".repeat(400)), ":400\r\n");
  assert.equal(await infoField(client, "evicted_keys"), evicted, "nothing has grown");
});
