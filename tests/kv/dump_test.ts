import assert from "node:assert/strict";
import { dumpStore } from "../../lib/kv/dump.ts";
import { RespParser } from "../../lib/kv/resp/parser.ts";
import { MemoryLog } from "../../lib/storage/memory/memory_log.ts";
import { MemoryStore } from "../../lib/storage/memory/memory_store.ts";
import { latin1Text } from "./support.ts";

/** Dumps a store into a list of requests, each a list of arguments. */
async function dumped(store: MemoryStore): Promise<{ keys: number; requests: string[][] }> {
  const pieces: Uint8Array[] = [];
  const keys = await dumpStore(store, (bytes) => {
    pieces.push(bytes.slice());
    return Promise.resolve(true);
  });
  const bytes = new Uint8Array(await new Blob(pieces as Uint8Array<ArrayBuffer>[]).arrayBuffer());
  const parser = new RespParser({
    maxArgumentBytes: 1e8,
    maxRequestBytes: 1e9,
    maxArguments: 100,
  });
  const requests: string[][] = [];
  for (let at = 0; at < bytes.length;) {
    assert.equal(parser.parse(bytes, at, bytes.length), "request");
    const { request } = parser;
    requests.push(Array.from({ length: request.count }, (_, index) => request.text(index)));
    at += parser.consumed;
  }
  return { keys, requests };
}

Deno.test("dumpStore writes all databases, with expiry and any bytes", async () => {
  const store = await MemoryStore.open(new MemoryLog());
  const expiresAtMs = Date.now() + 1e9;
  const long = new Uint8Array(700_000).fill(7);
  store.put(0, "", "", 0);
  store.put(0, "a\r\n\0\xff", "\r\n", expiresAtMs);
  store.put(0, "expired", "v", 1);
  await store.put(7, "long", long, 0);
  store.put(15, "x", "y", 0);
  const { keys, requests } = await dumped(store);
  assert.equal(keys, 4);
  assert.deepEqual(requests, [
    ["SELECT", "0"],
    ["SET", "", ""],
    ["SET", "a\r\n\0\xff", "\r\n", "PXAT", String(expiresAtMs)],
    ["SELECT", "7"],
    ["SET", "long", latin1Text(long)],
    ["SELECT", "15"],
    ["SET", "x", "y"],
  ]);
  await store.close();
});

Deno.test("dumpStore reads a large database in pages", async () => {
  const store = await MemoryStore.open(new MemoryLog());
  const names = Array.from({ length: 5000 }, (_, index) => String(index).padStart(4, "0"));
  for (const name of names) store.put(1, name, `value of ${name}`, 0);
  const { keys, requests } = await dumped(store);
  assert.equal(keys, 5000);
  assert.deepEqual(requests, [
    ["SELECT", "1"],
    ...names.map((name) => ["SET", name, `value of ${name}`]),
  ]);
  await store.close();
});

Deno.test("dumpStore stops once nobody takes its output", async () => {
  const store = await MemoryStore.open(new MemoryLog());
  store.put(0, "", "x".repeat(300_000), 0);
  for (let index = 0; index < 100; index++) store.put(0, `${index}`, "x".repeat(10_000), 0);
  let writes = 0;
  const keys = await dumpStore(store, () => {
    writes++;
    return false;
  });
  assert.equal(writes, 1);
  assert.ok(keys < 100);
  await store.close();
});
