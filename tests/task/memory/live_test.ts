/** Options of a queue in memory that change while it works; live_scenarios.ts has what all engines do. */

import assert from "node:assert/strict";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import { until } from "../../support/within.ts";
import { put, reserve, spec } from "../queue_suite.ts";
import { ManualClock, queueOptions } from "../support.ts";

const LOOKS = 10;
const JOBS = 200;

Deno.test("MemoryQueue: lower limits refuse new jobs, and drop the oldest results", async () => {
  const queue = new MemoryQueue(new ManualClock(), queueOptions());
  const client = queue.connect();
  const ids: number[] = [];
  for (let job = 0; job < 4; job++) {
    ids.push(await put(client, spec("")));
    await reserve(client);
    assert.equal(await client.done(ids.at(-1)!, "r".repeat(10_000)), true);
  }
  for (let job = 0; job < 3; job++) await put(client, spec("x"));
  const { bytes } = queue.stats();
  queue.setOptions(queueOptions({ limits: { maxResults: 3, maxJobs: 2 } }));
  assert.deepEqual(ids.map((id) => client.result(id) !== null), [false, true, true, true]);
  assert.equal(client.put(spec("y")), "OUT_OF_MEMORY");
  assert.equal(queue.stats().ready, 3, "those that are there stay");
  queue.setOptions(queueOptions({ limits: { maxBytes: bytes - 15_000 } }));
  assert.deepEqual(ids.map((id) => client.result(id) !== null), [false, false, true, true]);
  queue.setOptions(queueOptions({ limits: { maxBytes: 10 } }));
  assert.equal(queue.stats().results, 0);
  assert.equal(client.put(spec("y")), "OUT_OF_MEMORY");
  assert.equal((await reserve(client)).id, ids.at(-1)! + 1);
  queue.setOptions(queueOptions());
  await put(client, spec("y"));
});

Deno.test("MemoryQueue: lower limits and other rules take effect in turns", async () => {
  const seen: number[] = [];
  const between = () => void seen.push(queue.stats().results);
  const queue = new MemoryQueue(new ManualClock({ looks: LOOKS, between }), queueOptions());
  const client = queue.connect();
  for (let job = 0; job < JOBS; job++) {
    await put(client, spec("x"));
    await client.done((await reserve(client)).id, "result");
  }
  for (let tube = 0; tube < JOBS; tube++) client.watch(`tube-${tube}`);
  const options = queueOptions({ limits: { maxResults: 1 } });
  let asked = 0;
  const rulesOf = (tube: string) => {
    asked++;
    return options.rulesOf(tube);
  };
  queue.setOptions({ ...options, rulesOf });
  assert.equal(asked, LOOKS, "the rules of the first tubes");
  await until("all is done", () => queue.stats().results === 1 && asked === JOBS + 1);
  for (const [turn, left] of [JOBS, ...seen, 1].entries()) {
    const before = [JOBS, ...seen][turn - 1] ?? JOBS;
    assert.ok(before - left <= LOOKS, `from ${before} to ${left} at once`);
  }
  await queue.close();
});
