// deno-lint-ignore-file quartet/file-length -- one suite for all engines
/**
 * How every queue behaves, whatever engine is behind it: called once for each of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import type {
  JobBody,
  JobSpec,
  NoJob,
  Queue,
  QueueClient,
  QueueLimits,
  Refusal,
  TubeRules,
} from "../../lib/task/queue.ts";
import { valueText } from "../../lib/storage/value.ts";
import { MAX_TUBE_METRICS, OTHER_TUBES } from "../../lib/task/tube_metrics.ts";
import { until, within } from "../support/within.ts";
import { DEADLINE_MS } from "./support.ts";

/** What a suite asks of a queue. */
export interface SuiteOptions {
  limits?: Partial<QueueLimits>;
  rules?: Record<string, Partial<TubeRules>>;
}

/** A queue that a test has to itself. */
export interface SuiteQueue extends AsyncDisposable {
  queue: Queue;
}

/** A job to put. */
export function spec(body: string, changes: Partial<JobSpec> = {}): JobSpec {
  return { priority: 10, delayMs: 0, ttrMs: 60_000, body, ...changes };
}

/** What a queue answers, in time. */
export function soon<T>(pending: T | Promise<T>): Promise<T> {
  return within(DEADLINE_MS, "the queue", Promise.resolve(pending));
}

/** The id of a job that was put. */
export async function put(client: QueueClient, job: JobSpec): Promise<number> {
  return asId(await client.put(job));
}

function asId(answer: number | Refusal): number {
  assert(typeof answer === "number", `the job was refused: ${answer}`);
  return answer;
}

/** The job that was reserved. */
export async function reserve(client: QueueClient, timeoutMs = DEADLINE_MS): Promise<JobBody> {
  return asJob(await soon(client.reserve(timeoutMs)));
}

function asJob(answer: JobBody | NoJob): JobBody {
  assert(typeof answer !== "string", `no job came: ${answer}`);
  return answer;
}

/** Runs the suite over one engine. */
export function queueSuite(
  engine: string,
  open: (options: SuiteOptions) => Promise<SuiteQueue>,
  settings: { ignore?: boolean } = {},
): void {
  function test(name: string, run: (queue: Queue) => Promise<void>, options: SuiteOptions = {}) {
    Deno.test({
      name: `${engine} queue: ${name}`,
      ignore: settings.ignore ?? false,
      fn: async () => {
        await using opened = await open(options);
        await run(opened.queue);
      },
    });
  }

  test("gives out by priority, then by age, over all watched tubes", async (queue) => {
    const client = queue.connect();
    await put(client, spec("third", { priority: 5 }));
    await put(client, spec("fourth", { priority: 5 }));
    client.use("other");
    await put(client, spec("second", { priority: 4 }));
    client.use("unwatched");
    await put(client, spec("never", { priority: 0 }));
    client.watch("other");
    assert.deepEqual(client.watched, ["default", "other"]);
    client.use("default");
    await put(client, spec("first", { priority: 3 }));
    for (const body of ["first", "second", "third", "fourth"]) {
      assert.equal(valueText((await reserve(client)).body), body);
    }
    assert.equal(await client.reserve(0), "TIMED_OUT");
    client.close();
  });

  test("keeps every byte of a body", async (queue) => {
    const client = queue.connect();
    const bytes = Uint8Array.from({ length: 5000 }, (_, index) => index % 256);
    await put(client, { ...spec(""), body: bytes });
    await put(client, spec(""));
    await put(client, spec("\0\xff\r\n"));
    assert.equal(valueText((await reserve(client)).body), String.fromCharCode(...bytes));
    assert.equal(valueText((await reserve(client)).body), "");
    assert.equal(valueText((await reserve(client)).body), "\0\xff\r\n");
    client.close();
  });

  test("a waiting client gets the next job, and those who wait get theirs in turn", async (queue) => {
    const producer = queue.connect();
    const workers = [queue.connect(), queue.connect(), queue.connect()];
    const pending = workers.map((worker) => reserve(worker));
    const ids = [];
    for (const body of ["a", "b", "c"]) ids.push(await put(producer, spec(body)));
    const jobs = await Promise.all(pending);
    assert.deepEqual(jobs.map((job) => job.id).sort(), ids.sort());
    for (const client of [producer, ...workers]) client.close();
  });

  test("a reserve gives up after its time", async (queue) => {
    const client = queue.connect();
    const start = performance.now();
    assert.equal(await soon(client.reserve(300)), "TIMED_OUT");
    const took = performance.now() - start;
    assert(took >= 295, `it took ${took} ms`);
    client.close();
  });

  test("cancel ends a wait at once, and the next reserve works", async (queue) => {
    const client = queue.connect();
    const pending = client.reserve(Infinity);
    client.cancel();
    assert.equal(await soon(pending), "TIMED_OUT");
    await put(client, spec("later"));
    assert.equal(valueText((await reserve(client)).body), "later");
    client.close();
  });

  test("a delayed job is given out when its delay is over", async (queue) => {
    const producer = queue.connect(), worker = queue.connect();
    const start = performance.now();
    const id = await put(producer, spec("late", { delayMs: 400 }));
    assert.equal((await producer.statsJob(id))!.state, "delayed");
    assert.equal(await worker.reserve(0), "TIMED_OUT");
    assert.equal((await reserve(worker)).id, id);
    assert(performance.now() - start >= 395);
    producer.close();
    worker.close();
  });

  test("a job whose time to run is over goes to another worker", async (queue) => {
    const slow = queue.connect(), other = queue.connect();
    const id = await put(slow, spec("x", { ttrMs: 1000 }));
    await reserve(slow);
    assert.equal((await reserve(other)).id, id);
    const stats = (await other.statsJob(id))!;
    assert.equal(stats.timeouts, 1);
    assert.equal(stats.attempts, 1);
    assert.equal(await slow.delete(id), false);
    assert.equal(await slow.touch(id), false);
    assert.equal(await other.delete(id), true);
    slow.close();
    other.close();
  });

  test("touch puts the deadline off", async (queue) => {
    const client = queue.connect();
    const id = await put(client, spec("x", { ttrMs: 60_000 }));
    assert.equal(await client.touch(id), false);
    await reserve(client);
    const before = (await client.statsJob(id))!.leftMs;
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(await client.touch(id), true);
    const after = (await client.statsJob(id))!.leftMs;
    assert(after > before - 50 && after > 59_000, `${before} ms, then ${after} ms`);
    client.close();
  });

  test("a worker with a job in its last second is told instead of waiting", async (queue) => {
    const client = queue.connect();
    const id = await put(client, spec("x", { ttrMs: 1500 }));
    await reserve(client);
    assert.equal(await soon(client.reserve(Infinity)), "DEADLINE_SOON");
    assert.equal((await client.statsJob(id))!.state, "reserved");
    assert.equal(await soon(client.reserve(Infinity)), "DEADLINE_SOON");
    const ready = await put(client, spec("y"));
    assert.equal((await reserve(client)).id, ready);
    client.close();
  });

  test("what a client has reserved is ready again as soon as it leaves", async (queue) => {
    const lost = queue.connect(), other = queue.connect();
    const id = await put(other, spec("x"));
    await reserve(lost);
    const pending = reserve(other);
    lost.close();
    assert.equal((await pending).id, id);
    const stats = (await other.statsJob(id))!;
    assert.equal(stats.attempts, 1);
    assert.equal(stats.reserves, 2);
    other.close();
  });

  test("release gives back with a new priority and delay, only by who holds it", async (queue) => {
    const client = queue.connect(), other = queue.connect();
    const id = await put(client, spec("x"));
    assert.equal(await client.release(id, 0, 0), "NOT_FOUND");
    await reserve(client);
    assert.equal(await other.release(id, 0, 0), "NOT_FOUND");
    assert.equal(await client.release(id, 7, 60_000), "RELEASED");
    const stats = (await client.statsJob(id))!;
    assert.equal(stats.state, "delayed");
    assert.equal(stats.priority, 7);
    assert.equal(stats.delayMs, 60_000);
    assert.equal(stats.releases, 1);
    assert(stats.leftMs > 59_000 && stats.leftMs <= 60_000);
    client.close();
    other.close();
  });

  test("buried jobs stay until they are kicked, buried ones before delayed ones", async (queue) => {
    const client = queue.connect();
    const ids = [];
    for (const body of ["a", "b", "c"]) ids.push(await put(client, spec(body)));
    const delayed = await put(client, spec("d", { delayMs: 60_000 }));
    assert.equal(await client.bury(ids[0]!, 1), false);
    for (const _ of ids) {
      const job = await reserve(client);
      assert.equal(await client.bury(job.id, 99), true);
    }
    assert.equal(await client.reserve(0), "TIMED_OUT");
    assert.equal((await client.peekState("buried"))!.id, ids[0]);
    assert.equal((await client.statsJob(ids[1]!))!.priority, 99);
    assert.equal(await client.kick(2), 2);
    assert.equal((await client.statsJob(ids[0]!))!.state, "ready");
    assert.equal((await client.statsJob(ids[0]!))!.kicks, 1);
    assert.equal((await client.statsJob(ids[2]!))!.state, "buried");
    assert.equal(await client.kick(10), 1);
    assert.equal((await client.statsJob(delayed))!.state, "delayed");
    assert.equal(await client.kick(10), 1);
    assert.equal((await client.statsJob(delayed))!.state, "ready");
    assert.equal(await client.kick(10), 0);
    client.close();
  });

  test("kick-job takes buried and delayed jobs only", async (queue) => {
    const client = queue.connect();
    const ready = await put(client, spec("a"));
    const delayed = await put(client, spec("b", { delayMs: 60_000 }));
    assert.equal(await client.kickJob(ready), false);
    assert.equal(await client.kickJob(delayed), true);
    assert.equal(await client.kickJob(delayed), false);
    assert.equal(await client.kickJob(1_000_000), false);
    client.close();
  });

  test("delete takes any job but one that another has reserved", async (queue) => {
    const client = queue.connect(), other = queue.connect();
    const reserved = await put(client, spec("a"));
    await reserve(client);
    const buried = await put(client, spec("b"));
    await reserve(client);
    await client.bury(buried, 1);
    const delayed = await put(client, spec("c", { delayMs: 60_000 }));
    const ready = await put(client, spec("d"));
    assert.equal(await other.delete(reserved), false);
    for (const id of [buried, delayed, ready]) assert.equal(await other.delete(id), true);
    assert.equal(await client.delete(reserved), true);
    for (const id of [reserved, buried, delayed, ready]) {
      assert.equal(await client.delete(id), false);
      assert.equal(await client.statsJob(id), null);
      assert.equal(await client.peek(id), null);
    }
    client.close();
    other.close();
  });

  test("reserve-job takes a ready, delayed or buried job by its id", async (queue) => {
    const client = queue.connect(), other = queue.connect();
    const delayed = await put(client, spec("a", { delayMs: 60_000 }));
    assert.equal((await client.reserveJob(delayed))!.id, delayed);
    assert.equal(await other.reserveJob(delayed), null);
    await client.bury(delayed, 1);
    assert.equal((await other.reserveJob(delayed))!.id, delayed);
    await other.release(delayed, 1, 0);
    assert.equal((await client.reserveJob(delayed))!.id, delayed);
    assert.equal(await client.reserveJob(delayed + 1000), null);
    client.close();
    other.close();
  });

  test("peek shows the next job of the used tube by state", async (queue) => {
    const client = queue.connect();
    client.use("elsewhere");
    await put(client, spec("x"));
    client.use("default");
    assert.equal(await client.peekState("ready"), null);
    const second = await put(client, spec("b"));
    const first = await put(client, spec("a", { priority: 1 }));
    await put(client, spec("d", { delayMs: 90_000 }));
    const soonest = await put(client, spec("c", { delayMs: 60_000 }));
    assert.equal((await client.peekState("ready"))!.id, first);
    assert.equal((await client.peekState("delayed"))!.id, soonest);
    assert.equal(await client.peekState("buried"), null);
    assert.equal(valueText((await client.peek(second))!.body), "b");
    client.close();
  });

  test("a paused tube gives out nothing until the pause is over or taken back", async (queue) => {
    const client = queue.connect(), other = queue.connect();
    assert.equal(await client.pauseTube("nowhere", 1000), false);
    const id = await put(client, spec("x"));
    assert.equal(await client.pauseTube("default", 60_000), true);
    assert.equal(await client.reserve(0), "TIMED_OUT");
    const stats = (await client.statsTube("default"))!;
    assert.equal(stats.pauseMs, 60_000);
    assert(stats.pauseLeftMs > 59_000 && stats.pauseLeftMs <= 60_000);
    assert.equal(stats.pauses, 1);
    const pending = reserve(other);
    assert.equal(await client.pauseTube("default", 0), true);
    assert.equal((await pending).id, id);
    await other.release(id, 1, 0);
    await client.pauseTube("default", 300);
    const start = performance.now();
    assert.equal((await reserve(other)).id, id);
    assert(performance.now() - start >= 250);
    client.close();
    other.close();
  });

  test("a key is unique in its tube while its job is unfinished", async (queue) => {
    const client = queue.connect();
    const first = await client.putUnique("k", spec("a"));
    assert(typeof first === "object" && !first.existed);
    assert.deepEqual(await client.putUnique("k", spec("b")), { id: first.id, existed: true });
    await reserve(client);
    assert.deepEqual(await client.putUnique("k", spec("b")), { id: first.id, existed: true });
    const otherKey = await client.putUnique("l", spec("c"));
    assert(typeof otherKey === "object" && !otherKey.existed);
    client.use("elsewhere");
    const elsewhere = await client.putUnique("k", spec("d"));
    assert(typeof elsewhere === "object" && !elsewhere.existed);
    client.use("default");
    assert.equal(await client.done(first.id, ""), true);
    const again = await client.putUnique("k", spec("e"));
    assert(typeof again === "object" && !again.existed && again.id !== first.id);
    assert.equal((await client.statsJob(again.id))!.key, "k");
    client.close();
  });

  test("a batch is put and reserved in one go", async (queue) => {
    const client = queue.connect();
    const ids = await client.putBatch([spec("a"), spec("b", { priority: 1 }), spec("c")]);
    assert(Array.isArray(ids) && ids.length === 3 && new Set(ids).size === 3);
    const two = await client.reserveBatch(2, 0);
    assert(Array.isArray(two));
    assert.deepEqual(two.map((job) => valueText(job.body)), ["b", "a"]);
    const rest = await client.reserveBatch(1000, 0);
    assert(Array.isArray(rest));
    assert.deepEqual(rest.map((job) => valueText(job.body)), ["c"]);
    assert.equal(await client.reserveBatch(10, 0), "TIMED_OUT");
    const pending = client.reserveBatch(10, DEADLINE_MS);
    const producer = queue.connect();
    await put(producer, spec("d"));
    const late = await soon(pending);
    assert(Array.isArray(late));
    assert.deepEqual(late.map((job) => valueText(job.body)), ["d"]);
    client.close();
    producer.close();
  });

  test("a result is kept, and whoever waits for it gets it", async (queue) => {
    const client = queue.connect(), worker = queue.connect();
    const id = await put(client, spec("x"));
    assert.deepEqual(await client.result(id), { state: "ready", body: "" });
    assert.equal(await client.wait(id, 0), "TIMED_OUT");
    assert.equal(await worker.done(id, "early"), false);
    await reserve(worker);
    const pending = client.wait(id, DEADLINE_MS);
    assert.equal(await worker.done(id, "y\xff"), true);
    const outcome = await soon(pending);
    assert(outcome !== null && typeof outcome === "object");
    assert.equal(outcome.state, "done");
    assert.equal(valueText(outcome.body), "y\xff");
    const kept = await worker.result(id);
    assert.equal(valueText(kept!.body), "y\xff");
    assert.equal((await worker.wait(id, 0) as { state: string }).state, "done");
    assert.equal(await worker.statsJob(id), null);
    assert.equal(await worker.done(id, "twice"), false);
    assert.equal(await client.result(id + 1000), null);
    assert.equal(await client.wait(id + 1000, 1000), null);
    client.close();
    worker.close();
  });

  test("who waits learns of a burial and of a deletion", async (queue) => {
    const client = queue.connect(), worker = queue.connect();
    const buried = await put(client, spec("x"));
    await reserve(worker);
    let pending = client.wait(buried, DEADLINE_MS);
    await worker.bury(buried, 1);
    assert.equal((await soon(pending) as { state: string }).state, "buried");
    // On a shared engine the delete may be there before the wait has looked, which then finds
    // nothing: another job is put until it is the other way round.
    let outcome: Awaited<typeof pending> = null;
    for (let tries = 0; outcome === null && tries < 20; tries++) {
      const deleted = await put(client, spec("y"));
      pending = client.wait(deleted, DEADLINE_MS);
      await worker.delete(deleted);
      outcome = await soon(pending);
    }
    assert.equal((outcome as { state: string }).state, "deleted");
    const left = await put(client, spec("z"));
    assert.equal(await soon(client.wait(left, 200)), "TIMED_OUT");
    client.close();
    worker.close();
  });

  test("a result goes when its time is over", async (queue) => {
    const client = queue.connect();
    const id = await put(client, spec("x"));
    await reserve(client);
    await client.done(id, "y");
    assert.notEqual(await client.result(id), null);
    const end = performance.now() + DEADLINE_MS;
    while (await client.result(id) !== null) {
      assert(performance.now() < end, "the result is still there");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    client.close();
  }, { limits: { resultTtlMs: 300 } });

  test("a job is buried with its reason after its last attempt", async (queue) => {
    const client = queue.connect();
    client.use("tries");
    client.watch("tries");
    const id = await put(client, spec("x"));
    await reserve(client);
    assert.equal(await client.release(id, 1, 0), "RELEASED");
    const lost = queue.connect();
    lost.watch("tries");
    await reserve(lost);
    lost.close();
    assert.equal((await reserve(client)).id, id);
    assert.equal((await client.statsJob(id))!.attempts, 2);
    assert.equal(await client.fail(id, "no such file"), "BURIED");
    const stats = (await client.statsJob(id))!;
    assert.equal(stats.state, "buried");
    assert.equal(stats.attempts, 3);
    assert.equal(stats.reason, "no such file");
    const outcome = await client.result(id);
    assert.deepEqual([outcome!.state, valueText(outcome!.body)], ["buried", "no such file"]);
    assert.equal(await client.kick(1), 1);
    await reserve(client);
    assert.equal(await client.done(id, ""), true);
    client.close();
  }, { rules: { tries: { maxAttempts: 3 } } });

  test("a failed job comes back after a backoff that doubles", async (queue) => {
    const client = queue.connect();
    client.use("slow");
    client.watch("slow");
    const id = await put(client, spec("x"));
    const delays = [];
    for (let round = 0; round < 4; round++) {
      await client.reserveJob(id);
      assert.equal(await client.fail(id, "again"), "RELEASED");
      const stats = (await client.statsJob(id))!;
      assert.equal(stats.state, "delayed");
      delays.push(Math.ceil(stats.leftMs / 1000));
    }
    assert.deepEqual(delays, [10, 20, 40, 50]);
    await client.reserveJob(id);
    await client.release(id, 1, 500_000);
    assert(((await client.statsJob(id))!).leftMs > 400_000);
    client.close();
  }, { rules: { slow: { backoffMs: 10_000, maxBackoffMs: 50_000 } } });

  test("no more jobs of a tube run at once than it allows", async (queue) => {
    const client = queue.connect(), other = queue.connect();
    for (const worker of [client, other]) {
      worker.use("two");
      worker.watch("two");
    }
    for (const body of ["a", "b", "c", "d"]) await put(client, spec(body));
    const first = await reserve(client);
    await reserve(client);
    assert.equal(await client.reserve(0), "TIMED_OUT");
    const pending = reserve(other);
    assert.equal(await client.delete(first.id), true);
    assert.equal(valueText((await pending).body), "c");
    assert.equal(await other.reserve(0), "TIMED_OUT");
    client.close();
    const freed = await other.reserveBatch(10, DEADLINE_MS);
    assert(Array.isArray(freed) && freed.length === 1);
    other.close();
  }, { rules: { two: { maxReserved: 2 } } });

  test("takes no jobs and gives none out while it drains, but lets finish", async (queue) => {
    const client = queue.connect();
    const id = await put(client, spec("x"));
    await put(client, spec("y"));
    await reserve(client);
    queue.drain();
    assert.equal(queue.draining, true);
    assert.equal(await client.put(spec("z")), "DRAINING");
    assert.equal(await client.putBatch([spec("z")]), "DRAINING");
    assert.equal(await client.putUnique("k", spec("z")), "DRAINING");
    assert.equal(await client.reserve(0), "TIMED_OUT");
    const idle = queue.idle();
    assert.equal(await client.delete(id), true);
    await soon(idle);
    client.close();
  });

  test("a worker that a drain disconnects has made no failed attempt", async (queue) => {
    const worker = queue.connect(), observer = queue.connect();
    for (const client of [worker, observer]) {
      client.use("strict");
      client.watch("strict");
    }
    const id = await put(worker, spec("x"));
    await reserve(worker);
    queue.drain();
    worker.close();
    await soon(queue.idle());
    await until("the job is back", async () => {
      return (await observer.statsJob(id))!.state !== "reserved";
    });
    const { state, attempts, reason } = (await observer.statsJob(id))!;
    assert.deepEqual([state, attempts, reason], ["ready", 0, ""]);
    observer.close();
  }, { rules: { strict: { maxAttempts: 1, backoffMs: 60_000 } } });

  test("counts what there is", async (queue) => {
    const client = queue.connect(), other = queue.connect();
    client.use("counted");
    client.watch("counted");
    await put(client, spec("a", { priority: 1023 }));
    await put(client, spec("b", { priority: 1024 }));
    await put(client, spec("c", { delayMs: 60_000 }));
    await put(client, spec("d", { priority: 0 }));
    await reserve(client);
    await put(client, spec("e", { priority: 0 }));
    await client.bury((await reserve(client)).id, 1);
    const stats = (await client.statsTube("counted"))!;
    const { urgent, ready, reserved, delayed, buried, totalJobs, using, watching } = stats;
    assert.deepEqual(
      { urgent, ready, reserved, delayed, buried, totalJobs, using, watching },
      {
        urgent: 1,
        ready: 2,
        reserved: 1,
        delayed: 1,
        buried: 1,
        totalJobs: 5,
        using: 1,
        watching: 1,
      },
    );
    const total = await other.stats();
    assert.equal(total.ready, 2);
    assert.equal(total.reserved, 1);
    assert.deepEqual((await other.listTubes()).sort(), ["counted", "default"]);
    assert.equal(await other.statsTube("nowhere"), null);
    client.close();
    other.close();
  });

  test("a tube that its only client uses again stays as it is", async (queue) => {
    const client = queue.connect();
    client.use("quiet");
    assert.equal(await client.pauseTube("quiet", 60_000), true);
    assert.equal(client.use("quiet"), true);
    const { pauses, pauseMs, using } = (await client.statsTube("quiet"))!;
    assert.deepEqual([pauses, pauseMs, using], [1, 60_000, 1]);
  });

  test("a tube without jobs and without clients is gone", async (queue) => {
    const client = queue.connect();
    client.watch("a");
    client.use("b");
    assert.equal(client.used, "b");
    assert.deepEqual((await client.listTubes()).sort(), ["a", "b", "default"]);
    assert.equal(client.ignore("a"), true);
    assert.equal(client.ignore("a"), true);
    assert.equal(client.ignore("default"), false);
    client.use("c");
    const id = await put(client, spec("x"));
    client.use("default");
    assert.deepEqual((await client.listTubes()).sort(), ["c", "default"]);
    await client.delete(id);
    assert.deepEqual(await client.listTubes(), ["default"]);
    client.close();
  });

  test("refuses tubes beyond its limit", (queue) => {
    const client = queue.connect();
    assert.equal(client.use("a"), true);
    assert.equal(client.watch("a"), true);
    assert.equal(client.watch("b"), true);
    assert.equal(client.watch("c"), false);
    assert.equal(client.use("c"), false);
    assert.equal(client.used, "a");
    assert.equal(client.ignore("b"), true);
    assert.equal(client.use("c"), true);
    client.close();
    return Promise.resolve();
  }, { limits: { maxTubes: 3 } });

  test("shows the figures of a bounded number of tubes, the rest as one", async (queue) => {
    const client = queue.connect();
    const count = MAX_TUBE_METRICS + 20;
    for (let tube = 0; tube < count; tube++) {
      client.use(`tube-${tube}`);
      // Those with the higher numbers have more jobs.
      await put(client, spec("x"));
      if (tube >= 20) await put(client, spec("y", { delayMs: 60_000 }));
    }
    client.use("tube-25");
    await put(client, spec("z", { priority: 1 }));
    await until("they are counted", () => queue.metrics().tubes.length > 1);
    const { total, tubes } = queue.metrics();
    assert.equal(tubes.length, MAX_TUBE_METRICS + 1);
    const figures = new Map(tubes.map((tube) => [tube.name, tube]));
    const { urgent, ready, reserved, delayed, buried, oldestReadyMs } = figures.get("tube-25")!;
    assert.deepEqual([urgent, ready, reserved, delayed, buried], [2, 2, 0, 1, 0]);
    assert.ok(oldestReadyMs >= 0 && oldestReadyMs < 60_000);
    assert.deepEqual([figures.get(OTHER_TUBES)!.ready, figures.get(OTHER_TUBES)!.delayed], [20, 0]);
    assert.ok(figures.get(OTHER_TUBES)!.oldestReadyMs > 0);
    assert.deepEqual([total.ready, total.delayed], [count + 1, count - 20]);
    client.close();
  });
}
