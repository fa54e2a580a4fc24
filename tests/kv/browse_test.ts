import assert from "node:assert/strict";
import type { EntryJson, KeysJson } from "../../lib/kv/browse.ts";
import { TestKv } from "./support.ts";
import { TestClient } from "../support/client.ts";

Deno.test("kv lists keys by prefix in pages, shows a value within limits, and deletes it", async () => {
  await using kv = await TestKv.start();
  const { queries = {}, actions = {} } = kv.running;
  const keys = (fields: Record<string, unknown>) => queries["keys"]!(fields) as Promise<KeysJson>;
  const key = (fields: Record<string, unknown>) => queries["key"]!(fields) as Promise<EntryJson>;
  using client = await TestClient.connect(kv.running.addresses[0]!);
  for (let i = 0; i < 150; i++) {
    await client.send(`SET user:${String(i).padStart(3, "0")} v${i}\r\n`);
  }
  await client.send('SET "b\\xff\\x00" "\\x00\\xfe" EX 3600\r\n');
  await client.send(`SET long ${"x".repeat(20_000)}\r\n`);
  for (let i = 0; i < 152; i++) assert.equal(await client.line(), "+OK\r\n");

  const first = await keys({ prefix: "user:" });
  assert.deepEqual([first.keys.length, first.more], [100, true]);
  const rest = await keys({ prefix: "user:", after: first.keys.at(-1)!.key });
  assert.deepEqual([rest.keys.length, rest.more, rest.keys[0]!.key], [50, false, "user:100"]);
  assert.deepEqual(await keys({ db: 1 }), { keys: [], more: false });
  const [binary] = (await keys({ count: 1 })).keys;
  assert.equal(binary!.key, "b\xff\0");
  assert.ok(Math.abs(binary!.expiresAtMs - Date.now() - 3_600_000) < 120_000);

  const shown = await key({ key: "b\xff\0" });
  assert.deepEqual([shown.bytes, shown.value], [2, btoa("\0\xfe")]);
  const long = await key({ key: "long" });
  assert.deepEqual([long.bytes, atob(long.value)], [20_000, "x".repeat(16 * 1024)]);

  assert.equal(await actions["delete"]!({ key: "b\xff\0" }), "The key is deleted.");
  await client.send("EXISTS user:000\r\nDBSIZE\r\n");
  assert.equal(await client.line() + await client.line(), ":1\r\n:151\r\n");
  await assert.rejects(key({ key: "b\xff\0" }), /There is no such key/);
  await assert.rejects(actions["delete"]!({ key: "b\xff\0" }), RangeError);
  for (
    const fields of [{}, { key: "\u0100" }, { key: 5 }, { key: "a", db: 16 }, { key: "a", db: -1 }]
  ) {
    await assert.rejects(key(fields), RangeError, JSON.stringify(fields));
    await assert.rejects(actions["delete"]!(fields), RangeError);
  }
  await assert.rejects(keys({ count: 101 }), RangeError);
});
