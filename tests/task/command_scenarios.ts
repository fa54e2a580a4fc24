/**
 * The part of the queue's suite about cancelling and moving jobs, dead letters, progress and rates.
 *
 * @module
 */

import assert from "node:assert/strict";
import { valueText } from "../../lib/storage/value.ts";
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

/** The tests of this part. */
export function commandScenarios(): QueueScenario[] {
  const scenarios: QueueScenario[] = [];

  function test(name: string, run: QueueScenario["run"], options: SuiteOptions = {}): void {
    scenarios.push({ name, run, options });
  }

  test("cancel removes a job in any state and keeps the outcome", async (queue) => {
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

  test("a job that is given up becomes a dead letter, with its history", async (queue) => {
    const client = queue.connect(), worker = queue.connect();
    for (const each of [client, worker]) {
      each.use("mail");
      each.watch("mail");
    }
    const id = await put(client, spec("x", { priority: 7 }));
    await reserve(worker);
    assert.equal(await worker.fail(id, "no route"), "RELEASED");
    await worker.kickJob(id);
    await reserve(worker);
    const pending = client.wait(id, DEADLINE_MS);
    assert.equal(await worker.fail(id, "no route\xff"), "DEAD_LETTER");
    assert.deepEqual(await soon(pending), { state: "dead", body: "no route\xff" });
    assert.deepEqual(await client.result(id), { state: "dead", body: "no route\xff" });
    const { tube, state, priority, attempts, reason, buries, death } = (await client.statsJob(id))!;
    assert.deepEqual({ tube, state, priority, attempts, reason, buries }, {
      tube: "mail.dead",
      state: "ready",
      priority: 7,
      attempts: 0,
      reason: "no route\xff",
      buries: 0,
    });
    assert.deepEqual(death, { tube: "mail", attempts: 2, reason: "no route\xff" });
    const follower = await put(client, spec("z", { options: { after: [id] } }));
    const heldFor = async () => (await client.statsJob(follower))!.reason;
    assert.equal(await heldFor(), `job ${id} is a dead letter`);
    // The dead letter's tube has no dead_letter of its own, so there it is buried.
    worker.watch("mail.dead");
    assert.equal((await reserve(worker)).id, id);
    assert.equal(await worker.fail(id, "again"), "BURIED");
    assert.equal((await client.result(id))!.state, "dead");
    assert.equal(await heldFor(), `job ${id} is buried`);
    // By hand it goes back and starts anew.
    assert.equal(await client.moveJob(id, "mail"), true);
    await client.kickJob(id);
    assert.equal(await heldFor(), "");
    const back = (await client.statsJob(id))!;
    assert.deepEqual([back.tube, back.state, back.attempts, back.death], [
      "mail",
      "ready",
      0,
      null,
    ]);
    assert.equal((await client.result(id))!.state, "ready");
    await reserve(worker);
    assert.equal(await worker.bury(id, 1), true, "a worker's own burial stays one");
    assert.equal((await client.statsJob(id))!.tube, "mail");
    const late = await put(client, spec("y", { options: { expiresMs: 50 } }));
    await until("it expires", async () => (await client.statsJob(late))?.tube === "mail.dead");
    const expired = (await client.statsJob(late))!;
    assert.deepEqual([expired.state, expired.death?.tube, expired.death?.attempts], [
      "ready",
      "mail",
      0,
    ]);
    // In its own tube as well.
    assert.equal(await client.moveJob(late, "mail.dead"), true);
    const anew = (await client.statsJob(late))!;
    assert.deepEqual([anew.tube, anew.state, anew.death], ["mail.dead", "ready", null]);
    client.close();
    worker.close();
  }, {
    rules: {
      mail: { maxAttempts: 2, deadLetter: "mail.dead" },
      "mail.dead": { maxAttempts: 1 },
    },
  });

  test("flush-tube deletes the jobs of a tube in one state or in all, but no reserved ones", async (queue) => {
    const client = queue.connect(), other = queue.connect();
    client.use("bulk");
    client.watch("bulk");
    async function fill(): Promise<Record<string, number>> {
      const reserved = await put(client, spec("r", { priority: 0 }));
      await reserve(client);
      const buried = await put(client, spec("b", { priority: 0 }));
      await reserve(client);
      await client.bury(buried, 1);
      const delayed = await put(client, spec("d", { delayMs: 60_000 }));
      const ready = await put(client, spec("x"));
      const held = await put(client, spec("h", { options: { after: [delayed] } }));
      return { reserved, buried, delayed, ready, held };
    }
    const states = async (ids: Record<string, number>) => {
      const left: string[] = [];
      for (const [state, id] of Object.entries(ids)) {
        if ((await other.statsJob(id))?.state === state) left.push(state);
      }
      return left.join(" ");
    };
    assert.equal(await other.flushTube("nowhere"), null);
    const first = await fill();
    const pending = other.wait(first["buried"]!, 0);
    assert.equal((await pending as { state: string }).state, "buried");
    assert.equal(await other.flushTube("bulk", "buried"), 1);
    assert.equal(await states(first), "reserved delayed ready held");
    assert.equal(await other.flushTube("bulk", "delayed"), 1);
    assert.equal(await states(first), "reserved ready held");
    assert.equal(await other.flushTube("bulk", "held"), 1);
    assert.equal(await other.flushTube("bulk", "ready"), 1);
    assert.equal(await states(first), "reserved");
    const second = await fill();
    const elsewhere = await put(other, spec("e"));
    assert.equal(await other.flushTube("bulk"), 4);
    assert.equal(await states(second), "reserved");
    assert.equal((await other.statsJob(elsewhere))!.state, "ready");
    assert.equal(await other.flushTube("bulk"), 0);
    client.close();
    other.close();
  });

  test("move takes a job, or all jobs of a tube that no worker has, to another tube", async (queue) => {
    const client = queue.connect(), other = queue.connect(), waiter = queue.connect();
    client.use("from");
    client.watch("from");
    const reserved = await put(client, spec("r", { priority: 0 }));
    await reserve(client);
    const buried = await put(client, spec("b", { priority: 0 }));
    await reserve(client);
    await client.bury(buried, 1);
    const delayed = await put(client, spec("d", { delayMs: 60_000 }));
    const held = await put(client, spec("h", { options: { after: [reserved] } }));
    const ready = await put(client, spec("x", { priority: 5 }));
    assert.equal(await other.moveTube("nowhere", "to"), null);
    assert.equal(await other.moveJob(reserved, "to"), false);
    assert.equal(await other.moveJob(ready + 1_000_000, "to"), false);
    waiter.watch("to");
    const pending = reserve(waiter);
    assert.equal(await other.moveJob(ready, "to"), true);
    assert.equal((await soon(pending)).id, ready);
    assert.equal(await other.moveTube("from", "from"), 0);
    assert.equal(await other.moveTube("from", "to"), 3);
    for (const [id, state] of [[buried, "buried"], [delayed, "delayed"], [held, "held"]] as const) {
      const stats = (await other.statsJob(id))!;
      assert.deepEqual([stats.tube, stats.state], ["to", state]);
    }
    assert.equal((await other.statsJob(reserved))!.tube, "from");
    assert.equal(await client.done(reserved, ""), true);
    await until("the held job goes on", async () => {
      return (await other.statsJob(held))!.state === "ready";
    });
    assert.equal((await reserve(waiter)).id, held);
    other.use("to");
    assert.equal((await other.peekState("buried"))!.id, buried);
    assert.equal(await other.kick(1), 1);
    for (const each of [client, other, waiter]) each.close();
  });

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
