/**
 * FOLLOW: lines about changes, from every kind of writer.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Readers } from "../../../lib/bus/readers.ts";
import { ChangeFeed } from "../../../lib/kv/changes/change_feed.ts";
import type { Change } from "../../../lib/kv/changes/change.ts";
import { Followers } from "../../../lib/kv/text/followers.ts";
import { TestLog } from "../../support/log.ts";
import { until } from "../../support/within.ts";
import { latin1Text, type RawClient, TestKv } from "../support.ts";

/** A client that follows a prefix, and reads lines. */
async function follow(kv: TestKv, prefix = ""): Promise<RawClient> {
  const client = await kv.connect();
  assert.equal(await client.askLine(`FOLLOW ${prefix}`), "OK");
  return client;
}

Deno.test("FOLLOW shows the changes of the text protocol, which can be sent again as they are", async () => {
  await using kv = await TestKv.start();
  await using copy = await TestKv.start();
  using client = await kv.connect();
  using other = await copy.connect();
  using follower = await follow(kv);
  const values = ["plain", "two words", "a=b,c", "\\n line \\r end \\\\", "caf\xc3\xa9\xff", ""];
  for (const [index, value] of values.entries()) {
    const keys = [`k${index}`, "a\\sb", "x\\,y\\=z", "\\e", "\\x01"];
    for (const key of keys) {
      assert.equal(await client.askLine(`PUT ${key} ${value}`), "OK");
      const line = await follower.line();
      assert.ok(line.startsWith(`PUT ${key} `), line);
      assert.equal(await other.askLine(line), "OK");
      assert.equal(await other.askLine(`GET ${key}`), await client.askLine(`GET ${key}`));
      await client.askLine(`DELETE ${key}`);
      assert.equal(await follower.line(), `DELETE ${key}`);
    }
  }
});

Deno.test("FOLLOW shows the changes of Redis clients, scripts, transactions and whole databases", async () => {
  await using kv = await TestKv.start();
  using redis = await kv.connect();
  using follower = await follow(kv, "a");
  const requests: [string, ...string[]][] = [
    ["SET a 1", "PUT a 1"],
    ["SET b 1"],
    ["APPEND a 23", "PUT a 123"],
    ["INCR a", "PUT a 124"],
    ["EXPIRE a 100"],
    ["PERSIST a"],
    ["SETRANGE a 1 x", "PUT a 1x4"],
    ["RENAME a ab", "DELETE a", "PUT ab 1x4"],
    ["RENAME ab b", "DELETE ab"],
    ["MSET a 1 c 2 aa 3", "PUT a 1", "PUT aa 3"],
    ["EVAL redis.call('set','a','lua')redis.call('del','aa') 1 a", "PUT a lua", "DELETE aa"],
    ["SET aa 1 EX 100", "PUT aa 1"],
    ["GETEX aa EX 50"],
    ["GETDEL aa", "DELETE aa"],
    ["SET aa v EXAT 33177117420", "PUT aa v"],
    ["EXPIRE aa -1", "DELETE aa"],
    ["FLUSHDB", "CLEAR"],
    ["SWAPDB 0 1", "SWAP"],
    ["SWAPDB 2 1"],
    ["SELECT 1"],
    ["SET a other"],
    ["MOVE a 0", "PUT a other"],
    ["SELECT 0"],
    ["COPY a a2", "PUT a2 other"],
    ["SET a 1 PX 20", "PUT a 1", "EXPIRE a"],
  ];
  for (const [request, ...lines] of requests) {
    await redis.ask(...request.split(" "));
    for (const line of lines) assert.equal(await follower.line(), line, request);
  }
  await redis.ask("MULTI");
  await redis.ask("SET", "a", "in exec");
  await redis.ask("DEL", "a2");
  await redis.ask("EXEC");
  assert.equal(await follower.line(), "PUT a in exec");
  assert.equal(await follower.line(), "DELETE a2");
});

Deno.test("FOLLOW shows keys that are evicted", async () => {
  await using kv = await TestKv.start({ max_memory: "1KiB", max_memory_policy: "allkeys-random" });
  using redis = await kv.connect();
  await redis.ask("SET", "old", "x".repeat(600));
  using follower = await follow(kv);
  await redis.ask("SET", "new", "x".repeat(600));
  assert.equal(await follower.line(), "DELETE old");
  assert.equal(await follower.line(), `PUT new ${"x".repeat(600)}`);
});

Deno.test("a connection that follows refuses other commands, and leaves nothing behind", async () => {
  await using kv = await TestKv.start();
  using redis = await kv.connect();
  using client = await kv.connect();
  await client.send("PUT a 1\nFOLLOW\nGET a\nQUIT\nGET a\n");
  const refused = "ERR this connection follows changes: use another one, or QUIT\n";
  assert.equal(await client.rest(), `OK\nOK\n${refused}OK\n`);
  using strange = await kv.connect();
  assert.equal(await strange.askLine("FOLLOW a b"), "ERR expected FOLLOW [prefix]");
  // Without followers, commands take their fast path again: EVAL sees the store itself.
  assert.equal(await redis.ask("GET", "a"), "$1\r\n1\r\n");
});

Deno.test("FOLLOW sends a long value whole", async () => {
  await using kv = await TestKv.start();
  using redis = await kv.connect();
  using follower = await follow(kv);
  const value = "line\n".repeat(200_000);
  await redis.ask("SET", "long", value);
  await redis.ask("SET", "short", "v");
  assert.equal(await follower.line(), `PUT long ${"line\\n".repeat(200_000)}`);
  assert.equal(await follower.line(), "PUT short v");
});

/** A connection whose writes complete when the test says so. */
class FakeConnection {
  readonly id = 1;
  readonly remote = "test";
  closed = false;
  output = "";
  held: (() => void)[] | undefined;

  write(bytes: Uint8Array): Promise<void> {
    this.output += latin1Text(bytes);
    const { held } = this;
    return held === undefined ? Promise.resolve() : new Promise((resolve) => held.push(resolve));
  }

  close(): void {
    this.closed = true;
  }
}

function put(key: string): Change {
  return {
    kind: "put",
    place: { space: 0, key },
    value: "v",
    expiresAtMs: 0,
    beforeMs: undefined,
    isNew: false,
    command: undefined,
  };
}

for (
  const [on_full, expected] of [
    ["drop", "PUT k0 v\nPUT k1 v\nPUT k2 v\nLOST 5\nPUT last v\n"],
    ["drop_oldest", "PUT k0 v\nPUT k6 v\nPUT k7 v\nLOST 5\nPUT last v\n"],
  ] as const
) {
  Deno.test(`a slow follower loses lines (${on_full}), is told how many, and does not hold up changes`, async () => {
    const feed = new ChangeFeed(() => {});
    const log = new TestLog();
    const readers = new Readers({ queue: 2, queue_bytes: 1000, slow_after: 20, on_full }, log.log);
    const followers = new Followers(feed);
    const connection = new FakeConnection();
    connection.held = [];
    const stop = followers.follow(readers.join(connection), "");
    for (let change = 0; change < 8; change++) feed.tell([put(`k${change}`)], undefined);
    await until("the client is slow", () => log.matching("Client is slow").length === 1);
    await until("lines are lost", () => readers.metrics().dropped === 5);
    const { held } = connection;
    connection.held = undefined;
    for (const done of held) done();
    await until("the queue is empty", () => readers.metrics().delivered === 3);
    feed.tell([put("last")], undefined);
    await until("the last line arrives", () => connection.output.includes("last"));
    assert.equal(connection.output, expected);
    stop();
    assert.equal(feed.active, false);
  });
}

Deno.test("a follower that reads loses nothing of many changes made at once", async () => {
  await using kv = await TestKv.start({ queue: 2 });
  using redis = await kv.connect();
  using follower = await follow(kv);
  const keys = Array.from({ length: 500 }, (_, index) => `key-${index}`);
  await redis.ask("MSET", ...keys.flatMap((key) => [key, "v"]));
  for (const key of keys) assert.equal(await follower.line(), `PUT ${key} v`);
});
