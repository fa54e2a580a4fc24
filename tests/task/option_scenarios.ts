/**
 * The part of the queue's suite about the options of jobs.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { JobOptions, QueueClient } from "../../lib/task/queue.ts";
import { until } from "../support/within.ts";
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

/** A job with options. */
function withOptions(options: JobOptions, delayMs = 0) {
  return spec("x", { options, delayMs });
}

/** Puts a job with a key; returns its id, and whether another job holds the key. */
async function putKeyed(client: QueueClient, unique: JobOptions["unique"]) {
  const answer = await client.putJob(withOptions({ unique }));
  assert(typeof answer === "object", `the job was refused: ${answer}`);
  return answer;
}

async function stateOf(client: QueueClient, id: number): Promise<string | undefined> {
  return (await client.statsJob(id))?.state;
}

/** Waits until a job is in this state. */
async function becomes(client: QueueClient, id: number, state: string): Promise<void> {
  await until(`job ${id} is ${state}`, async () => await stateOf(client, id) === state);
}

/** The tests of this part. */
export function optionScenarios(): QueueScenario[] {
  const scenarios: QueueScenario[] = [];

  function test(name: string, run: QueueScenario["run"], options: SuiteOptions = {}): void {
    scenarios.push({ name, run, options });
  }

  test("a buried job holds no key, until it is kicked", async (queue) => {
    const client = queue.connect();
    const first = await putKeyed(client, { key: "k" });
    await reserve(client);
    await client.bury(first.id, 1);
    const second = await putKeyed(client, { key: "k" });
    assert.equal(second.existed, false, "a buried job holds its key");
    assert.equal((await client.statsJob(first.id))!.key, "k");
    // Now there are two jobs with the key.
    assert.equal(await client.kickJob(first.id), true);
    await client.delete(second.id);
    assert.deepEqual(await putKeyed(client, { key: "k" }), { id: first.id, existed: true });
    await client.delete(first.id);
    assert.equal((await putKeyed(client, { key: "k" })).existed, false);
    client.close();
  });

  test("a key can be held only while the job is queued", async (queue) => {
    const client = queue.connect();
    const first = await putKeyed(client, { key: "k", while: "queued" });
    assert.deepEqual(await putKeyed(client, { key: "k" }), { id: first.id, existed: true });
    await reserve(client);
    const second = await putKeyed(client, { key: "k", while: "queued" });
    assert.equal(second.existed, false);
    await client.delete(second.id);
    await client.release(first.id, 1, 60_000);
    assert.deepEqual(await putKeyed(client, { key: "k" }), { id: first.id, existed: true });
    client.close();
  });

  test("a key is held no longer than unique-for", async (queue) => {
    const client = queue.connect();
    const { id } = await putKeyed(client, { key: "k", forMs: 300 });
    await until("the key is free", async () => !(await putKeyed(client, { key: "k" })).existed);
    assert.equal(await stateOf(client, id), "ready");
    client.close();
  });

  test("a key can be held for a fixed time, whatever becomes of the job", async (queue) => {
    const client = queue.connect();
    client.use("elsewhere");
    client.watch("elsewhere");
    const long = { key: "k", while: "until", forMs: 600_000 } as const;
    const { id } = await putKeyed(client, long);
    await reserve(client);
    await client.done(id, "");
    assert.deepEqual(await putKeyed(client, { key: "k" }), { id, existed: true });
    client.use("default");
    assert.equal((await putKeyed(client, { key: "k" })).existed, false, "it is another tube");
    const short = await putKeyed(client, { key: "s", while: "until", forMs: 300 });
    await client.delete(short.id);
    await until("the time is over", async () => !(await putKeyed(client, { key: "s" })).existed);
    client.close();
  });

  test("a job can have its own number of attempts and its own backoff", async (queue) => {
    const client = queue.connect();
    client.use("strict");
    const backoff = { firstMs: 60_000, maxMs: 90_000 };
    const id = await put(client, withOptions({ attempts: 3, backoff }));
    const delays: number[] = [];
    for (let attempt = 1; attempt <= 2; attempt++) {
      assert.notEqual(await client.reserveJob(id), null);
      assert.equal(await client.fail(id, "why"), "RELEASED");
      delays.push((await client.statsJob(id))!.leftMs);
    }
    assert(delays[0]! > 55_000 && delays[0]! <= 60_000, `${delays[0]} ms`);
    assert(delays[1]! > 85_000 && delays[1]! <= 90_000, `${delays[1]} ms`);
    await client.reserveJob(id);
    assert.equal(await client.fail(id, "why"), "BURIED");
    const { options } = (await client.statsJob(id))!;
    assert.deepEqual([options!.attempts, options!.backoff], [3, backoff]);
    const endless = await put(client, withOptions({ attempts: 0, timeoutMs: 1500 }));
    await client.reserveJob(endless);
    assert.equal(await client.fail(endless, "why"), "RELEASED");
    assert.equal((await client.statsJob(endless))!.options!.timeoutMs, 1500);
    client.close();
  }, { rules: { strict: { maxAttempts: 1 } } });

  test("a job that is not started in time is buried, and one that is can take longer", async (queue) => {
    const client = queue.connect(), worker = queue.connect();
    const expiresMs = 1000;
    const started = await put(client, withOptions({ expiresMs }));
    assert.equal((await reserve(worker)).id, started);
    const ready = await put(client, withOptions({ expiresMs: 300 }));
    const delayed = await put(client, withOptions({ expiresMs: 300 }, 60_000));
    const held = await put(client, withOptions({ expiresMs: 300, after: [delayed] }));
    const pending = client.wait(ready, DEADLINE_MS);
    const outcome = await soon(pending);
    const reason = "expired before it was started";
    assert.deepEqual(outcome, { state: "buried", body: reason });
    for (const id of [ready, delayed, held]) {
      await becomes(client, id, "buried");
      assert.equal((await client.statsJob(id))!.reason, reason);
    }
    const last = await put(client, withOptions({ expiresMs: 300 }));
    await becomes(client, last, "buried");
    const { state, options } = (await client.statsJob(started))!;
    assert.deepEqual([state, options!.expiresInMs], ["reserved", undefined]);
    await worker.release(started, 1, 0);
    assert.equal(await client.kickJob(ready), true);
    assert.deepEqual([await stateOf(client, started), await stateOf(client, ready)], [
      "ready",
      "ready",
    ]);
    client.close();
    worker.close();
  });

  test("a job is held until others are done, and its delay begins then", async (queue) => {
    const client = queue.connect(), worker = queue.connect();
    const done = await put(client, spec("a"));
    const deleted = await put(client, spec("b"));
    const both = await put(client, withOptions({ after: [done, deleted, done] }));
    const late = await put(client, withOptions({ after: [deleted] }, 60_000));
    const chained = await put(client, withOptions({ after: [both] }));
    assert.deepEqual((await client.statsJob(both))!.options!.after, [done, deleted]);
    const { ready, held, delayed } = (await client.statsTube("default"))!;
    assert.deepEqual([ready, held, delayed], [2, 3, 0]);
    assert.deepEqual(await client.result(both), { state: "held", body: "" });
    assert.equal(await worker.reserveJob(both), null);
    assert.equal(await client.kickJob(both), false);
    const pending = reserve(client);
    await worker.reserveJob(deleted);
    assert.equal((await pending).id, done);
    assert.equal(await client.done(done, "result"), true);
    // Workers for beanstalkd delete a job when they have done it.
    assert.equal(await worker.delete(deleted), true);
    assert.equal((await reserve(client)).id, both);
    await becomes(client, late, "delayed");
    const { leftMs, options } = (await client.statsJob(late))!;
    assert(leftMs > 50_000 && leftMs <= 60_000, `${leftMs} ms`);
    assert.deepEqual(options!.after, [deleted]);
    assert.equal(await stateOf(client, chained), "held");
    await client.done(both, "");
    assert.equal((await reserve(client)).id, chained);
    client.close();
    worker.close();
  });

  test("a held job says which jobs will not be done, and can be released", async (queue) => {
    const client = queue.connect();
    const buried = await put(client, spec("a"));
    await client.reserveJob(buried);
    await client.bury(buried, 1);
    const deleted = await put(client, spec("b", { delayMs: 60_000 }));
    const cancelled = await put(client, spec("c", { delayMs: 60_000 }));
    const after = [buried, deleted, cancelled];
    const ids = [
      await put(client, withOptions({ after })),
      await put(client, withOptions({ after })),
    ];
    const reason = async () => (await client.statsJob(ids[0]!))!.reason;
    assert.equal(await reason(), `job ${buried} is buried`);
    assert.equal(await client.kickJob(buried), true);
    assert.equal(await reason(), "");
    await client.delete(deleted);
    await client.cancelJob(cancelled);
    const gone = (id: number) => `job ${id} is gone without being done`;
    assert.equal(await reason(), `${gone(deleted)}, ${gone(cancelled)}`);
    await client.reserveJob(buried);
    await client.done(buried, "");
    // The reason says when the end of that job has been noticed, after which the job is still held.
    const left = await put(client, withOptions({ after: [deleted] }));
    assert.equal(await stateOf(client, left), "ready", "a job that is gone holds nothing up");
    assert.deepEqual([await stateOf(client, ids[0]!), await stateOf(client, ids[1]!)], [
      "held",
      "held",
    ]);
    assert.equal(await client.releaseHeld(ids[0]!), true);
    assert.equal(await client.releaseHeld(ids[0]!), false);
    assert.equal(await stateOf(client, ids[0]!), "ready");
    assert.equal((await client.statsJob(ids[0]!))!.reason, "");
    assert.equal(await client.delete(ids[1]!), true);
    assert.equal(await stateOf(client, ids[1]!), undefined);
    assert.equal((await client.statsTube("default"))!.held, 0);
    client.close();
  });

  test("refuses to put a job after one that there never was", async (queue) => {
    const client = queue.connect();
    const id = await put(client, spec("a"));
    for (const unknown of [0, id + 100_000, Number.MAX_SAFE_INTEGER]) {
      assert.equal(await client.put(withOptions({ after: [id, unknown] })), "NOT_FOUND");
    }
    assert.equal((await client.statsTube("default"))!.held, 0);
    client.close();
  });

  test("takes no jobs with options while it drains, but names the holder of a key", async (queue) => {
    const client = queue.connect();
    const { id } = await putKeyed(client, { key: "k" });
    queue.drain();
    assert.equal(await client.putJob(withOptions({ attempts: 1 })), "DRAINING");
    assert.equal(await client.putJob(keyed("l", spec("x"))), "DRAINING");
    assert.deepEqual(await putKeyed(client, { key: "k" }), { id, existed: true });
    client.close();
  });

  return scenarios;
}
