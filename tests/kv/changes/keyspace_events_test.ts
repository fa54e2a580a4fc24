/**
 * Events of keys as clients receive them, apart from those that commands fire: the differential test
 * compares them with Redis.
 *
 * @module
 */

import assert from "node:assert/strict";
import { KeyspaceEvents } from "../../../lib/kv/changes/keyspace_events.ts";
import type { Change } from "../../../lib/kv/changes/change.ts";
import { ChangeFeed } from "../../../lib/kv/changes/change_feed.ts";
import { until } from "../../support/within.ts";
import { type RawClient, TestKv } from "../support.ts";

/** The next event: its channel and its payload. */
async function nextEvent(client: RawClient): Promise<string> {
  const words = (await client.reply()).split("\r\n");
  return `${words.at(-4)} ${words.at(-2)}`;
}

async function listener(kv: TestKv, pattern: string): Promise<RawClient> {
  const client = await kv.connect();
  await client.ask("PSUBSCRIBE", pattern);
  return client;
}

for (const storage of ["memory:", "sqlite:kv.db"]) {
  Deno.test(`kv: "expired" is sent when the key expires, without a read (${storage})`, async () => {
    await using kv = await TestKv.start({ notify_keyspace_events: "KEx" }, storage);
    using client = await kv.connect();
    using events = await listener(kv, "__key*");
    await client.ask("SELECT", "3");
    await client.ask("SET", "k", "v", "PX", "30");
    assert.equal(await nextEvent(events), "__keyspace@3__:k expired");
    assert.equal(await nextEvent(events), "__keyevent@3__:expired k");
  });
}

Deno.test('kv: "evicted" is sent for each key that makes room', async () => {
  const config = {
    notify_keyspace_events: "Ee$",
    max_memory: "10KiB",
    max_memory_policy: "allkeys-random",
  };
  await using kv = await TestKv.start(config);
  using client = await kv.connect();
  using events = await listener(kv, "__keyevent@0__:*");
  for (let key = 0; key < 12; key++) await client.ask("SET", `k${key}`, "x".repeat(1000));
  const seen: string[] = [];
  while (!seen.at(-1)?.endsWith("set k11")) seen.push(await nextEvent(events));
  const evicted = seen.filter((event) => event.includes(":evicted k")).length;
  assert.ok(evicted >= 2, seen.join(", "));
  assert.equal(await client.ask("DBSIZE"), `:${12 - evicted}\r\n`);
});

Deno.test("kv: events of many changes in one commit are all sent, in order, after the reply", async () => {
  await using kv = await TestKv.start({ notify_keyspace_events: "E$", queue: 100 });
  using client = await kv.connect();
  using events = await listener(kv, "__keyevent@0__:set");
  const keys = Array.from({ length: 90 }, (_, index) => `key-${index}`);
  await client.ask("MSET", ...keys.flatMap((key) => [key, "v"]));
  for (const key of keys) assert.equal(await nextEvent(events), `__keyevent@0__:set ${key}`);
});

Deno.test("kv: keys whose channel is no subject are heard by Redis clients", async () => {
  await using kv = await TestKv.start({ notify_keyspace_events: "KE$" });
  using client = await kv.connect();
  using events = await listener(kv, "__key*");
  await client.ask("SET", "a b\r\n..", "v");
  const [keyspace, keyevent] = [await events.reply(), await events.reply()];
  assert.match(keyspace, /__keyspace@0__:a b\r\n\.\.\r\n\$3\r\nset\r\n$/);
  assert.match(keyevent, /__keyevent@0__:set\r\n\$7\r\na b\r\n\.\.\r\n$/);
});

Deno.test("kv: clients of the text protocol cause events too", async () => {
  await using kv = await TestKv.start({ notify_keyspace_events: "EA" });
  using text = await kv.connect();
  using events = await listener(kv, "__keyevent@0__:*");
  const lines: [string, ...string[]][] = [
    ["PUT a 1", "set"],
    ["INCR a", "incrby"],
    ["INCREX a 1 100", "incrby", "expire"],
    ["INCREX a 1 100", "incrby"],
    ["PERSIST a", "persist"],
    ["EXPIRE a 100", "expire"],
    ["PUTEX a 100 x", "set", "expire"],
    ["CAS a x y", "set"],
    ["DELETEIF a y", "del"],
    ["PUTNX a z", "set"],
    ["DELETE a", "del"],
  ];
  for (const [line, ...expected] of lines) {
    await text.askLine(line);
    for (const name of expected) assert.equal(await nextEvent(events), `__keyevent@0__:${name} a`);
  }
});

Deno.test("kv: the setting takes effect at once, and nothing is followed without it", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  using events = await listener(kv, "__key*");
  await client.ask("SET", "a", "1");
  await client.ask("CONFIG", "SET", "notify-keyspace-events", "E$");
  await client.ask("SET", "b", "1");
  assert.equal(await nextEvent(events), "__keyevent@0__:set b");
  await client.ask("CONFIG", "SET", "notify-keyspace-events", "");
  await client.ask("SET", "c", "1");
  await client.ask("CONFIG", "SET", "notify-keyspace-events", "E$");
  await client.ask("SET", "d", "1");
  assert.equal(await nextEvent(events), "__keyevent@0__:set d");
  const dropped = kv.running.metrics().find(({ name }) => name === "kv_dropped_events_total");
  assert.deepEqual(dropped?.samples, [{ value: 0 }]);
});

Deno.test("KeyspaceEvents: too many waiting events are dropped and counted", async () => {
  const feed = new ChangeFeed(() => {});
  let sent = 0;
  const events = new KeyspaceEvents(feed, () => sent++);
  events.select("Ee");
  const removals = Array.from({ length: 100_010 }, (_, key): Change => (
    { kind: "evicted", place: { space: 0, key: String(key) } }
  ));
  feed.tell(removals, undefined);
  assert.deepEqual([sent, events.dropped], [0, 10], "events never hold up what causes them");
  await until("the events are sent", () => sent === 100_000);
});

Deno.test("KeyspaceEvents: few events that take long to send are sent in turns", async () => {
  const sent: string[] = [];
  const feed = new ChangeFeed(() => {});
  const events = new KeyspaceEvents(feed, (_, key) => {
    sent.push(key);
    const endMs = performance.now() + 1;
    while (performance.now() < endMs);
  });
  events.select("Ex");
  const keys = Array.from({ length: 30 }, (_, index) => `k${index}`);
  const changes = keys.map((key): Change => ({ kind: "expired", place: { space: 0, key } }));
  feed.tell(changes, undefined);
  assert.equal(sent.length, 8, "few in any case, so that nothing overtakes them");
  feed.tell([{ kind: "expired", place: { space: 0, key: "last" } }], undefined);
  await until("all are sent", () => sent.length === 31);
  assert.deepEqual(sent, [...keys, "last"]);
});
