import assert from "node:assert/strict";
import { type Clock, SYSTEM_CLOCK } from "../../../lib/task/clock.ts";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import { bookSuite } from "../schedule/book_suite.ts";
import { keyed, put, queueSuite, reserve, spec, type SuiteOptions } from "../queue_suite.ts";
import { ManualClock, queueOptions } from "../support.ts";

queueSuite("memory", (options) => {
  const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions(options));
  return Promise.resolve({ queue, [Symbol.asyncDispose]: () => queue.close() });
});

bookSuite("memory", () => {
  const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions());
  return Promise.resolve({ queue, [Symbol.asyncDispose]: () => queue.close() });
});

function manual(options: SuiteOptions = {}): { clock: ManualClock; queue: MemoryQueue } {
  const clock = new ManualClock();
  return { clock, queue: new MemoryQueue(clock, queueOptions(options)) };
}

Deno.test("MemoryQueue: progress takes space until the job is reserved again, or gone", async () => {
  const { queue } = manual();
  const client = queue.connect();
  const id = await put(client, spec("x"));
  const bytes = () => queue.metrics().total.bytes;
  const before = bytes();
  await reserve(client);
  await client.touch(id, "half done");
  await client.touch(id, "done");
  assert.equal(bytes(), before + 4);
  await client.release(id, 1, 0);
  await reserve(client);
  assert.equal(bytes(), before);
  await client.touch(id, "half done");
  await client.delete(id);
  assert.equal(bytes(), 0);
});

Deno.test("MemoryQueue: deadlines are met to the millisecond", async () => {
  const { clock, queue } = manual();
  const client = queue.connect(), other = queue.connect();
  const id = await put(client, spec("x", { delayMs: 5000, ttrMs: 3000 }));
  clock.advance(4999);
  assert.equal((await client.statsJob(id))!.state, "delayed");
  clock.advance(1);
  assert.equal((await client.statsJob(id))!.state, "ready");
  await reserve(client);
  clock.advance(2000);
  assert.equal(await client.touch(id), true);
  clock.advance(2999);
  assert.equal((await client.statsJob(id))!.state, "reserved");
  const pending = other.reserve(Infinity);
  clock.advance(1);
  assert.equal((await pending as { id: number }).id, id);
});

Deno.test("MemoryQueue: a waiting reserve ends when the last second of a job begins", async () => {
  const { clock, queue } = manual();
  const client = queue.connect();
  await put(client, spec("a", { ttrMs: 10_000 }));
  await put(client, spec("b", { ttrMs: 4_000 }));
  await reserve(client);
  await reserve(client);
  let answer: unknown;
  void Promise.resolve(client.reserve(60_000)).then((got) => answer = got);
  clock.advance(2_999);
  await Promise.resolve();
  assert.equal(answer, undefined);
  clock.advance(1);
  await Promise.resolve();
  assert.equal(answer, "DEADLINE_SOON");
  assert.equal(queue.stats().waiting, 0);
});

Deno.test("MemoryQueue: keys and reasons count as memory, and long reasons are cut", async () => {
  const { queue } = manual({ limits: { maxBytes: 4 * 1024 ** 2 } });
  const client = queue.connect();
  const { bytes } = queue.stats();
  const before = Deno.memoryUsage().heapUsed;
  for (let i = 0; i < 2000; i++) {
    const put = await client.putJob(
      keyed(`${i}`.padStart(200, "k"), spec("x", { delayMs: 60_000 })),
    );
    assert(typeof put === "object");
    assert(await client.reserveJob(put.id));
    assert.equal(await client.fail(put.id, new Uint8Array(65_000).fill(65 + i % 20)), "RELEASED");
  }
  const { jobs } = queue.scheduler;
  assert.equal(jobs.get(1)!.reason.length, 1000);
  assert.equal(queue.stats().bytes - bytes, 2000 * (300 + 1 + (250 + 200) + 1000));
  // 130 MB were sent.
  assert(Deno.memoryUsage().heapUsed - before < 60e6, "long reasons are kept");
  for (let refused = false; !refused;) refused = await client.put(spec("")) === "OUT_OF_MEMORY";
  assert(queue.stats().bytes <= 4 * 1024 ** 2);
  for (const { id } of [...jobs.values()]) await client.delete(id);
  assert.equal(queue.stats().bytes, 0);
  assert.equal(queue.scheduler.memory.jobs, 0);
});

Deno.test("MemoryQueue: jobs for which there is no memory are refused, and leave nothing behind", async () => {
  const { queue } = manual();
  const client = queue.connect();
  const { memory } = queue.scheduler;
  const { addAll } = memory;
  const before = queue.stats();
  memory.addAll = () => null;
  assert.equal(await client.put(spec("x")), "OUT_OF_MEMORY");
  assert.equal(await client.putBatch([spec("x"), spec("y")]), "OUT_OF_MEMORY");
  assert.equal(await client.putJob(keyed("k", spec("x"))), "OUT_OF_MEMORY");
  assert.deepEqual(queue.stats(), before);
  memory.addAll = addAll;
  assert.deepEqual(await client.putJob(keyed("k", spec("x"))), { id: 1, existed: false });
});

Deno.test("MemoryQueue: waiting clients are served in the order they came", async () => {
  const { queue } = manual();
  const producer = queue.connect();
  const served: number[] = [];
  const workers = Array.from({ length: 1000 }, () => queue.connect());
  const pending = workers.map((worker, index) =>
    Promise.resolve(worker.reserve(Infinity)).then(() => served.push(index))
  );
  assert.equal(queue.stats().waiting, 1000);
  for (let index = 0; index < 1000; index++) await put(producer, spec("x"));
  await Promise.all(pending);
  assert.deepEqual(served, Array.from({ length: 1000 }, (_, index) => index));
});

Deno.test("MemoryQueue: 100 000 delayed jobs become ready in the order of their delays", async () => {
  const { clock, queue } = manual();
  const client = queue.connect();
  const count = 100_000;
  for (let index = 0; index < count; index++) {
    await put(client, spec("", { delayMs: 1000 + (index * 7919) % count }));
  }
  clock.advance(1000 + count / 2);
  assert.equal((await client.stats()).ready, count / 2 + 1);
  clock.advance(count);
  assert.equal((await client.stats()).ready, count);
  assert(clock.timersSet < 3000 + count, `${clock.timersSet} timers were set`);
});

Deno.test("MemoryQueue: refuses jobs beyond max_jobs and max_memory until some are deleted", async () => {
  const few = manual({ limits: { maxJobs: 3 } }).queue.connect();
  const ids = await few.putBatch([spec("a"), spec("b")]);
  assert(Array.isArray(ids));
  assert.equal(await few.putBatch([spec("c"), spec("d")]), "OUT_OF_MEMORY");
  await put(few, spec("c"));
  assert.equal(await few.put(spec("d")), "OUT_OF_MEMORY");
  assert.equal(await few.delete(ids[0]!), true);
  await put(few, spec("d"));

  const { queue } = manual({ limits: { maxBytes: 100_000 } });
  const small = queue.connect();
  const big = await put(small, spec("x".repeat(60_000)));
  assert.equal(await small.put(spec("x".repeat(60_000))), "OUT_OF_MEMORY");
  assert(queue.stats().bytes <= 100_000);
  await small.delete(big);
  assert.equal(queue.stats().bytes, 0);
  await put(small, spec("x".repeat(60_000)));
});

Deno.test("MemoryQueue: a finished job frees its place in a full queue", async () => {
  const few = manual({ limits: { maxJobs: 2 } });
  const client = few.queue.connect();
  for (const body of ["a", "b"]) await put(client, spec(body));
  assert.equal(await client.put(spec("c")), "OUT_OF_MEMORY");
  assert.equal(await client.done((await reserve(client)).id, "result"), true);
  await put(client, spec("c"));
  assert.equal(await client.put(spec("d")), "OUT_OF_MEMORY");
  assert.equal(await client.delete((await reserve(client)).id), true);
  await put(client, spec("d"));
  assert.equal(few.queue.stats().ready, 2);
});

Deno.test("MemoryQueue: a finished job frees its memory in a full queue", async () => {
  const { queue } = manual({ limits: { maxBytes: 100_000 } });
  const client = queue.connect();
  const big = spec("x".repeat(90_000));
  await put(client, big);
  assert.equal(await client.put(big), "OUT_OF_MEMORY");
  // The result takes the place of its job: that always fits if it is no longer than the job.
  assert.equal(await client.done((await reserve(client)).id, "r".repeat(90_000)), true);
  assert.equal(queue.stats().bytes, 90_300);
  // A new job may push out a result.
  await put(client, big);
  assert.equal(queue.stats().results, 0);
  const { id } = await reserve(client);
  assert.equal(await client.done(id, "r".repeat(100_000)), "OUT_OF_MEMORY");
  assert.equal((await client.statsJob(id))!.state, "reserved");
  assert.equal(await client.done(id, ""), true);
  await put(client, big);
});

Deno.test("MemoryQueue: drops old results for new jobs, and results beyond max_results", async () => {
  const { queue } = manual({ limits: { maxBytes: 100_000, maxResults: 2 } });
  const client = queue.connect();
  const ids: number[] = [];
  for (const size of [30_000, 30_000, 30_000]) {
    ids.push(await put(client, spec("")));
    await reserve(client);
    assert.equal(await client.done(ids.at(-1)!, "r".repeat(size)), true);
  }
  assert.equal(await client.result(ids[0]!), null);
  assert.notEqual(await client.result(ids[1]!), null);
  await put(client, spec("x".repeat(50_000)));
  assert.equal(await client.result(ids[1]!), null);
  assert.notEqual(await client.result(ids[2]!), null);
  await reserve(client);
  assert.equal(queue.stats().results, 1);
});

Deno.test("MemoryQueue: other clients get their turns while many jobs are kicked", async () => {
  const { queue } = manual();
  const client = queue.connect(), other = queue.connect();
  const count = 10_000;
  for (let index = 0; index < count; index++) await put(client, spec("", { delayMs: 1000 }));
  const kicking = client.kick(count - 1);
  assert(kicking instanceof Promise);
  const { ready } = await other.stats();
  assert(ready > 0 && ready < count - 1, `${ready} jobs were kicked in one turn`);
  assert.equal(await kicking, count - 1);
  assert.equal((await other.stats()).ready, count - 1);
  assert.equal(await client.kick(10), 1);
});

Deno.test("MemoryQueue: leaves nothing behind when all jobs are done", async () => {
  const { clock, queue } = manual({ limits: { resultTtlMs: 1000 } });
  const client = queue.connect(), worker = queue.connect();
  client.use("t");
  worker.watch("t");
  for (let index = 0; index < 100; index++) {
    await client.putJob(keyed(`k${index}`, spec("x", { delayMs: index % 3 })));
  }
  clock.advance(10);
  const jobs = await worker.reserveBatch(1000, 0);
  assert(Array.isArray(jobs) && jobs.length === 100);
  const pending = client.wait(jobs[0]!.id, 500);
  for (const job of jobs) await worker.done(job.id, "y");
  await pending;
  clock.advance(1000);
  client.close();
  worker.close();
  const { ready, reserved, delayed, buried, bytes, results, tubes, waiting } = queue.stats();
  assert.deepEqual(
    { ready, reserved, delayed, buried, bytes, results, tubes, waiting },
    { ready: 0, reserved: 0, delayed: 0, buried: 0, bytes: 0, results: 0, tubes: 1, waiting: 0 },
  );
  assert.equal(queue.scheduler.timers.size, 0);
  assert.equal(queue.scheduler.jobs.size, 0);
});

Deno.test("MemoryQueue: a waiting worker gets its job when the token comes", async () => {
  const clock = new ManualClock();
  const rules = { slow: { rate: { intervalMs: 100, burst: 3 } } };
  const queue = new MemoryQueue(clock, queueOptions({ rules }));
  const client = queue.connect();
  client.use("slow");
  client.watch("slow");
  for (let job = 0; job < 20; job++) await put(client, spec("x"));
  for (let job = 0; job < 3; job++) assert.equal(typeof await client.reserve(0), "object");
  for (let job = 0; job < 3; job++) {
    let came = false;
    const pending = Promise.resolve(client.reserve(Infinity)).then(() => came = true);
    clock.advance(99);
    await Promise.resolve();
    assert.equal(came, false);
    clock.advance(1);
    await pending;
  }
  // Tokens gather while nobody waits, up to the burst.
  clock.advance(10_000);
  const batch = await client.reserveBatch(10, 0);
  assert.equal(batch.length, 3);
  client.close();
  await queue.close();
});

Deno.test("MemoryQueue: timers that fire late do not slow a rate down, unless they are very late", async () => {
  const clock = new ManualClock();
  let heldUpMs = 0;
  const late: Clock = {
    now: () => clock.now() + heldUpMs,
    after: (delayMs, call) => clock.after(delayMs + 7, call),
    turn: () => clock.turn(),
  };
  const rules = { slow: { rate: { intervalMs: 50, burst: 1 } } };
  const queue = new MemoryQueue(late, queueOptions({ rules }));
  const client = queue.connect();
  client.use("slow");
  client.watch("slow");
  for (let job = 0; job < 50; job++) await put(client, spec("x"));
  await client.reserve(0);
  let count = 0;
  const working = (async () => {
    while (await client.reserve(Infinity) !== "TIMED_OUT") count++;
  })();
  for (let ms = 0; ms < 1010; ms++) {
    clock.advance(1);
    await Promise.resolve();
    await Promise.resolve();
  }
  assert.equal(count, 20);
  // The process is held up for ten seconds: the jobs do not all come at once.
  heldUpMs = 10_000;
  clock.advance(60);
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(count, 21);
  client.cancel();
  await working;
  client.close();
  await queue.close();
});

Deno.test("MemoryQueue: a tube that comes back soon has no new bucket", async () => {
  const clock = new ManualClock();
  const rules = { slow: { rate: { intervalMs: 1000, burst: 1 } } };
  const queue = new MemoryQueue(clock, queueOptions({ rules }));
  async function workOnce(): Promise<boolean> {
    const client = queue.connect();
    client.use("slow");
    client.watch("slow");
    const id = await put(client, spec("x"));
    const got = await client.reserve(0) !== "TIMED_OUT";
    await client.delete(id);
    client.close();
    return got;
  }
  assert.equal(await workOnce(), true);
  assert.equal(await workOnce(), false);
  clock.advance(999);
  assert.equal(await workOnce(), false);
  clock.advance(1);
  assert.deepEqual(await queue.connect().listTubes(), ["default"]);
  assert.equal(await workOnce(), true);
  await queue.close();
});

Deno.test("MemoryQueue: other clients get their turns while a tube is flushed, and lose no new job", async () => {
  const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions());
  const client = queue.connect(), other = queue.connect();
  const COUNT = 60_000;
  for (let at = 0; at < COUNT; at += 1000) {
    await client.putBatch(Array.from({ length: 1000 }, (_, job) => (
      spec("x", { priority: (at + job * 7919) % 1000 })
    )));
  }
  const flushed = Promise.resolve(client.flushTube("default"));
  let done = false;
  flushed.then(() => done = true);
  const fresh: number[] = [];
  for (let turns = 0; !done; turns++) {
    // Before, between and behind the others.
    fresh.push(await put(other, spec("new", { priority: 300 * (turns % 5) })));
    await new Promise((resolve) => setTimeout(resolve));
  }
  assert.equal(await flushed, COUNT);
  assert.ok(fresh.length > 3, `${fresh.length} turns`);
  assert.equal((await other.stats()).ready, fresh.length);
  for (const id of fresh) assert.equal((await other.statsJob(id))!.state, "ready");
  assert.equal(await client.moveTube("default", "elsewhere"), fresh.length);
  client.close();
  other.close();
  await queue.close();
});

Deno.test("MemoryQueue: a tube that is emptied while another is moved into it keeps what comes later", async () => {
  let first = 0;
  let meanwhile: unknown;
  // The buried job comes first. The tube is dropped when it is gone, and opened again for the other.
  const between = () => meanwhile ??= [other.delete(first), other.statsTube("other")];
  const queue = new MemoryQueue(new ManualClock({ looks: 1, between }), queueOptions());
  const client = queue.connect(), other = queue.connect();
  first = await put(client, spec("a"));
  await reserve(client);
  await client.bury(first, 0);
  const second = await put(client, spec("b"));
  assert.equal(await client.moveTube("default", "other"), 2);
  assert.deepEqual(meanwhile, [true, null]);
  assert.equal((await other.statsTube("other"))?.ready, 1);
  other.watch("other");
  assert.equal((await reserve(other)).id, second);
});
