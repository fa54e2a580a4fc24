/**
 * Scripts beyond the limits of time and memory.
 *
 * @module
 */

import assert from "node:assert/strict";
import process from "node:process";
import { TestKv } from "../support.ts";

/**
 * Scripts that would run for ever, or for far too long, or fill the memory. Each first writes to the
 * key "a".
 */
const BOMBS: Readonly<Record<string, string>> = {
  "an endless loop": "while true do end",
  "an endless loop in pcall": "while true do pcall(function() while true do end end) end",
  "errors in pcall for ever": "while true do pcall(error, 'x') end",
  "an endless loop in a coroutine": `
    while true do
      coroutine.wrap(function() pcall(function() while true do end end) end)()
    end`,
  "coroutines that resume one another": `
    local c = coroutine.wrap(function() while true do coroutine.yield() end end)
    while true do c() end`,
  "a metamethod for ever": `
    local t = setmetatable({}, {__index = function(t, k) while true do end end})
    return pcall(function() return t.x end)`,
  "a comparison for ever": `
    local t = {}
    for i = 1, 100 do t[i] = i end
    table.sort(t, function() while true do end end)`,
  "an expensive pattern": "string.find(('a'):rep(30000), '.-.-.-b')",
  "an expensive pattern in gsub": "string.gsub(('a'):rep(30000), '.-.-.-b', 'x')",
  "an expensive pattern in pcall":
    "while true do pcall(string.find, ('a'):rep(3e4), '.-.-.-b') end",
  "a long string": "local s = ('x'):rep(1e9)",
  "a string that doubles": "local s = 'x' while true do s = s .. s end",
  "a string that doubles in pcall": `
    while true do pcall(function() local s = 'x' while true do s = s .. s end end) end`,
  "a table that grows": "local t = {} while true do t[#t + 1] = {} end",
  "a table that is allocated at once": "local t = {} for i = 1, 1e9 do t[i] = 1 end",
  "a long result of gsub": "local s = ('x'):rep(3e6):gsub('.', '%0%0%0%0')",
  "a long result of concat": `
    local t = {}
    for i = 1, 3000 do t[i] = ('x'):rep(30000) end
    return table.concat(t)`,
  "source text without end": "load(function() return 'x' end)",
  "a long source text": "loadstring('return ' .. ('1 + '):rep(1e7) .. '1')",
  "a table that contains itself, encoded": `
    local t = {}
    for i = 1, 10 do t[i] = t end
    return t`,
  "commands for ever": "while true do redis.call('append', 'a', 'x') end",
  "commands that fail for ever": "while true do redis.pcall('nonsense') end",
  "hashes for ever": "while true do redis.sha1hex('x') end",
  "hashes of a long text for ever": `
    local s = 'x'
    for i = 1, 18 do s = s .. s end
    while true do redis.sha1hex(s) end`,
  "more keys than may be undeclared": `
    for i = 1, 1000 do redis.call('set', 'key' .. i, i) end`,
  "a new key in each run": "redis.call('set', tostring({}), 'x') while true do end",
  "a JSON text for ever": "while true do cjson.decode('[1,2,3]') end",
};

/** Errors that a script can catch. It must stay below the limits, and the next one must work. */
const ERRORS: Readonly<Record<string, string>> = {
  "deep recursion": "local function f() return 1 + f() end return f()",
  "deep recursion of pcall": "local function f() return pcall(f) end error(tostring(f()))",
  "deep recursion of metamethods":
    "return setmetatable({}, {__index = function(t, k) return t[k] end}).x",
  "deep recursion of coroutines": `
    local f
    f = function() return coroutine.wrap(f)() end
    return f()`,
  "deep recursion of gsub": `
    local function f() return ('x'):gsub('x', f) end
    return f()`,
  "a long format": "return ('%999d'):format(1)",
  "many levels of syntax": "error((select(2, loadstring(('('):rep(1e4)))))",
  "many captures": "return string.find('x', ('()'):rep(100))",
  "many values": "return unpack({}, 1, 1e7)",
};

Deno.test("a script beyond the limits is stopped, and writes nothing", async (t) => {
  await using kv = await TestKv.start({ script_memory: "4MiB" });
  using client = await kv.connect();
  using other = await kv.connect();
  for (const [what, bomb] of Object.entries(BOMBS)) {
    await t.step(what, async () => {
      await client.ask("FLUSHALL");
      await client.ask("SET", "a", "1");
      const startMs = performance.now();
      const script = `redis.call('set', KEYS[1], 'x')\n${bomb}`;
      const [reply, pong] = await Promise.all([
        client.ask("EVAL", script, "1", "a"),
        other.ask("PING"),
      ]);
      assert.match(reply, /^-ERR Script stopped, nothing was written: /);
      assert.equal(pong, "+PONG\r\n");
      // Many times the limit, for machines that are busy.
      assert.ok(performance.now() - startMs < 5000, "it was not stopped in time");
      assert.equal(await client.ask("GET", "a"), "$1\r\n1\r\n");
      assert.equal(await client.ask("DBSIZE"), ":1\r\n");
      // The interpreter is as good as new.
      const next = "return {redis.call('incr', KEYS[1]), #ARGV, cjson.encode({1})}";
      assert.equal(await client.ask("EVAL", next, "1", "a"), "*3\r\n:2\r\n:0\r\n$3\r\n[1]\r\n");
    });
  }
});

/** The CPU time of this thread so far. Other test files run in threads of the same process. */
function threadCpuMs(): number {
  if (Deno.build.os !== "linux") {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }
  const stat = Deno.readTextFileSync("/proc/thread-self/stat");
  // The user and the system time, in hundredths of a second. Fields are counted from the one behind
  // the name, which is in brackets; see proc_pid_stat(5).
  const [user, system] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13);
  return 10 * (Number(user) + Number(system));
}

Deno.test("slow commands of a script count", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("SETRANGE", "long", String(2 ** 23), "x");
  await client.ask("EVAL", "return 1", "0");
  const script = `
    while true do
      redis.call('copy', KEYS[2], KEYS[1], 'replace')
      redis.call('setrange', KEYS[1], 0, 'x')
    end`;
  const beforeMs = threadCpuMs();
  assert.match(await client.ask("EVAL", script, "2", "copy", "long"), /more than 20 ms/);
  // CPU time, which does not depend on how busy the machine is. The meter alone would need seconds.
  const tookMs = threadCpuMs() - beforeMs;
  assert.ok(tookMs < 2000, `it took ${tookMs} ms`);
});

Deno.test("a script can exhaust the stack, and the next one works", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  for (const [what, script] of Object.entries(ERRORS)) {
    assert.match(await client.ask("EVAL", script, "0"), /^-ERR /, what);
    assert.equal(await client.ask("EVAL", "return 7", "0"), ":7\r\n", what);
  }
});

Deno.test("a script that is stopped makes the whole EXEC fail", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("MULTI");
  await client.ask("SET", "before", "x");
  await client.ask("EVAL", "redis.call('set', 'a', 'x') while true do end", "0");
  await client.ask("SET", "after", "x");
  assert.match(
    await client.ask("EXEC"),
    /^-EXECABORT Transaction discarded because of: ERR Script stopped/,
  );
  assert.equal(await client.ask("DBSIZE"), ":0\r\n");
});

Deno.test("all scripts of an EXEC together have the time of one", async () => {
  await using kv = await TestKv.start({ script_timeout: "100ms" });
  using client = await kv.connect();
  await client.ask("MULTI");
  await client.ask("SET", "before", "x");
  // Each takes some milliseconds.
  for (let n = 0; n < 200; n++) {
    await client.ask("EVAL", "for i = 1, 500000 do local x = i end return 1", "0");
  }
  const startMs = performance.now();
  assert.match(await client.ask("EXEC"), /^-EXECABORT .* it ran for more than 100 ms/);
  assert.ok(performance.now() - startMs < 5000, "it was not stopped in time");
  assert.equal(await client.ask("EXISTS", "before"), ":0\r\n");
});

Deno.test("script_timeout and script_memory are the limits", async () => {
  await using slow = await TestKv.start({ script_timeout: "300ms" });
  using patient = await slow.connect();
  const startMs = performance.now();
  assert.match(await patient.ask("EVAL", "while true do end", "0"), /more than 300 ms/);
  assert.ok(performance.now() - startMs >= 150);
  const keys = "for i = 1, 1000 do redis.call('set', 'key' .. i, i) end";
  await using large = await TestKv.start({ script_timeout: "1s", script_memory: "64MiB" });
  using client = await large.connect();
  assert.match(await client.ask("EVAL", keys, "0"), /run more than 100 times to find the keys/);
  const double = "local s = 'x' for i = 1, tonumber(ARGV[1]) do s = s .. s end return #s";
  assert.equal(await client.ask("EVAL", double, "0", "23"), `:${2 ** 23}\r\n`);
  assert.match(await client.ask("EVAL", double, "0", "27"), /more than 65536 KiB/);
});

Deno.test("no state survives a script", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const scripts = [
    "rawset(string, 'x', 1) return rawget(string, 'x')",
    "rawset(_G, 'x', 1) return x",
    "table.insert(redis, 1) return redis[1]",
    "KEYS.x = 1 return 1",
    "local m = getmetatable('') return m == false and 1 or 0",
    "return getmetatable(_G) == false and getmetatable(math) == false and 1",
    "collectgarbage('stop') return 1",
    "cjson.encode_sparse_array(true) cjson.encode_max_depth(1) return 1",
    "redis.setresp(3) return 1",
    "return loadstring('rawset(_G, \"y\", 1) return y')()",
    "return pcall(setmetatable, _G, {}) and 0 or 1",
  ];
  const check = `
    for _, value in ipairs({rawget(string, 'x') or 0, rawget(_G, 'x') or 0, rawget(_G, 'y') or 0,
      redis[1] or 0, KEYS.x or 0, cjson.encode_max_depth() - 1000}) do
      if value ~= 0 then return redis.error_reply('It survives') end
    end
    if redis.call('get', 'missing') ~= false then return redis.error_reply('RESP3 survives') end
    return 'clean'`;
  for (const script of scripts) {
    assert.equal(await client.ask("EVAL", script, "0"), ":1\r\n", script);
    assert.equal(await client.ask("EVAL", check, "0"), "$5\r\nclean\r\n", script);
  }
});
