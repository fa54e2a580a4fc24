/**
 * The start of the interpreter, which the first script waits for and nobody else.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CommandTable } from "../../../lib/kv/commands/table.ts";
import { ErrorReply } from "../../../lib/kv/resp/reply.ts";
import { LuaMachine } from "../../../lib/kv/script/lua_machine.ts";
import { ScriptEngine } from "../../../lib/kv/script/script_engine.ts";
import { within } from "../../support/within.ts";
import { encodeRequest, latin1Text, TestKv } from "../support.ts";

const LIMITS = { timeoutMs: 1000, memoryBytes: 1024 * 1024 };
const START_MS = 60_000;

/** Requests in one packet. */
function batchOf(...requests: string[][]): string {
  return requests.map((request) => latin1Text(encodeRequest(request))).join("");
}

/** Counts the starts; all but the first `failures` succeed. */
function engineThatFails(failures: number) {
  const starts: Promise<LuaMachine>[] = [];
  const engine = new ScriptEngine({
    limits: LIMITS,
    commands: () => new CommandTable([]),
    start: (limits) => {
      const start = starts.length < failures
        ? Promise.reject(new RangeError("out of memory"))
        : LuaMachine.start(limits);
      starts.push(start);
      return start;
    },
  });
  return { engine, starts };
}

Deno.test("the interpreter starts in turns, and compiles on other threads", async () => {
  // The test counts turns instead of measuring them, since a busy machine stretches each.
  const { Module } = WebAssembly;
  let turns = 0, compiledHere = 0;
  WebAssembly.Module = new Proxy(Module, {
    construct(target, args) {
      compiledHere++;
      return Reflect.construct(target, args);
    },
  });
  const timer = setInterval(() => turns++, 0);
  try {
    await within(START_MS, "the interpreter", LuaMachine.start(LIMITS));
  } finally {
    clearInterval(timer);
    WebAssembly.Module = Module;
  }
  assert.equal(compiledHere, 0);
  // One before each of the three libraries, and one before the copy of the memory.
  assert.ok(turns >= 4, `${turns} turns`);
});

Deno.test("two first scripts share one start", async () => {
  const { engine, starts } = engineThatFails(0);
  const first = engine.ready();
  assert.ok(first !== undefined);
  assert.equal(engine.ready(), first);
  await within(START_MS, "the interpreter", first);
  assert.equal(engine.ready(), undefined);
  assert.equal(starts.length, 1);
  assert.equal(engine.load("return 1").hash, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
});

Deno.test("a failed start is one clear error, and is tried again later", async (t) => {
  const { engine, starts } = engineThatFails(1);
  await within(START_MS, "the failure", engine.ready()!);
  const failure = new ErrorReply("ERR Cannot start the Lua interpreter: out of memory");
  assert.throws(() => engine.load("return 1"), failure);
  await t.step("scripts that follow soon do not start it again", () => {
    assert.equal(engine.ready(), undefined);
    assert.throws(() => engine.load("return 1"), failure);
    assert.equal(starts.length, 1);
  });
  await t.step("later ones do", async () => {
    const { now } = performance;
    performance.now = () => now.call(performance) + 1000;
    try {
      await within(START_MS, "the interpreter", engine.ready()!);
    } finally {
      performance.now = now;
    }
    assert.equal(starts.length, 2);
    engine.load("return 1");
  });
});

Deno.test("new limits replace an interpreter that runs, once the next one has started", async () => {
  const starts: number[] = [];
  const gate = Promise.withResolvers<void>();
  const engine = new ScriptEngine({
    limits: LIMITS,
    commands: () => new CommandTable([]),
    start: async (limits) => {
      starts.push(limits.memoryBytes);
      if (starts.length === 2) await gate.promise;
      if (starts.length === 4) throw new RangeError("out of memory");
      return await LuaMachine.start(limits);
    },
  });
  const withMemory = (mib: number) => ({ ...LIMITS, memoryBytes: mib * 1024 * 1024 });
  assert.equal(await engine.setLimits(withMemory(2)), undefined);
  assert.deepEqual(starts, [], "nothing runs yet");
  await within(START_MS, "the interpreter", engine.ready()!);
  const first = engine.machine;
  const changed = engine.setLimits(withMemory(3));
  const overtaken = engine.setLimits(withMemory(4));
  const last = engine.setLimits(withMemory(5));
  assert.equal(engine.machine, first, "it works until the next one has started");
  gate.resolve();
  await within(START_MS, "the limits", Promise.all([changed, overtaken, last]));
  assert.deepEqual(starts.map((bytes) => bytes / 1024 / 1024), [2, 3, 5]);
  const third = engine.machine;
  assert.notEqual(third, first);
  assert.match(await engine.setLimits(LIMITS) ?? "", /out of memory/);
  assert.equal(engine.machine, third, "the old one goes on");
  assert.equal(engine.ready(), undefined);
});

Deno.test("only scripts wait for the interpreter", async () => {
  const { start } = LuaMachine;
  const gate = Promise.withResolvers<void>();
  let starts = 0;
  LuaMachine.start = async (limits) => {
    starts++;
    await gate.promise;
    return await start(limits);
  };
  try {
    await using kv = await TestKv.start({ script_timeout: "1s" });
    using first = await kv.connect(), second = await kv.connect(), other = await kv.connect();
    const increment = ["EVAL", "return redis.call('incr', KEYS[1])", "1", "a"];
    await first.send(batchOf(["SET", "a", "1"], increment, ["SET", "b", "2"]));
    assert.equal(await first.reply(), "+OK\r\n");
    await second.send(batchOf(["PING"], increment));
    assert.equal(await second.reply(), "+PONG\r\n");
    // The clients' first replies have been sent, so their scripts wait for the gate.
    assert.equal(await other.ask("MGET", "a", "b"), "*2\r\n$1\r\n1\r\n$-1\r\n");
    gate.resolve();
    assert.match(await first.reply() + await second.reply(), /^:[23]\r\n:[23]\r\n$/);
    assert.equal(await first.reply(), "+OK\r\n");
    assert.equal(await other.ask("MGET", "a", "b"), "*2\r\n$1\r\n3\r\n$1\r\n2\r\n");
    assert.equal(starts, 1);
  } finally {
    LuaMachine.start = start;
  }
});

Deno.test("EXEC runs a script that was queued before the interpreter had started", async () => {
  await using kv = await TestKv.start({ script_timeout: "1s" });
  using client = await kv.connect();
  await client.send(batchOf(["MULTI"], ["EVAL", "return 5", "0"], ["EXEC"]));
  assert.equal(await client.reply(), "+OK\r\n");
  assert.equal(await client.reply(), "+QUEUED\r\n");
  assert.equal(await client.reply(), "*1\r\n:5\r\n");
});

Deno.test("SCRIPT LOAD waits for the interpreter, too", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  assert.match(await client.ask("SCRIPT", "LOAD", "return 1"), /^\$40\r\n/);
});
