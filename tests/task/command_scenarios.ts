/**
 * The part of the queue's suite about cancelling and moving jobs, dead letters, progress and rates.
 *
 * @module
 */

import assert from "node:assert/strict";
import { valueText } from "../../lib/storage/value.ts";
import {
  keyed,
  put,
  type QueueScenario,
  reserve,
  soon,
  spec,
  type SuiteOptions,
} from "./suite_support.ts";
import { DEADLINE_MS } from "./support.ts";

/** The tests of this part. */
export function commandScenarios(): QueueScenario[] {
  const scenarios: QueueScenario[] = [];

  function test(name: string, run: QueueScenario["run"], options: SuiteOptions = {}): void {
    scenarios.push({ name, run, options });
  }

  test("cancel removes a job in any state and keeps that it was cancelled", async (queue) => {
    const client = queue.connect(), other = queue.connect();
    const buried = await put(client, spec("a"));
    await reserve(client);
    await client.bury(buried, 1);
    const delayed = await put(client, spec("b", { delayMs: 60_000 }));
    const ready = await put(client, spec("c"));
    const ids = [buried, delayed, ready];
    for (const id of ids) {
      assert.equal(await other.cancelJob(id), true);
      assert.equal(await other.cancelJob(id), false);
      assert.equal(await client.statsJob(id), null);
      assert.deepEqual(await client.result(id), { state: "cancelled", body: "" });
      assert.deepEqual(await client.wait(id, 0), { state: "cancelled", body: "" });
    }
    assert.equal(await client.cancelJob(ready + 1_000_000), false);
    assert.equal(await client.reserve(0), "TIMED_OUT");
    const { results, ready: left, delayed: waiting, buried: aside } = await client.stats();
    assert.deepEqual([results, left, waiting, aside], [3, 0, 0, 0]);
    client.close();
    other.close();
  });

  test("the worker of a cancelled job has lost it, and goes on", async (queue) => {
    const worker = queue.connect(), client = queue.connect();
    const id = await put(client, spec("x", { ttrMs: 1000 }));
    await reserve(worker);
    assert.equal(await client.cancelJob(id), true);
    assert.equal(await worker.touch(id), false);
    assert.equal(await worker.release(id, 1, 0), "NOT_FOUND");
    assert.equal(await worker.fail(id, "why"), "NOT_FOUND");
    assert.equal(await worker.done(id, "late"), false);
    assert.equal(await worker.bury(id, 1), false);
    assert.equal(await worker.delete(id), false);
    assert.equal((await client.result(id))!.state, "cancelled");
    await soon(queue.idle());
    // Its deadline, which is less than the safety margin away, is forgotten.
    assert.equal(await worker.reserve(0), "TIMED_OUT");
    worker.close();
    client.close();
  });

  test("a client that waits for a job learns that it was cancelled", async (queue) => {
    const client = queue.connect(), other = queue.connect();
    const id = await put(client, spec("x"));
    const pending = client.wait(id, DEADLINE_MS);
    assert.equal(await other.cancelJob(id), true);
    assert.deepEqual(await soon(pending), { state: "cancelled", body: "" });
    client.close();
    other.close();
  });

  test("cancelling a job frees its key and its place under max_reserved", async (queue) => {
    const client = queue.connect(), other = queue.connect();
    for (const each of [client, other]) {
      each.use("one");
      each.watch("one");
    }
    const first = await client.putJob(keyed("k", spec("a")));
    assert.ok(typeof first === "object");
    await reserve(client);
    await put(client, spec("b"));
    const pending = reserve(other);
    await client.cancelJob(first.id);
    assert.equal(valueText((await pending).body), "b");
    const again = await client.putJob(keyed("k", spec("c")));
    assert.ok(typeof again === "object" && !again.existed);
    client.close();
    other.close();
  }, { rules: { one: { maxReserved: 1 } } });

  test("hands out the jobs of a tube at its rate, after a burst", async (queue) => {
    const producer = queue.connect();
    const workers = [queue.connect(), queue.connect()];
    for (const client of [producer, ...workers]) {
      client.use("slow");
      client.watch("slow");
    }
    for (let job = 0; job < 8; job++) await put(producer, spec("x"));
    const startMs = performance.now();
    const times: number[] = [];
    await Promise.all(workers.map(async (worker) => {
      for (let job = 0; job < 4; job++) {
        await reserve(worker);
        times.push(performance.now() - startMs);
      }
    }));
    const tookMs = Math.max(...times);
    // Two come at once. Looking for them once a second would take at least five seconds.
    assert.ok(tookMs >= 6 * 150 - 5 && tookMs < 4500, `${tookMs} ms: ${times.join(" ")}`);
    producer.use("hourly");
    producer.watch("hourly");
    const ids: number[] = [];
    for (let job = 0; job < 4; job++) ids.push(await put(producer, spec("x")));
    assert.equal((await producer.reserveJob(ids[3]!))!.id, ids[3]);
    assert.equal((await reserve(producer)).id, ids[0]);
    assert.equal(await producer.reserve(0), "TIMED_OUT");
    assert.equal(await producer.reserveJob(ids[2]!), null);
    for (const client of [producer, ...workers]) client.close();
  }, {
    rules: {
      slow: { rate: { intervalMs: 150, burst: 2 } },
      hourly: { rate: { intervalMs: 3_600_000, burst: 2 } },
    },
  });

  return scenarios;
}
