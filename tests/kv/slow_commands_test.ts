/**
 * What `slow_command` logs, and that SLOWLOG goes by the same times.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import assert from "node:assert/strict";
import { CommandWatch } from "../../lib/kv/command_watch.ts";
import { RespConnection } from "../../lib/kv/session/connection.ts";
import { Session } from "../../lib/kv/session/session.ts";
import { TextConnection } from "../../lib/kv/text/connection.ts";
import type { Connection } from "../../lib/net/connection.ts";
import { ReadBuffer } from "../../lib/net/read_buffer.ts";
import { SlowCommands } from "../../lib/slow_commands.ts";
import type { Store } from "../../lib/storage/store.ts";
import { TestLog } from "../support/log.ts";
import { until, within } from "../support/within.ts";
import { ByteMap, serverOn, storeOn, testPeer, TestSocket } from "./byte_map.ts";
import { encodeRequest, latin1Bytes, TestKv } from "./support.ts";

Deno.test("slow_command: a slow command is logged with its key and counted, and is in SLOWLOG too", async () => {
  await using kv = await TestKv.start({ slow_command: "1ms" });
  using client = await kv.connect();
  await client.ask("CONFIG", "SET", "slowlog-log-slower-than", "1000");
  await client.ask("SET", "one", "0123456789".repeat(400));
  await client.ask("SET", "two", "9876543210".repeat(400));
  await client.ask("SLOWLOG", "RESET");
  await client.ask("LCS", "one", "two", "LEN");
  const [line] = kv.log.matching("command=lcs");
  assert.match(line!, / level=warning .*msg="Slow command" command=lcs key=one ms=\d+ client=\d+ /);
  assert.doesNotMatch(kv.log.lines.join(""), /0123456789/);
  const total = kv.running.metrics().find(({ name }) => name === "slow_commands_total");
  const [sample] = total!.samples;
  assert.ok(sample !== undefined && "value" in sample && sample.value >= 1);
  assert.match(await client.ask("SLOWLOG", "GET"), /\$3\r\nLCS\r\n\$3\r\none\r\n/);
});

Deno.test("slow_command: a command of very many keys, which runs in turns, is logged too", async () => {
  await using kv = await TestKv.start({ slow_command: "10ms" });
  using client = await kv.connect();
  await client.ask("CONFIG", "SET", "slowlog-log-slower-than", "10000");
  const pairs = Array.from({ length: 50_000 }, (_, key) => String(key));
  assert.equal(await client.ask("MSET", ...pairs), "+OK\r\n");
  assert.match(kv.log.matching("command=mset")[0] ?? "none", / command=mset key=0 ms=\d+ /);
  assert.match(await client.ask("SLOWLOG", "GET"), /\$4\r\nMSET\r\n/);
});

/** A server whose store answers `get` after some time, as a disk or as a database does. */
function slowServer({ inMemory }: { inMemory: boolean }) {
  const log = new TestLog();
  const watch = new CommandWatch(new SlowCommands("kv", log.log, 2));
  const get = async () => {
    await delay(10);
    return undefined;
  };
  const map = new ByteMap();
  const { bytes, ...store } = storeOn(map);
  const slow = { ...store, get, ...inMemory ? { bytes: { ...bytes, ready: false } } : {} };
  return { log, server: { ...serverOn(map), watch, store: slow as unknown as Store } };
}

for (const inMemory of [false, true]) {
  const what = inMemory ? "waiting for the disk does not count" : "waiting for a database counts";
  Deno.test(`slow_command: ${what}, in both protocols`, async () => {
    const { log, server } = slowServer({ inMemory });
    server.watch.setSlowerThan(2000);
    const redis = new TestSocket(), text = new TestSocket();
    const session = new Session(server, testPeer());
    const buffer = new ReadBuffer({ maxBytes: 1e7 });
    const served = [
      new RespConnection(redis, buffer, session).serve(),
      new TextConnection(text as unknown as Connection, new Uint8Array(0), server).serve(),
    ];
    redis.send(encodeRequest(["GET", "by-redis"]));
    text.send(latin1Bytes("GET by-text\n"));
    await until("both reply", () => redis.output !== "" && text.output !== "");
    for (const socket of [redis, text]) socket.end();
    await within(60_000, "the end of both", Promise.all(served));
    const keys = log.lines.map((line) => /key=(\S+)/.exec(line)?.[1]).sort();
    assert.deepEqual(keys, inMemory ? [] : ["by-redis", "by-text"]);
    assert.equal(server.watch.slowLog.entries.length, inMemory ? 0 : 1);
  });
}
