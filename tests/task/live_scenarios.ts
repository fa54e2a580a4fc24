/**
 * The part of the queue's suite about options that change while clients are connected.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { JobReport } from "../../lib/task/reports.ts";
import { until } from "../support/within.ts";
import { asJob, put, type QueueScenario, reserve, soon, spec } from "./suite_support.ts";
import { DEADLINE_MS, queueOptions } from "./support.ts";

/** The tests of this part. */
export function liveScenarios(): QueueScenario[] {
  const scenarios: QueueScenario[] = [];

  function test(
    name: string,
    run: QueueScenario["run"],
    options: QueueScenario["options"] = {},
  ): void {
    scenarios.push({ name, run, options });
  }

  test(
    "a worker that waits gets a job when max_reserved rises; a lower one takes none away",
    async (queue) => {
      const client = queue.connect(), other = queue.connect();
      client.use("work");
      for (const worker of [client, other]) worker.watch("work");
      const ids: number[] = [];
      for (let job = 0; job < 3; job++) ids.push(await put(client, spec("x")));
      await reserve(client);
      assert.equal(await other.reserve(0), "TIMED_OUT");
      const waiting = Promise.resolve(other.reserve(DEADLINE_MS));
      queue.setOptions(queueOptions({ rules: { work: { maxReserved: 2 } } }));
      assert.equal(asJob(await soon(waiting)).id, ids[1]);
      queue.setOptions(queueOptions({ rules: { work: { maxReserved: 1 } } }));
      assert.equal(await other.done(ids[1]!, "y"), true);
      assert.equal(await other.reserve(0), "TIMED_OUT", "the other client still has one");
      queue.setOptions(queueOptions());
      assert.equal((await reserve(other)).id, ids[2]);
      for (const each of [client, other]) each.close();
    },
    { rules: { work: { maxReserved: 1 } } },
  );

  test("a worker that waits for a rate gets a job when the rate rises", async (queue) => {
    const client = queue.connect();
    client.use("slow");
    client.watch("slow");
    for (let job = 0; job < 6; job++) await put(client, spec("x"));
    await reserve(client);
    const waiting = Promise.resolve(client.reserve(DEADLINE_MS));
    queue.setOptions(queueOptions({ rules: { slow: { rate: { intervalMs: 50, burst: 1 } } } }));
    asJob(await soon(waiting));
    await reserve(client);
    // The bucket is full again as soon as it would have been, and then lasts for a day.
    queue.setOptions(queueOptions({ rules: { slow: { rate: { intervalMs: 1e8, burst: 1 } } } }));
    await reserve(client);
    assert.equal(await client.reserve(200), "TIMED_OUT");
    const last = Promise.resolve(client.reserve(DEADLINE_MS));
    queue.setOptions(queueOptions());
    asJob(await soon(last));
    client.close();
  }, { rules: { slow: { rate: { intervalMs: 1e8, burst: 1 } } } });

  test("a job that runs fails by the rules that its tube has then", async (queue) => {
    const client = queue.connect();
    client.use("work");
    client.watch("work");
    const id = await put(client, spec("x"));
    await reserve(client);
    assert.equal(await client.fail(id, "once"), "RELEASED");
    await reserve(client);
    const rules = { maxAttempts: 2, deadLetter: "dead" };
    queue.setOptions(queueOptions({ rules: { work: rules } }));
    assert.equal(await client.fail(id, "twice"), "DEAD_LETTER");
    assert.equal((await client.statsJob(id))!.tube, "dead");
    client.close();
  });

  test("a lower max_tubes leaves the tubes that are in use", async (queue) => {
    const client = queue.connect();
    for (const tube of ["a", "b", "c"]) assert.equal(client.watch(tube), true);
    queue.setOptions(queueOptions({ limits: { maxTubes: 2 } }));
    assert.equal(client.watch("d"), false);
    assert.deepEqual(client.watched, ["default", "a", "b", "c"]);
    client.use("c");
    await put(client, spec("x"));
    queue.setOptions(queueOptions({ limits: { maxTubes: 5 } }));
    assert.equal(client.watch("d"), true);
    client.close();
  });

  test("a result is kept as long as the limit said at the end of its job", async (queue) => {
    const client = queue.connect();
    const finish = async () => {
      const id = await put(client, spec("x"));
      await reserve(client);
      assert.equal(await client.done(id, "y"), true);
      return id;
    };
    const long = await finish();
    queue.setOptions(queueOptions({ limits: { resultTtlMs: 1000 } }));
    const short = await finish();
    assert.notEqual(await client.result(short), null);
    const isGone = async () => await client.result(short) === null;
    await until("it has expired", isGone, DEADLINE_MS, 50);
    assert.notEqual(await client.result(long), null);
    client.close();
  });

  test("reports begin and end with the option", async (queue) => {
    const client = queue.connect();
    const reports: string[] = [];
    const report = ({ kind, id }: JobReport) => void reports.push(`${kind} ${id}`);
    await put(client, spec("x"));
    queue.setOptions(queueOptions({ report }));
    const id = await put(client, spec("y"));
    queue.setOptions(queueOptions());
    await reserve(client);
    assert.deepEqual(reports, [`put ${id}`]);
    client.close();
  });

  return scenarios;
}
