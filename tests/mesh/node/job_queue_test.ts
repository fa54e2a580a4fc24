import assert from "node:assert/strict";
import fc from "fast-check";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import type { JobOrder } from "../../../lib/mesh/node/control_message.ts";
import { JobQueue } from "../../../lib/mesh/node/job_queue.ts";

const FILES = { input: "in", output: "out", format: DEFAULT_RECORD_FORMAT };

function makeQueue({ nodes = 2, maxWaiting = 3 } = {}) {
  const started: JobOrder[] = [];
  const stopped: string[] = [];
  const queue = new JobQueue({
    keyPrefix: "test",
    nodes,
    maxWaiting,
    start: (order) => started.push(order),
    stop: (key, reason) => stopped.push(`${key}: ${reason}`),
    onChange: () => {},
  });
  const states = () => queue.status().map(({ id, state }) => `${id} ${state}`);
  return { queue, started, stopped, states };
}

Deno.test("JobQueue: one job runs at a time, and the next starts when all nodes have ended it", () => {
  const { queue, started, states } = makeQueue();
  assert.deepEqual([queue.submit(FILES), queue.submit(FILES)], ["OK job 1", "OK job 2"]);
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

Deno.test("JobQueue: the first failure stops the other nodes and is the result", () => {
  const { queue, started, stopped, states } = makeQueue({ nodes: 3 });
  queue.submit(FILES);
  const { key } = started[0]!;
  queue.ended(key, 1, { records: 0, failure: "node 1: it is full" });
  assert.deepEqual(stopped, [`${key}: node 1: it is full`]);
  queue.lost(2, "node 2 is not connected any more");
  assert.equal(stopped.length, 1);
  queue.ended(key, 0, { records: 0, failure: "Cancelled" });
  assert.deepEqual(states(), ["1 failed"]);
  assert.equal(queue.status()[0]!.result, "node 1: it is full");
});

Deno.test("JobQueue: refuses jobs beyond the limit of waiting ones", () => {
  const { queue } = makeQueue({ maxWaiting: 2 });
  const replies = [1, 2, 3, 4].map(() => queue.submit(FILES));
  assert.deepEqual(replies, [
    "OK job 1",
    "OK job 2",
    "OK job 3",
    "ERR 2 jobs are waiting already",
  ]);
});

Deno.test("JobQueue: the last 16 finished jobs are kept, those that wait or run not counted", () => {
  const { queue, started, states } = makeQueue({ nodes: 1, maxWaiting: 100 });
  for (let id = 1; id <= 40; id++) queue.submit(FILES);
  for (let id = 1; id <= 16; id++) queue.ended(started[id - 1]!.key, 0, { records: 1 });
  assert.equal(states().length, 40);
  for (let id = 17; id <= 38; id++) queue.ended(started[id - 1]!.key, 0, { records: 1 });
  const kept = Array.from({ length: 16 }, (_, i) => `${i + 23} done`);
  assert.deepEqual(states(), [...kept, "39 running", "40 waiting"]);
});

Deno.test("JobQueue: reasons are cut to a bounded length", () => {
  const { queue, started } = makeQueue({ nodes: 1 });
  queue.submit(FILES);
  queue.ended(started[0]!.key, 0, { records: 0, failure: "x".repeat(10_000) });
  assert.equal(queue.status()[0]!.result.length, 2000);
});

Deno.test("JobQueue.cancel() ends a waiting job at once, and a running one when its nodes have", () => {
  const { queue, started, stopped, states } = makeQueue();
  assert.equal(queue.cancel(undefined), "ERR no job is running");
  for (let i = 0; i < 3; i++) queue.submit(FILES);
  assert.equal(queue.cancel(2), "OK job 2");
  assert.equal(queue.cancel(undefined), "OK job 1");
  assert.deepEqual(states(), ["1 running", "2 cancelled", "3 waiting"]);
  assert.deepEqual(stopped, [`${started[0]!.key}: Cancelled`]);
  for (const node of [0, 1]) {
    queue.ended(started[0]!.key, node, { records: 0, failure: "Cancelled" });
  }
  assert.deepEqual(states(), ["1 cancelled", "2 cancelled", "3 running"]);
  assert.equal(queue.cancel(2), "ERR job 2 is cancelled already");
  assert.equal(queue.cancel(9), "ERR there is no job 9");
});

Deno.test("JobQueue.close() starts no more jobs", () => {
  const { queue, started, states } = makeQueue({ nodes: 1 });
  for (let i = 0; i < 2; i++) queue.submit(FILES);
  queue.close();
  queue.ended(started[0]!.key, 0, { records: 1 });
  assert.deepEqual(states(), ["1 done", "2 waiting"]);
});

Deno.test("JobQueue: whatever happens, one job runs, in the order of submission, and few are kept", () => {
  const steps = fc.array(fc.constantFrom("submit", "end", "fail", "cancel", "cancel last"), {
    maxLength: 200,
    size: "max",
  });
  fc.assert(fc.property(steps, (script) => {
    const { queue, started, states } = makeQueue({ nodes: 1, maxWaiting: 5 });
    for (const step of script) {
      const { key } = started.at(-1) ?? { key: "none" };
      if (step === "submit") queue.submit(FILES);
      else if (step === "end") queue.ended(key, 0, { records: 1 });
      else if (step === "fail") queue.ended(key, 0, { records: 0, failure: "x" });
      else if (step === "cancel") queue.cancel(undefined);
      else queue.cancel(queue.status().at(-1)?.id);
      const all = states();
      const count = (state: string) => all.filter((each) => each.endsWith(state)).length;
      assert.ok(count("running") <= 1 && count("waiting") <= 5 && all.length <= 16 + 1 + 5);
      if (count("running") === 0) assert.equal(count("waiting"), 0);
      const ids = started.map(({ id }) => id);
      assert.deepEqual(ids, ids.toSorted((a, b) => a - b));
    }
  }));
});
