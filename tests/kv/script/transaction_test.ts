/**
 * Scripts as transactions, on every engine.
 *
 * @module
 */

import assert from "node:assert/strict";
import { usePostgres } from "../../support/postgres.ts";
import { encodeRequest, TestKv } from "../support.ts";

const postgres = usePostgres({ fsync: false });

/** What each engine is opened with. */
const ENGINES: Readonly<Record<string, () => string | Promise<string>>> = {
  memory: () => "memory:",
  sqlite: () => "sqlite:kv.db",
  postgres: () => postgres.createDatabase(),
};

const INCREMENT = `
  local value = tonumber(redis.call('get', KEYS[1]) or 0)
  redis.call('set', KEYS[1], value + 1)
  return value + 1`;

for (const [engine, open] of Object.entries(ENGINES)) {
  Deno.test(`a script is one transaction, on ${engine}`, async (t) => {
    await using kv = await TestKv.start(
      // A busy machine must not stop a script of this test.
      { max_memory: "1MiB", script_timeout: "1s" },
      await open(),
    );
    using client = await kv.connect();

    await t.step("no update of concurrent scripts is lost", async () => {
      const batch = new Uint8Array(
        Array(50).fill([...encodeRequest(["EVAL", INCREMENT, "1", "n"])]).flat(),
      );
      const clients = await Promise.all([kv.connect(), kv.connect(), kv.connect()]);
      await Promise.all(clients.map(async (other) => {
        using _ = other;
        await other.send(batch);
        for (let left = 50; left > 0; left--) assert.match(await other.reply(), /^:\d+/);
      }));
      assert.equal(await client.ask("GET", "n"), "$3\r\n150\r\n");
    });

    await t.step("keys that it did not declare are found", async () => {
      const script = `
        for i = 1, 5 do redis.call('set', 'undeclared' .. i, i) end
        redis.call('del', KEYS[1], 'undeclared1')
        return redis.call('mget', 'undeclared1', 'undeclared2', KEYS[1])`;
      assert.equal(await client.ask("EVAL", script, "1", "n"), "*3\r\n$-1\r\n$1\r\n2\r\n$-1\r\n");
      assert.equal(
        await client.ask("EXISTS", "n", "undeclared1", "undeclared2", "undeclared5"),
        ":2\r\n",
      );
    });

    await t.step("each run sees the same time and the same random numbers", async () => {
      const script = `
        local name = redis.call('time')[2] .. ' ' .. math.random(1000000)
        redis.call('set', name, name)
        return redis.call('get', name) == name and 1`;
      assert.equal(await client.ask("EVAL", script, "0"), ":1\r\n");
    });

    await t.step("its own error leaves what it has written", async () => {
      const script = "redis.call('set', KEYS[1], 'x') error('boom')";
      assert.match(await client.ask("EVAL", script, "1", "e"), /^-ERR user_script:1: boom /);
      assert.equal(await client.ask("GET", "e"), "$1\r\nx\r\n");
    });

    await t.step("without keys, it runs too", async () => {
      assert.equal(await client.ask("EVAL", "return ARGV[1]", "0", "x"), "$1\r\nx\r\n");
    });

    await t.step("a script that must not write cannot", async () => {
      const refused = /^-ERR Write commands are not allowed from read-only scripts\. script: /;
      const write = "return redis.call('set', KEYS[1], 'y')";
      const read = "return redis.call('get', KEYS[1])";
      assert.match(await client.ask("EVAL_RO", write, "1", "e"), refused);
      assert.match(await client.ask("EVAL", `#!lua flags=no-writes\n${write}`, "1", "e"), refused);
      assert.equal(await client.ask("EVAL_RO", read, "1", "e"), "$1\r\nx\r\n");
      assert.equal(await client.ask("EVAL_RO", read.replace("KEYS[1]", "'e'"), "0"), "$1\r\nx\r\n");
    });

    await t.step("EXEC runs it with the other commands", async () => {
      await client.ask("MULTI");
      await client.ask("SET", "m", "41");
      await client.ask("EVAL", INCREMENT, "1", "m");
      await client.ask("EVAL", "return redis.call('incr', 'hidden')", "0");
      await client.ask("EVAL", "return redis.call('nonsense')", "0");
      await client.ask("GET", "m");
      const reply = await client.ask("EXEC");
      assert.match(reply, /^\*5\r\n\+OK\r\n:42\r\n:1\r\n-ERR Unknown Redis command.*\r\n\$2\r\n42/);
    });

    await t.step("EXEC runs it with commands on whole databases", async () => {
      await client.ask("MULTI");
      await client.ask("FLUSHDB");
      await client.ask("EVAL", "return redis.call('incr', KEYS[1] .. 'x')", "1", "hidden");
      await client.ask("DBSIZE");
      assert.equal(await client.ask("EXEC"), "*3\r\n+OK\r\n:1\r\n:1\r\n");
    });

    await t.step("EXEC does not run it if a watched key has changed", async () => {
      await client.ask("WATCH", "w");
      await client.ask("SET", "w", "1");
      await client.ask("MULTI");
      await client.ask("EVAL", "return redis.call('set', 'hidden2', 'x')", "0");
      assert.equal(await client.ask("EXEC"), "*-1\r\n");
      assert.equal(await client.ask("EXISTS", "hidden2"), ":0\r\n");
    });

    await t.step("SELECT in a script is no SELECT of the client", async () => {
      const script = `
        redis.call('set', 'zero', 'x')
        redis.call('select', 5)
        redis.call('set', 'five', 'x')
        return redis.call('set', KEYS[1], 'x')`;
      assert.equal(await client.ask("EVAL", script, "1", "declared"), "+OK\r\n");
      assert.equal(await client.ask("EXISTS", "zero", "five", "declared"), ":1\r\n");
      await client.ask("SELECT", "5");
      assert.equal(await client.ask("EXISTS", "five", "declared"), ":2\r\n");
      assert.equal(await client.ask("EXISTS", "zero"), ":0\r\n");
      await client.ask("SELECT", "0");
    });

    await t.step("it can ask for the keys of a database", async () => {
      await client.ask("FLUSHALL");
      // Each key that it did not declare costs another run, so it deletes few.
      const pairs = Array.from(
        { length: 300 },
        (_, n) => [n < 3 ? `user:${n}` : `other:${n}`, "x"],
      );
      await client.ask("MSET", ...pairs.flat());
      const script = `
        local before = redis.call('dbsize')
        local keys = redis.call('keys', ARGV[1])
        for _, key in ipairs(keys) do redis.call('del', key) end
        local _, some = unpack(redis.call('scan', 0, 'match', 'other:*', 'count', 1000))
        local all = redis.call('keys', '*')
        redis.call('set', KEYS[1], redis.call('randomkey'))
        return {before, #keys, #some, #all}`;
      const reply = "*4\r\n:300\r\n:3\r\n:297\r\n:300\r\n";
      assert.equal(await client.ask("EVAL", script, "1", "k", "user:*"), reply);
      assert.equal(await client.ask("DBSIZE"), ":298\r\n");
      await client.ask("MULTI");
      await client.ask("SET", "user:1", "x");
      await client.ask("EVAL", script.replace("before, ", ""), "1", "k", "user:*");
      assert.match(await client.ask("EXEC"), /^\*2\r\n\+OK\r\n\*3\r\n:1\r\n:297\r\n:299\r\n/);
      assert.equal(await client.ask("EXISTS", "user:1"), ":0\r\n");
      const flush = "return redis.call('flushdb')";
      assert.match(await client.ask("EVAL", flush, "0"), /^-ERR This Redis command is not allowed/);
      assert.match(await client.ask("EVAL_RO", "return redis.call('dbsize')", "0"), /^:298/);
    });

    if (engine === "postgres") return;
    await t.step("a write beyond max_memory undoes all of it, even in pcall", async () => {
      const script = `
        redis.call('set', 'o1', 'x')
        for i = 1, 10 do pcall(redis.call, 'append', 'o2', ('x'):rep(200000)) end
        return 1`;
      assert.match(await client.ask("EVAL", script, "2", "o1", "o2"), /^-OOM command not allowed/);
      assert.equal(await client.ask("EXISTS", "o1", "o2"), ":0\r\n");
    });
  });
}

Deno.test("SCRIPT manages the cached scripts", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const noScript = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
  const hash = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
  assert.equal(await client.ask("EVALSHA", hash, "0"), noScript);
  assert.equal(await client.ask("SCRIPT", "LOAD", "return 1"), `$40\r\n${hash}\r\n`);
  assert.equal(await client.ask("EVALSHA", hash, "0"), ":1\r\n");
  assert.equal(await client.ask("EVALSHA", hash.toUpperCase(), "0"), ":1\r\n");
  assert.equal(await client.ask("EVALSHA_RO", hash, "0"), ":1\r\n");
  assert.equal(await client.ask("SCRIPT", "EXISTS", hash, "x"), "*2\r\n:1\r\n:0\r\n");
  for (const options of [[], ["SYNC"], ["async"]]) {
    assert.equal(await client.ask("SCRIPT", "FLUSH", ...options), "+OK\r\n");
    assert.equal(await client.ask("EVALSHA", hash, "0"), noScript);
    assert.equal(await client.ask("EVAL", "return 1", "0"), ":1\r\n");
    assert.equal(await client.ask("EVALSHA", hash, "0"), ":1\r\n");
  }
  const error =
    "-ERR Error compiling script (new function): user_script:1: '=' expected near 'x'\r\n";
  assert.equal(await client.ask("SCRIPT", "LOAD", "x x"), error);
  assert.equal(await client.ask("EVAL", "x x", "0"), error);
  assert.match(await client.ask("EVAL", "\x1bLua", "0"), /^-ERR Error compiling script/);
  assert.match(await client.ask("SCRIPT", "FLUSH", "x"), /^-ERR SCRIPT FLUSH only support/);
  assert.match(await client.ask("SCRIPT", "KILL"), /^-NOTBUSY /);
  assert.match(await client.ask("SCRIPT", "DEBUG", "YES"), /^-ERR /);
  assert.match(await client.ask("SCRIPT", "HELP"), /^\*\d+\r\n/);
  assert.match(await client.ask("SCRIPT", "x"), /^-ERR unknown subcommand/);
});

Deno.test("scripts beyond the cache's limits make room, those used least recently first", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const load = async (source: string) => (await client.ask("SCRIPT", "LOAD", source)).slice(5, 45);
  const used = await load("return 'used'"), unused = await load("return 'unused'");
  for (let n = 0; n < 1000; n++) {
    await load(`return ${n}`);
    if (n % 100 === 0) await client.ask("EVALSHA", used, "0");
  }
  assert.equal(await client.ask("SCRIPT", "EXISTS", used, unused), "*2\r\n:1\r\n:0\r\n");
  // Those that are no longer compiled are compiled again.
  const long = await load(`--${"x".repeat(300_000)}\nreturn 'long'`);
  assert.equal(await client.ask("EVALSHA", used, "0"), "$4\r\nused\r\n");
  assert.equal(await client.ask("EVALSHA", long, "0"), "$4\r\nlong\r\n");
  for (let n = 0; n < 14; n++) await load(`--${n}${"x".repeat(300_000)}\nreturn 'long'`);
  assert.equal(await client.ask("SCRIPT", "EXISTS", used, long), "*2\r\n:0\r\n:0\r\n");
});
