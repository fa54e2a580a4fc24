/**
 * The part of the queue's suite about lists of jobs and of workers.
 *
 * @module
 */

import assert from "node:assert/strict";
import { valueText } from "../../lib/storage/value.ts";
import { EXCERPT_BYTES, type JobState, MAX_LISTED_JOBS } from "../../lib/task/queue.ts";
import { until } from "../support/within.ts";
import { DEADLINE_MS } from "./support.ts";
import {
  asJob,
  put,
  type QueueScenario,
  reserve,
  soon,
  spec,
  type SuiteOptions,
} from "./suite_support.ts";

/** The tests of this part. */
export function listingScenarios(): QueueScenario[] {
  const scenarios: QueueScenario[] = [];

  function test(name: string, run: QueueScenario["run"], options: SuiteOptions = {}): void {
    scenarios.push({ name, run, options });
  }

  test("lists the jobs of a tube by state, in the order in which they are due", async (queue) => {
    const client = queue.connect(), worker = queue.connect();
    client.use("listed");
    worker.watch("listed");
    const ids: number[] = [];
    for (const priority of [5, 3, 9, 3]) ids.push(await put(client, spec("x", { priority })));
    const [second, first, , also] = ids as [number, number, number, number];
    const list = async (state: JobState, from = 0, count = 100) =>
      (await worker.listJobs({ tube: "listed", state, from, count }))!;
    const idsOf = (jobs: readonly { id: number }[]) => jobs.map(({ id }) => id);
    assert.deepEqual(idsOf(await list("ready")), [first, also, second, ids[2]]);
    assert.deepEqual(idsOf(await list("ready", 1, 2)), [also, second]);
    assert.deepEqual(idsOf(await list("ready", 3, 2)), [ids[2]]);
    assert.deepEqual([await list("ready", 4), await list("ready", 0, 0)], [[], []]);
    const late = await put(client, spec("late", { delayMs: 90_000 }));
    const soon = await put(client, spec("soon", { delayMs: 60_000 }));
    assert.deepEqual(idsOf(await list("delayed")), [soon, late]);
    await reserve(worker);
    await reserve(worker);
    assert.deepEqual(idsOf(await list("reserved")).sort(), [first, also].sort());
    await worker.bury(also, 1, "by hand");
    await worker.bury(first, 7);
    assert.deepEqual([await list("reserved"), idsOf(await list("ready"))], [[], [second, ids[2]]]);
    const buried = await list("buried");
    assert.deepEqual(idsOf(buried).sort(), [first, also].sort());
    const { tube, state, priority, buries, reason, bodyBytes, excerpt } = buried.find(({ id }) =>
      id === also
    )!;
    assert.deepEqual([tube, state, priority, buries, reason], [
      "listed",
      "buried",
      1,
      1,
      "by hand",
    ]);
    assert.deepEqual([bodyBytes, valueText(excerpt)], [1, "x"]);
    assert.equal(await client.listJobs({ tube: "none", state: "ready", from: 0, count: 9 }), null);
    client.close();
    worker.close();
  });

  test("lists the start of a body, and no job beyond the limit", async (queue) => {
    const client = queue.connect();
    const body = "\0\xff" + "b".repeat(5000);
    await put(client, spec(body));
    const page = { tube: "default", state: "ready", count: 100 } as const;
    const [job] = (await client.listJobs({ ...page, from: 0 }))!;
    assert.equal(job!.bodyBytes, 5002);
    assert.equal(valueText(job!.excerpt), body.slice(0, EXCERPT_BYTES));
    assert.deepEqual(await client.listJobs({ ...page, from: MAX_LISTED_JOBS }), []);
    client.close();
  });

  test("lists workers, and gives a quiet one no new jobs", async (queue) => {
    const [address, port] = ["127.0.0.1:1", "beanstalk"] as const;
    const worker = queue.connect({ address, port }), other = queue.connect({ address, port });
    assert.equal(queue.workers.size, 0, "who only puts is no worker");
    const first = await put(worker, spec("first"));
    await reserve(worker);
    worker.watch("more");
    const [known] = queue.workers.list(0, 10);
    const { number, watched, watches, holds, waits, quiet } = known!;
    assert.deepEqual([known!.address, known!.port, watches, watched], [
      address,
      port,
      2,
      ["default", "more"],
    ]);
    assert.deepEqual([holds, known!.held[0]!.id, waits, quiet], [1, first, false, false]);
    assert.ok(known!.held[0]!.leftMs > 0 && known!.held[0]!.leftMs <= 60_000);
    assert.ok(known!.busyMs >= 0 && known!.busyMs < 60_000);

    const pending = Promise.resolve(worker.reserve(DEADLINE_MS));
    await until("it waits", () => queue.workers.list(0, 10)[0]!.waits);
    assert.equal(queue.workers.setQuiet(number, true), true);
    assert.equal(queue.workers.list(0, 10)[0]!.quiet, true);
    const second = await put(other, spec("second"));
    assert.equal((await reserve(other)).id, second, "the quiet worker is passed over");
    await other.delete(second);
    const third = await put(other, spec("third"));
    assert.equal(queue.workers.setQuiet(number, false), true);
    assert.equal(asJob(await soon(pending)).id, third);

    queue.workers.setQuiet(number, true);
    const fourth = await put(other, spec("fourth"));
    assert.equal(await worker.reserve(0), "TIMED_OUT");
    assert.equal(await worker.reserveJob(fourth), null);
    assert.equal(await worker.delete(first), true, "it finishes what it has");
    worker.close();
    assert.equal(queue.workers.setQuiet(number, false), false);
    assert.deepEqual(queue.workers.list(0, 10).map(({ holds }) => holds), [0]);
    other.close();
    assert.equal(queue.workers.size, 0);
  });

  return scenarios;
}
