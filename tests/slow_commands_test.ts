import assert from "node:assert/strict";
import { SlowCommands } from "../lib/slow_commands.ts";
import { traceSpan } from "../lib/trace.ts";
import { TestLog } from "./support/log.ts";

const GET = { command: "get", key: "user:7", client: 3, address: "127.0.0.1:1" };

Deno.test("SlowCommands: what takes as long as the threshold is counted and logged, without values", () => {
  const { log, ...lines } = new TestLog();
  const slow = new SlowCommands("kv", log, 100);
  slow.note({ ...GET, durationMs: 99.9 }, 0);
  slow.note({ ...GET, durationMs: 100.4 }, 0);
  slow.note({ command: "stats", key: undefined, durationMs: 200, address: "unix" }, 0);
  slow.note({ ...GET, key: "k".repeat(500), durationMs: 200 }, 0);
  assert.deepEqual(lines.lines.map((line) => line.replace(/^.*logger=test /, "")), [
    'msg="Slow command" command=get key=user:7 ms=100 client=3 address=127.0.0.1:1\n',
    'msg="Slow command" command=stats ms=200 address=unix\n',
    `msg="Slow command" command=get key=${"k".repeat(100)} ms=200 client=3 address=127.0.0.1:1\n`,
  ]);
  assert.deepEqual(slow.metrics()[0]!.samples, [{ labels: { service: "kv" }, value: 3 }]);
});

Deno.test("SlowCommands: all are counted, and only some a second are logged", () => {
  const log = new TestLog();
  const slow = new SlowCommands("kv", log.log, 1);
  for (let i = 0; i < 1000; i++) slow.note({ ...GET, durationMs: 5 }, 0);
  assert.equal(log.lines.length, 10);
  slow.note({ ...GET, durationMs: 5 }, 1000);
  assert.equal(log.lines.length, 11);
  assert.match(log.lines[10]!, / notLogged=990\n$/);
  slow.note({ ...GET, durationMs: 5 }, 60_000);
  assert.doesNotMatch(log.lines[11]!, /notLogged/);
  assert.equal(slow.count, 1002);
});

Deno.test("SlowCommands: the threshold can change, and be off", () => {
  const slow = new SlowCommands("kv", new TestLog().log, 0);
  slow.note({ ...GET, durationMs: 1e9 });
  slow.setLimit(10);
  slow.note({ ...GET, durationMs: 10 });
  slow.setLimit(0);
  slow.note({ ...GET, durationMs: 1e9 });
  assert.equal(slow.count, 1);
});

Deno.test("traceSpan() does nothing without OpenTelemetry", () => {
  traceSpan({ name: "get", startMs: 1, endMs: 2, attributes: { key: "a" } });
});
