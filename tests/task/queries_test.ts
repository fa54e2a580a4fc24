import assert from "node:assert/strict";
import { MemoryQueue } from "../../lib/task/memory/queue.ts";
import { taskQueries } from "../../lib/task/queries.ts";
import { put, reserve, spec } from "./queue_suite.ts";
import { ManualClock, queueOptions } from "./support.ts";

function start() {
  const queue = new MemoryQueue(new ManualClock(), queueOptions());
  const client = queue.connect({ address: "127.0.0.1:1", port: "beanstalk" });
  const queries = taskQueries(queue);
  // deno-lint-ignore no-explicit-any -- JSON
  const ask = (query: string, fields: Record<string, unknown>): Promise<any> =>
    queries[query]!(fields);
  return { client, ask };
}

Deno.test("taskQueries(): jobs pages through a tube", async () => {
  const { client, ask } = start();
  for (let i = 1; i <= 102; i++) await put(client, spec(`body ${i}`));
  const fields = { tube: "default", state: "ready" };
  const { jobs, end } = await ask("jobs", fields);
  assert.deepEqual([jobs.length, end], [100, 1000]);
  assert.deepEqual([jobs[0].id, jobs[0].body], [
    1,
    { text: "body 1", isText: true, bytes: 6, shown: 6 },
  ]);
  const rest = await ask("jobs", { ...fields, from: 100, count: 50 });
  assert.deepEqual(rest.jobs.map(({ id }: { id: number }) => id), [101, 102]);
});

Deno.test("taskQueries(): job shows one job with the first 16 KiB of its body", async () => {
  const { client, ask } = start();
  const id = await put(client, spec("x".repeat(20_000)));
  await reserve(client);
  const { state, tube, body, leftMs } = await ask("job", { id });
  assert.deepEqual([state, tube, leftMs], ["reserved", "default", 60_000]);
  assert.deepEqual([body.bytes, body.shown, body.text.length], [20_000, 16_384, 16_384]);
});

Deno.test("taskQueries(): workers lists the clients that asked for jobs, but not the caller", async () => {
  const { client, ask } = start();
  assert.deepEqual(await ask("workers", {}), { workers: [], total: 0 });
  await client.reserve(0);
  const { workers, total } = await ask("workers", {});
  assert.deepEqual([total, workers.length, workers[0].address], [1, 1, "127.0.0.1:1"]);
  assert.deepEqual((await ask("workers", { from: 1 })).workers, []);
});

Deno.test("taskQueries(): refuse what cannot be answered", async () => {
  const { client, ask } = start();
  const fields = { tube: "default", state: "ready" };
  for (
    const [query, wrong, message] of [
      ["jobs", { tube: "none", state: "ready" }, /There is no tube "none"/],
      ["jobs", { tube: "default", state: "done" }, /"state" must be one of ready, /],
      ["jobs", { ...fields, from: -1 }, /"from" must be a whole number from 0 to 1000/],
      ["jobs", { ...fields, count: 101 }, /"count" must be/],
      ["jobs", { ...fields, count: "10" }, /"count" must be/],
      ["job", { id: 7 }, /There is no job 7/],
      ["job", { id: 2 ** 53 }, /"id" must be/],
      ["jobs", { state: "ready" }, /"tube" is missing/],
      ["workers", { from: 1.5 }, /"from" must be/],
    ] as const
  ) await assert.rejects(async () => await ask(query, wrong), { name: "RangeError", message });
  assert.deepEqual(await client.listTubes(), ["default"]);
});
