/**
 * Widely used Redis clients, unmodified.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { isInstalled } from "../support/programs.ts";
import { signal } from "../support/signal.ts";
import { within } from "../support/within.ts";
import { assertTimeLeft, TestKv } from "./support.ts";

const DEADLINE_MS = 60_000;

for (const protocol of [2, 3] as const) {
  Deno.test(`ioredis works unmodified, RESP${protocol}`, async () => {
    await using kv = await TestKv.start();
    const retryStrategy = () => null;
    const client = new Redis({ port: kv.port, host: "127.0.0.1", protocol, retryStrategy });
    const errors: unknown[] = [];
    client.on("error", (error) => errors.push(error));
    try {
      await within(DEADLINE_MS, "ioredis", useIoredis(client));
    } finally {
      client.disconnect();
    }
    assert.deepEqual(errors, []);
  });

  Deno.test(`node-redis works unmodified, RESP${protocol}`, async () => {
    await using kv = await TestKv.start();
    const client = createClient({
      RESP: protocol,
      url: `redis://127.0.0.1:${kv.port}`,
      socket: { reconnectStrategy: false },
    });
    const errors: unknown[] = [];
    client.on("error", (error) => errors.push(error));
    try {
      await within(DEADLINE_MS, "node-redis", useNodeRedis(client as NodeRedis));
    } finally {
      client.destroy();
    }
    assert.deepEqual(errors, []);
  });
}

type NodeRedis = ReturnType<typeof createClient>;

async function useIoredis(client: Redis): Promise<void> {
  const startMs = performance.now();
  assert.equal(await client.set("a", "1"), "OK");
  assert.equal(await client.get("a"), "1");
  assert.equal(await client.get("nothing"), null);
  assert.equal(await client.incrby("a", 41), 42);
  assert.equal(await client.set("t", "x", "EX", 100, "NX"), "OK");
  assertTimeLeft(await client.ttl("t"), { seconds: 100, startMs });
  assert.deepEqual(await client.mget("a", "nothing"), ["42", null]);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  await client.set("bytes", bytes);
  assert.deepEqual(await client.getBuffer("bytes"), bytes);
  assert.deepEqual(await client.multi().set("m", "1").incr("m").get("m").exec(), [
    [null, "OK"],
    [null, 2],
    [null, "2"],
  ]);
  const replies = await client.pipeline(Array.from({ length: 1000 }, (_, i) => ["set", `p${i}`, i]))
    .exec();
  assert.ok(replies!.every(([error, reply]) => error === null && reply === "OK"));
  const found = new Set<string>();
  for await (const keys of client.scanStream({ match: "p*", count: 50 })) {
    for (const key of keys as string[]) found.add(key);
  }
  assert.equal(found.size, 1000);
  await assert.rejects(client.incr("bytes"), /not an integer/);
  await assert.rejects(client.call("lpush", "l", "x"), /unknown command/);
  assert.match(await client.info("server"), /redis_version:/);
  const other = client.duplicate();
  try {
    await client.watch("a");
    await other.set("a", "changed");
    assert.equal(await client.multi().set("a", "mine").exec(), null);
  } finally {
    other.disconnect();
  }
  assert.equal(await client.quit(), "OK");
}

async function useNodeRedis(client: NodeRedis): Promise<void> {
  await client.connect();
  const startMs = performance.now();
  assert.equal(await client.set("a", "1"), "OK");
  assert.equal(await client.get("a"), "1");
  assert.equal(await client.get("nothing"), null);
  assert.equal(await client.incrBy("a", 41), 42);
  assert.equal(await client.set("t", "x", { EX: 100, NX: true } as never), "OK");
  assertTimeLeft(await client.ttl("t"), { seconds: 100, startMs });
  assert.deepEqual(await client.mGet(["a", "nothing"]), ["42", null]);
  assert.deepEqual(await client.multi().set("m", "1").incr("m").get("m").exec(), ["OK", 2, "2"]);
  const sets = Array.from({ length: 1000 }, (_, index) => client.set(`p${index}`, String(index)));
  assert.ok((await Promise.all(sets)).every((reply) => reply === "OK"));
  const found = new Set<string>();
  for await (const keys of client.scanIterator({ MATCH: "p*", COUNT: 50 })) {
    for (const key of keys) found.add(key);
  }
  assert.equal(found.size, 1000);
  await assert.rejects(client.sendCommand(["LPUSH", "l", "x"]), /unknown command/);
  assert.deepEqual(Object.assign({}, await client.configGet("databases")), { databases: "16" });
  assert.equal(await client.lcsLen("a", "m"), 1);
  await client.close();
}

async function run(program: string, args: string[], input = ""): Promise<string> {
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  try {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
    const { stdout, stderr } = await within(DEADLINE_MS, program, child.output());
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  } catch (error) {
    signal(child, "SIGKILL");
    throw error;
  }
}

Deno.test({
  name: "redis-cli works unmodified",
  ignore: !await isInstalled("redis-cli"),
  async fn() {
    await using kv = await TestKv.start();
    const port = ["-p", String(kv.port)];
    assert.equal(await run("redis-cli", [...port, "set", "a", "b"]), "OK\n");
    assert.equal(await run("redis-cli", [...port, "-3", "get", "a"]), "b\n");
    assert.match(await run("redis-cli", port, "get a\nmget a x\n"), /^b\nb\n\n$/);
    assert.match(await run("redis-cli", [...port, "--scan"]), /^a\n$/);
  },
});

Deno.test({
  name: "redis-benchmark works unmodified",
  ignore: !await isInstalled("redis-benchmark"),
  async fn() {
    await using kv = await TestKv.start();
    const tests = "ping_inline,ping_mbulk,set,get,incr,mset";
    const args = ["-p", String(kv.port), "-q", "-n", "2000", "-P", "4", "-t", tests];
    const output = await run("redis-benchmark", args);
    assert.equal(output.match(/requests per second/g)?.length, 6, output);
    assert.ok(!/error/i.test(output), output);
  },
});

Deno.test("node-redis reports at once that there is no client-side caching", async () => {
  await using kv = await TestKv.start();
  const client = createClient({
    RESP: 3,
    url: `redis://127.0.0.1:${kv.port}`,
    clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: "LRU" },
  });
  const errors: unknown[] = [];
  client.on("error", (error) => errors.push(error));
  try {
    await within(DEADLINE_MS, "the connection", client.connect());
    const reason = /quartet does not support client-side caching/;
    await assert.rejects(within(DEADLINE_MS, "a reply", client.get("a")), reason);
    await assert.rejects(within(DEADLINE_MS, "a reply", client.set("a", "1")), reason);
  } finally {
    client.destroy();
  }
  assert.deepEqual(errors, []);
});

Deno.test("ioredis learns from CLIENT TRACKING that there is no client-side caching", async () => {
  await using kv = await TestKv.start();
  const client = new Redis({ port: kv.port, host: "127.0.0.1", retryStrategy: () => null });
  try {
    const tracking = client.call("client", "tracking", "on");
    await assert.rejects(within(DEADLINE_MS, "a reply", tracking), /client-side caching/);
    assert.equal(await within(DEADLINE_MS, "a reply", client.get("a")), null);
  } finally {
    client.disconnect();
  }
});

Deno.test("node-redis monitors other clients", async () => {
  await using kv = await TestKv.start();
  const [monitor, client] = [1, 2].map(() =>
    createClient({ url: `redis://127.0.0.1:${kv.port}`, socket: { reconnectStrategy: false } })
  );
  try {
    await within(
      DEADLINE_MS,
      "the connections",
      Promise.all([monitor!.connect(), client!.connect()]),
    );
    const seen = Promise.withResolvers<string>();
    await monitor!.monitor((line) => seen.resolve(String(line)));
    await client!.set("a", "1");
    assert.match(await within(DEADLINE_MS, "a line", seen.promise), /"SET" "a" "1"$/);
  } finally {
    monitor!.destroy();
    client!.destroy();
  }
});
