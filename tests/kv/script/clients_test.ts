/**
 * Locks and rate limiters of Redis clients, which consist of scripts.
 *
 * @module
 */

import { Redlock as RedlockFork } from "@sesamecare-oss/redlock";
import { Redis } from "ioredis";
import assert from "node:assert/strict";
import { RateLimiterRedis, type RateLimiterRes } from "rate-limiter-flexible";
import { RedisStore } from "rate-limit-redis";
import { createClient } from "redis";
import RedlockModule from "redlock";
import { within } from "../../support/within.ts";
import { type RawClient, TestKv } from "../support.ts";

const DEADLINE_MS = 60_000;

// The package is CommonJS; Deno puts its default export one level deeper than its types say.
const Redlock = (RedlockModule as unknown as { default?: typeof RedlockModule }).default ??
  RedlockModule;

/** A client of ioredis that is disconnected at the end. */
function ioredis(kv: TestKv): Redis & Disposable {
  const client = new Redis({ port: kv.port, host: "127.0.0.1", retryStrategy: () => null });
  return Object.assign(client, { [Symbol.dispose]: () => client.disconnect() });
}

for (const [name, Lock] of Object.entries({ Redlock, RedlockFork })) {
  Deno.test(`the npm package of ${name} works unmodified`, async () => {
    await using kv = await TestKv.start();
    using client = ioredis(kv);
    // deno-lint-ignore no-explicit-any -- both packages bring types of their own version of ioredis
    const locks = new Lock([client as any], { retryCount: 0 });
    await within(DEADLINE_MS, name, useRedlock(locks as never, client));
  });
}

/** The part of both packages that the test uses. */
interface Locks {
  acquire(resources: string[], ms: number): Promise<Lock>;
  using<T>(resources: string[], ms: number, run: () => Promise<T>): Promise<T>;
}

interface Lock {
  extend(ms: number): Promise<Lock>;
  release(): Promise<unknown>;
}

async function useRedlock(locks: Locks, client: Redis): Promise<void> {
  const lock = await locks.acquire(["a", "b"], 60_000);
  await assert.rejects(locks.acquire(["b"], 60_000), /unable to achieve a quorum/);
  const leftMs = await client.pttl("a");
  assert.ok(leftMs > 0 && leftMs <= 60_000, `${leftMs} ms`);
  const extended = await lock.extend(120_000);
  assert.ok(await client.pttl("b") > 60_000);
  await extended.release();
  assert.equal(await client.exists("a", "b"), 0);
  assert.equal(
    await locks.using(["a"], 60_000, async () => {
      await assert.rejects(locks.acquire(["a"], 1000));
      return "done";
    }),
    "done",
  );
  const lost = await locks.acquire(["c"], 60_000);
  await client.set("c", "someone else");
  await assert.rejects(lost.release());
  assert.equal(await client.get("c"), "someone else");
}

Deno.test("the npm package rate-limiter-flexible works unmodified with ioredis", async () => {
  await using kv = await TestKv.start();
  using client = ioredis(kv);
  await within(
    DEADLINE_MS,
    "the limiter",
    useLimiter(
      new RateLimiterRedis({
        storeClient: client,
        points: 3,
        duration: 60,
        blockDuration: 120,
      }),
    ),
  );
});

Deno.test("the npm package rate-limiter-flexible works unmodified with node-redis", async () => {
  await using kv = await TestKv.start();
  const client = createClient({
    url: `redis://127.0.0.1:${kv.port}`,
    socket: { reconnectStrategy: false },
  });
  await client.connect();
  try {
    const storeClient = client;
    const options = { storeClient, useRedisPackage: true, points: 3, duration: 60 };
    await within(
      DEADLINE_MS,
      "the limiter",
      useLimiter(new RateLimiterRedis({ ...options, blockDuration: 120 })),
    );
  } finally {
    client.destroy();
  }
});

async function useLimiter(limiter: RateLimiterRedis): Promise<void> {
  for (let consumed = 1; consumed <= 3; consumed++) {
    const result = await limiter.consume("client");
    assert.equal(result.consumedPoints, consumed);
    assert.equal(result.remainingPoints, 3 - consumed);
    assert.ok(result.msBeforeNext > 0 && result.msBeforeNext <= 60_000);
  }
  const refused = await limiter.consume("client").catch((result: RateLimiterRes) => result);
  assert.equal(refused.remainingPoints, 0);
  assert.ok(refused.msBeforeNext > 60_000, "it is blocked for longer than the period");
  assert.equal(await limiter.get("other"), null);
  assert.equal((await limiter.penalty("other", 2)).consumedPoints, 2);
  assert.equal((await limiter.reward("other", 1)).consumedPoints, 1);
  assert.equal(await limiter.delete("other"), true);
}

Deno.test("the npm package rate-limit-redis works unmodified", async () => {
  await using kv = await TestKv.start();
  using client = ioredis(kv);
  const [command, ...flush] = ["SCRIPT", "FLUSH"];
  const store = new RedisStore({
    sendCommand: (name: string, ...args: string[]) => client.call(name, ...args) as Promise<never>,
    prefix: "limit:",
  });
  store.init({ windowMs: 60_000 } as never);
  await within(
    DEADLINE_MS,
    "the store",
    (async () => {
      const first = await store.increment("client");
      assert.equal(first.totalHits, 1);
      assert.equal((await store.increment("client")).totalHits, 2);
      assert.equal((await store.get("client"))?.totalHits, 2);
      const leftMs = first.resetTime!.getTime() - Date.now();
      assert.ok(leftMs > 0 && leftMs <= 60_000, `${leftMs} ms`);
      await store.decrement("client");
      assert.equal((await store.increment("client")).totalHits, 2);
      await store.resetKey("client");
      // It loads its scripts again when the server has lost them.
      await client.call(command!, ...flush);
      assert.equal((await store.increment("client")).totalHits, 1);
    })(),
  );
});

/** Runs a script as redis-py does: by hash, and after NOSCRIPT it loads the script first. */
async function evalsha(client: RawClient, source: string, ...args: string[]): Promise<string> {
  const hash = await sha1(source);
  const reply = await client.ask("EVALSHA", hash, ...args);
  if (!reply.startsWith("-NOSCRIPT")) return reply;
  assert.equal(await client.ask("SCRIPT", "LOAD", source), `$40\r\n${hash}\r\n`);
  return await client.ask("EVALSHA", hash, ...args);
}

async function sha1(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("the scripts of redis-py's Lock work", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const check = `
    local token = redis.call('get', KEYS[1])
    if not token or token ~= ARGV[1] then
        return 0
    end`;
  const release = `${check}
    redis.call('del', KEYS[1])
    return 1`;
  const extend = `${check}
    local expiration = redis.call('pttl', KEYS[1])
    if not expiration then
        expiration = 0
    end
    if expiration < 0 then
        return 0
    end

    local newttl = ARGV[2]
    if ARGV[3] == "0" then
        newttl = ARGV[2] + expiration
    end
    redis.call('pexpire', KEYS[1], newttl)
    return 1`;
  const reacquire = `${check}
    redis.call('pexpire', KEYS[1], ARGV[2])
    return 1`;
  assert.equal(await client.ask("SET", "lock", "token", "NX", "PX", "60000"), "+OK\r\n");
  assert.equal(await client.ask("SET", "lock", "other", "NX", "PX", "60000"), "$-1\r\n");
  assert.equal(await evalsha(client, release, "1", "lock", "other"), ":0\r\n");
  assert.equal(await evalsha(client, extend, "1", "lock", "other", "60000", "0"), ":0\r\n");
  assert.equal(await evalsha(client, extend, "1", "lock", "token", "60000", "0"), ":1\r\n");
  const leftMs = Number((await client.ask("PTTL", "lock")).slice(1));
  assert.ok(leftMs > 60_000 && leftMs <= 120_000, `${leftMs} ms`);
  assert.equal(await evalsha(client, extend, "1", "lock", "token", "30000", "1"), ":1\r\n");
  assert.ok(Number((await client.ask("PTTL", "lock")).slice(1)) <= 30_000);
  assert.equal(await evalsha(client, reacquire, "1", "lock", "token", "90000"), ":1\r\n");
  assert.ok(Number((await client.ask("PTTL", "lock")).slice(1)) > 30_000);
  assert.equal(await evalsha(client, release, "1", "lock", "token"), ":1\r\n");
  assert.equal(await client.ask("EXISTS", "lock"), ":0\r\n");
  assert.equal(await evalsha(client, release, "1", "lock", "token"), ":0\r\n");
});

Deno.test("the session lock of phpredis works", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const release =
    'if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end';
  const lock = "PHPREDIS_SESSION:id_LOCK";
  const hash = "b70c2384248f88e6b75b9f89241a180f856ad852";
  assert.equal(await client.ask("SET", lock, "host|1|2", "NX", "PX", "30000"), "+OK\r\n");
  assert.match(await client.ask("EVALSHA", hash, "1", lock, "host|1|2"), /^-NOSCRIPT /);
  assert.equal(await client.ask("EVAL", release, "1", lock, "host|9|9"), ":0\r\n");
  assert.equal(await client.ask("EVALSHA", hash, "1", lock, "host|1|2"), ":1\r\n");
  assert.equal(await client.ask("EXISTS", lock), ":0\r\n");
});
