import assert from "node:assert/strict";
import fc from "fast-check";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { delay } from "@std/async/delay";
import type { JobOrder } from "../../../lib/mesh/node/control_message.ts";
import type { JobEntry, JobStore } from "../../../lib/mesh/node/job_log.ts";
import { JobQueue } from "../../../lib/mesh/node/job_queue.ts";
import { until, within } from "../../support/within.ts";

const FILES = { input: "in", output: "out", format: DEFAULT_RECORD_FORMAT };

/** A store in memory, which fails while `broken` is set. */
class MemoryStore implements JobStore {
  readonly entries = new Map<number, JobEntry>();
  broken = false;

  write(entry: JobEntry): Promise<void> {
    this.entries.set(entry.id, structuredClone(entry));
    return this.broken ? Promise.reject(new Error("the disk is full")) : Promise.resolve();
  }

  drop(id: number): void {
    this.entries.delete(id);
  }

  flushed(): Promise<void> {
    return Promise.resolve();
  }
}

function makeQueue(
  { nodes = 2, maxWaiting = 3, store = new MemoryStore(), committed = {}, prefix = "test" }: {
    nodes?: number;
    maxWaiting?: number;
    store?: MemoryStore;
    committed?: Record<string, number>;
    prefix?: string;
  } = {},
) {
  const started: JobOrder[] = [];
  const stopped: string[] = [];
  const recorded: string[] = [];
  const failures: unknown[] = [];
  const queue = new JobQueue({
    keyPrefix: prefix,
    nodes,
    maxWaiting: () => maxWaiting,
    store,
    restored: [...store.entries.values()],
    recordsOf: (key) => committed[key],
    start: (order) => started.push(order),
    stop: (key, reason) => stopped.push(`${key}: ${reason}`),
    onRecorded: (key) => recorded.push(key),
    onStoreFailure: (error) => failures.push(error),
    onChange: () => {},
    cancelGraceMs: 20,
  });
  queue.open();
  const states = () => queue.status().map(({ id, state }) => `${id} ${state}`);
  return { queue, store, started, stopped, recorded, failures, states };
}

Deno.test("JobQueue: one job runs at a time, and the next starts when all nodes have ended it", async () => {
  const { queue, started, states } = makeQueue();
  assert.deepEqual([await queue.submit(FILES), await queue.submit(FILES)], [
    "OK job 1",
    "OK job 2",
  ]);
  assert.deepEqual(states(), ["1 running", "2 waiting"]);
  const [{ key }] = started as [JobOrder];
  queue.ended(key, 0, { records: 5 });
  queue.ended(key, 0, { records: 100 });
  assert.deepEqual(states(), ["1 running", "2 waiting"], "an end counts once for each node");
  queue.ended(key, 1, { records: 6 });
  assert.deepEqual(states(), ["1 done", "2 running"]);
  assert.equal(queue.status()[0]!.result, "records=11");
  queue.ended(key, 1, { records: 6 });
  assert.deepEqual(started.map(({ id }) => id), [1, 2]);
  assert.notEqual(started[0]!.key, started[1]!.key);
});

Deno.test("JobQueue: the first failure stops the other nodes and is the result", async () => {
  const { queue, started, stopped, states } = makeQueue({ nodes: 3 });
  await queue.submit(FILES);
  const { key } = started[0]!;
  queue.ended(key, 1, { records: 0, failure: "node 1: it is full" });
  assert.deepEqual(stopped, [`${key}: node 1: it is full`]);
  queue.lost(2, "node 2 is not connected any more");
  assert.equal(stopped.length, 1);
  queue.ended(key, 0, { records: 0, failure: "Cancelled" });
  assert.deepEqual(states(), ["1 failed"]);
  assert.equal(queue.status()[0]!.result, "node 1: it is full");
});

Deno.test("JobQueue: refuses jobs beyond the limit of waiting ones", async () => {
  const { queue } = makeQueue({ maxWaiting: 2 });
  const replies = [];
  for (let i = 0; i < 4; i++) replies.push(await queue.submit(FILES));
  assert.deepEqual(replies, [
    "OK job 1",
    "OK job 2",
    "OK job 3",
    "ERR 2 jobs are waiting already",
  ]);
  const at = makeQueue({ maxWaiting: 2 });
  const submits = [1, 2, 3, 4].map(() => at.queue.submit(FILES));
  const accepted = (await Promise.all(submits)).filter((reply) => reply.startsWith("OK"));
  assert.equal(accepted.length, 3, "those that wait for the disk count as well");
});

Deno.test("JobQueue: the last 50 finished jobs are kept, those that wait or run not counted", async () => {
  const { queue, store, started, states } = makeQueue({ nodes: 1, maxWaiting: 100 });
  for (let id = 1; id <= 60; id++) await queue.submit(FILES);
  for (let id = 1; id <= 50; id++) queue.ended(started[id - 1]!.key, 0, { records: 1 });
  assert.equal(states().length, 60);
  for (let id = 51; id <= 58; id++) queue.ended(started[id - 1]!.key, 0, { records: 1 });
  const kept = Array.from({ length: 50 }, (_, i) => `${i + 9} done`);
  assert.deepEqual(states(), [...kept, "59 running", "60 waiting"]);
  assert.equal(store.entries.size, 52);
});

Deno.test("JobQueue: reasons are cut to a bounded length", async () => {
  const { queue, started } = makeQueue({ nodes: 1 });
  await queue.submit(FILES);
  queue.ended(started[0]!.key, 0, { records: 0, failure: "x".repeat(10_000) });
  assert.equal(queue.status()[0]!.result.length, 2000);
});

Deno.test("JobQueue.cancel() ends a waiting job at once, and a running one when its nodes have", async () => {
  const { queue, started, stopped, states } = makeQueue();
  assert.equal(await queue.cancel(undefined), "ERR no job is running");
  for (let i = 0; i < 3; i++) await queue.submit(FILES);
  assert.equal(await queue.cancel(2), "OK job 2");
  assert.equal(await queue.cancel(undefined), "OK job 1");
  assert.deepEqual(states(), ["1 running", "2 cancelled", "3 waiting"]);
  assert.deepEqual(stopped, [`${started[0]!.key}: Cancelled`]);
  for (const node of [0, 1]) {
    queue.ended(started[0]!.key, node, { records: 0, failure: "Cancelled" });
  }
  assert.deepEqual(states(), ["1 cancelled", "2 cancelled", "3 running"]);
  assert.equal(await queue.cancel(2), "ERR job 2 is cancelled already");
  assert.equal(await queue.cancel(9), "ERR there is no job 9");
});

Deno.test("JobQueue.close() starts no more jobs", async () => {
  const { queue, started, states } = makeQueue({ nodes: 1 });
  for (let i = 0; i < 2; i++) await queue.submit(FILES);
  queue.close();
  queue.ended(started[0]!.key, 0, { records: 1 });
  assert.deepEqual(states(), ["1 done", "2 waiting"]);
});

Deno.test("JobQueue: after any events, one job runs, in the order of submission, and few are kept", async () => {
  const steps = fc.array(fc.constantFrom("submit", "end", "fail", "cancel", "cancel last"), {
    maxLength: 200,
    size: "max",
  });
  await fc.assert(fc.asyncProperty(steps, async (script) => {
    const { queue, started, states } = makeQueue({ nodes: 1, maxWaiting: 5 });
    for (const step of script) {
      const { key } = started.at(-1) ?? { key: "none" };
      if (step === "submit") await queue.submit(FILES);
      else if (step === "end") queue.ended(key, 0, { records: 1 });
      else if (step === "fail") queue.ended(key, 0, { records: 0, failure: "x" });
      else if (step === "cancel") void queue.cancel(undefined);
      else void queue.cancel(queue.status().at(-1)?.id);
      const all = states();
      const count = (state: string) => all.filter((each) => each.endsWith(state)).length;
      assert.ok(count("running") <= 1 && count("waiting") <= 5 && all.length <= 50 + 1 + 5);
      if (count("running") === 0) assert.equal(count("waiting"), 0);
      const ids = started.map(({ id }) => id);
      assert.deepEqual(ids, ids.toSorted((a, b) => a - b));
    }
  }));
});

Deno.test("JobQueue: waiting jobs, numbers, times and reasons survive a restart", async () => {
  const { queue, store, started } = makeQueue({ nodes: 1 });
  for (let i = 0; i < 3; i++) await queue.submit({ ...FILES, output: `out ${i}` });
  queue.ended(started[0]!.key, 0, { records: 0, failure: "it is full" });
  queue.ended(started[1]!.key, 0, { records: 7 });
  void queue.cancel(3);
  queue.ended(started[2]!.key, 0, { records: 0, failure: "Cancelled" });
  await queue.submit(FILES);
  await queue.submit(FILES);
  const before = queue.status();
  const again = makeQueue({ nodes: 1, store, prefix: "again" });
  const after = again.queue.status();
  assert.deepEqual(after.slice(0, 3), before.slice(0, 3));
  assert.deepEqual(after.map(({ state }) => state), [
    ...["failed", "done", "cancelled", "running", "waiting"],
  ]);
  assert.ok(after.slice(0, 3).every(({ submittedMs, endedMs }) => submittedMs <= endedMs!));
  assert.equal(again.started[0]!.key, "again-4", "another attempt has another name");
  assert.equal(await again.queue.submit(FILES), "OK job 6");
});

Deno.test("JobQueue: a job that was committed before a restart is done", async () => {
  const { queue, store, started } = makeQueue();
  await queue.submit(FILES);
  const { key } = started[0]!;
  const again = makeQueue({ store, committed: { [key]: 12 } });
  assert.deepEqual(again.states(), ["1 done"]);
  assert.equal(again.queue.status()[0]!.result, "records=12");
  await delay(0);
  assert.deepEqual(again.recorded, [key]);
});

Deno.test("JobQueue: a job that stops node 0 again and again is not started for ever", async () => {
  const { queue, store } = makeQueue();
  await queue.submit(FILES);
  for (let i = 0; i < 2; i++) assert.deepEqual(makeQueue({ store }).states(), ["1 running"]);
  const last = makeQueue({ store });
  assert.deepEqual(last.states(), ["1 failed"]);
  assert.equal(last.queue.status()[0]!.result, "node 0 was stopped 3 times while it ran");
});

Deno.test("JobQueue: a job that a drain stops is started again, one that was cancelled is not", async () => {
  for (const cancelled of [false, true]) {
    const { queue, store, started } = makeQueue({ nodes: 1 });
    await queue.submit(FILES);
    queue.close();
    if (cancelled) void queue.cancel(1);
    queue.ended(started[0]!.key, 0, { records: 0, failure: "node 0 has been stopped" });
    const again = makeQueue({ nodes: 1, store });
    assert.deepEqual(again.states(), [cancelled ? "1 cancelled" : "1 running"]);
  }
});

Deno.test("JobQueue: a job that cannot be recorded is refused, and later ones are not", async () => {
  const { queue, store, started, failures, states } = makeQueue({ nodes: 1 });
  store.broken = true;
  assert.equal(await queue.submit(FILES), "ERR the job cannot be recorded: the disk is full");
  assert.deepEqual(states(), []);
  assert.equal(store.entries.size, 0, "a restart does not run it either");
  store.broken = false;
  assert.equal(await queue.submit(FILES), "OK job 2");
  store.broken = true;
  queue.ended(started[0]!.key, 0, { records: 1 });
  assert.deepEqual(states(), ["2 done"]);
  await delay(0);
  assert.equal(failures.length, 2);
});

Deno.test("JobQueue.retry() queues a failed or cancelled job again, under a new number", async () => {
  const { queue, started } = makeQueue({ nodes: 1 });
  await queue.submit({ ...FILES, input: "a b" });
  assert.equal(await queue.retry(1), "ERR job 1 is running");
  queue.ended(started[0]!.key, 0, { records: 0, failure: "x" });
  assert.equal(await queue.retry(1), "OK job 2");
  assert.equal(started[1]!.input, "a b");
  queue.ended(started[1]!.key, 0, { records: 1 });
  assert.equal(await queue.retry(2), "ERR job 2 is done");
  assert.equal(await queue.retry(9), "ERR there is no job 9");
});

Deno.test("JobQueue.cancel() waits for node 0, but not for a node that does not answer", async () => {
  const { queue, started, states } = makeQueue({ nodes: 3 });
  await queue.submit(FILES);
  await queue.submit(FILES);
  void queue.cancel(undefined);
  queue.ended(started[0]!.key, 1, { records: 0, failure: "Cancelled" });
  await delay(50);
  assert.deepEqual(states(), ["1 running", "2 waiting"], "node 0 may have committed it");
  queue.ended(started[0]!.key, 0, { records: 0, failure: "Cancelled" });
  assert.deepEqual(states(), ["1 cancelled", "2 running"]);
  void queue.cancel(undefined);
  queue.ended(started[1]!.key, 0, { records: 9, committed: 9 });
  await until("the job ends", () => states()[1] !== "2 running");
  assert.deepEqual(states(), ["1 cancelled", "2 done"]);
});

Deno.test("JobQueue.finish() resolves when no job runs, and starts none", async () => {
  const { queue, started, states } = makeQueue({ nodes: 1 });
  assert.equal(queue.finish(), undefined);
  for (let i = 0; i < 2; i++) await queue.submit(FILES);
  const [first, second] = [queue.finish(), queue.finish()];
  queue.ended(started[0]!.key, 0, { records: 1 });
  await within(60_000, "the end", Promise.all([first, second]));
  assert.deepEqual(states(), ["1 done", "2 waiting"]);
});

Deno.test("JobQueue.cancel() of a waiting job is acknowledged when it is on disk", async () => {
  const store = new MemoryStore();
  const written = Promise.withResolvers<void>();
  const { queue } = makeQueue({ store });
  for (let i = 0; i < 2; i++) await queue.submit(FILES);
  store.write = () => written.promise;
  let replied = false;
  const reply = queue.cancel(2).finally(() => replied = true);
  await delay(0);
  assert.ok(!replied);
  written.resolve();
  assert.equal(await reply, "OK job 2");
});
