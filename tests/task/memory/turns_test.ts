/**
 * No client can keep others from their turns. A turn ends here when work has asked ten times
 * whether it is over, so the tests see how much is done without asking, however fast the machine
 * is.
 */

import assert from "node:assert/strict";
import { MAX_HAND_OUTS } from "../../../lib/task/memory/hand_out.ts";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import type { QueueClient } from "../../../lib/task/queue.ts";
import { nextTurn } from "../../../lib/turn.ts";
import { until } from "../../support/within.ts";
import { put, reserve, spec } from "../queue_suite.ts";
import { ManualClock, queueOptions } from "../support.ts";

const LOOKS = 10;
const JOBS = 200;

/** A queue, and what is counted between turns. */
function manual(count: (queue: MemoryQueue) => number = () => 0, onTurn = () => {}) {
  const seen: number[] = [];
  const between = () => {
    seen.push(count(queue));
    onTurn();
  };
  const clock = new ManualClock({ looks: LOOKS, between });
  const queue = new MemoryQueue(clock, queueOptions());
  return { clock, queue, seen };
}

/** Asserts that numbers go from one to another in steps, none of them large. */
function assertSteps(seen: readonly number[], from: number, to: number, most = LOOKS): void {
  const all = [from, ...seen, to];
  for (const [index, number] of all.slice(1).entries()) {
    const step = Math.abs(number - all[index]!);
    assert(step <= most, `a step of ${step} in ${all.join(" ")}`);
  }
  assert(all.length > 3, `there were no turns: ${all.join(" ")}`);
}

async function putMany(client: QueueClient, changes: Partial<ReturnType<typeof spec>> = {}) {
  for (let index = 0; index < JOBS; index++) {
    await put(client, { ...spec(`body ${index}`), ...changes });
  }
}

Deno.test("MemoryQueue: a long kick is done in turns, and keeps what is put and buried meanwhile", async () => {
  let meanwhile = () => {};
  const { queue, seen } = manual((queue) => queue.stats().ready, () => meanwhile());
  const client = queue.connect(), other = queue.connect();
  await putMany(client);
  for (let index = 0; index < JOBS; index++) await client.bury((await reserve(client)).id, 0);
  const buried: number[] = [];
  let puts = 0;
  meanwhile = () => {
    const job = other.reserve(0) as { id: number };
    other.bury(job.id, 0);
    buried.push(job.id);
    other.put(spec("put meanwhile"));
    puts++;
  };
  assert.equal(await client.kick(1_000_000), JOBS);
  meanwhile = () => {};
  assertSteps(seen, 0, JOBS, LOOKS + 1);
  assert(puts > 5);
  const { ready, buried: left } = queue.stats();
  assert.deepEqual([ready, left], [JOBS, buried.length]);
  assert.equal(puts, buried.length);
  assert.equal((await client.peekState("buried"))!.id, buried[0]);
});

Deno.test("MemoryQueue: a kick of fewer jobs than there are stops in time", async () => {
  const { queue } = manual();
  const client = queue.connect();
  await putMany(client, { delayMs: 60_000 });
  assert.equal(await client.kick(3), 3);
  assert.equal(await client.kick(55), 55);
  assert.equal(queue.stats().ready, 58);
});

Deno.test("MemoryQueue: the jobs of a client that leaves come back in turns", async () => {
  const { queue, seen } = manual((queue) => queue.stats().reserved);
  const client = queue.connect();
  await putMany(client);
  assert.equal((await client.reserveBatch(JOBS, 0)).length, JOBS);
  seen.length = 0;
  client.close();
  await until("all jobs have come back", () => queue.stats().reserved === 0);
  assertSteps(seen, JOBS, 0);
  assert.equal(queue.stats().ready, JOBS);
});

Deno.test("MemoryQueue: a long batch is reserved in turns, and has the bodies of jobs that are gone since", async () => {
  let meanwhile = () => {};
  const { clock, queue, seen } = manual((queue) => queue.stats().reserved, () => meanwhile());
  const client = queue.connect(), other = queue.connect();
  await putMany(client, { ttrMs: 5000 });
  meanwhile = () => {
    meanwhile = () => {};
    clock.pass(5000);
    clock.fireNext();
    for (const id of [1, 5]) other.delete(id);
    other.put(spec("another body"));
  };
  const jobs = await client.reserveBatch(JOBS - 50, 0);
  assert(typeof jobs !== "string");
  assert.deepEqual(jobs.slice(0, LOOKS).map(({ id, body }) => [id, body]), [
    ...Array.from({ length: LOOKS }, (_, index) => [index + 1, `body ${index}`]),
  ]);
  assert.equal(jobs.length, JOBS - 50);
  assertSteps(seen.slice(1), seen[0]!, queue.stats().reserved, 2 * LOOKS);
});

Deno.test("MemoryQueue: a client that leaves while it reserves a batch keeps nothing", async () => {
  let meanwhile = () => {};
  const { queue } = manual(() => 0, () => meanwhile());
  const client = queue.connect();
  await putMany(client);
  meanwhile = () => client.close();
  assert((await client.reserveBatch(JOBS, 0)).length <= 2 * LOOKS);
  await until("all jobs have come back", () => queue.stats().reserved === 0);
  assert.equal(queue.stats().ready, JOBS);
});

Deno.test("MemoryQueue: many waiting clients get jobs in turns when a pause ends", async () => {
  const onTurn = () => producer.put(spec("put meanwhile"));
  const { clock, queue, seen } = manual((queue) => queue.stats().waiting, () => onTurn());
  const producer = queue.connect();
  await putMany(producer);
  await producer.pauseTube("default", 1000);
  const served: number[] = [];
  const pending = Array.from({ length: JOBS }, async (_, index) => {
    await queue.connect().reserve(Infinity);
    served.push(index);
  });
  clock.advance(1000);
  await Promise.all(pending);
  assertSteps(seen, JOBS, 0);
  assert.deepEqual(served, Array.from({ length: JOBS }, (_, index) => index));
});

Deno.test("MemoryQueue: no turn gives jobs to more clients than can be answered in one", async () => {
  const seen: number[] = [];
  // Here it is never the time that ends a turn.
  const clock = new ManualClock({ between: () => seen.push(queue.stats().waiting) });
  const queue = new MemoryQueue(clock, queueOptions());
  const producer = queue.connect();
  await putMany(producer);
  await producer.pauseTube("default", 1000);
  const pending = Array.from({ length: JOBS }, async () => {
    await queue.connect().reserve(Infinity);
  });
  clock.advance(1000);
  await Promise.all(pending);
  assertSteps(seen, JOBS, 0, MAX_HAND_OUTS);
});

Deno.test("MemoryQueue: jobs that are due at once become ready in turns, and no wait is late for them", async () => {
  const { clock, queue } = manual();
  const client = queue.connect(), other = queue.connect();
  await putMany(client, { delayMs: 1000 });
  other.watch("empty");
  other.ignore("default");
  let answer: unknown;
  void Promise.resolve(other.reserve(1001)).then((got) => answer = got);
  clock.pass(1001);
  const ready: number[] = [];
  while (queue.stats().ready < JOBS) {
    clock.fireNext();
    ready.push(queue.stats().ready);
    await Promise.resolve();
    if (ready.length === 2) assert.equal(answer, "TIMED_OUT");
  }
  assertSteps(ready, 0, JOBS);
});

for (
  const { name, begin } of [
    { name: "a flush", begin: (client: QueueClient) => client.flushTube("default") },
    { name: "a move", begin: (client: QueueClient) => client.moveTube("default", "other") },
    {
      name: "the release of held jobs",
      begin: (client: QueueClient) => client.done(1, ""),
    },
  ]
) {
  Deno.test(`MemoryQueue.close() ends ${name} where it is`, async () => {
    const closed = Promise.withResolvers<void>();
    const { queue } = manual(() => 0, () => closed.resolve(queue.close()));
    const client = queue.connect();
    const first = await put(client, spec("first"));
    await putMany(client, { options: { after: [first] } });
    await reserve(client);
    void begin(client);
    await closed.promise;
    const left = queue.metrics().tubes;
    const { held } = left.find(({ name }) => name === "default")!;
    assert(held > 0 && held < JOBS, `${held} jobs are left`);
    for (let turns = 0; turns < 3; turns++) await nextTurn();
    assert.deepEqual(queue.metrics().tubes, left);
  });
}

Deno.test("MemoryQueue: results that expire at once are dropped in turns", async () => {
  const { clock, queue } = manual();
  const client = queue.connect();
  await putMany(client);
  for (let left = JOBS; left > 0; left--) await client.done((await reserve(client)).id, "result");
  clock.pass(3_600_000);
  const left: number[] = [];
  while (queue.stats().results > 0) {
    clock.fireNext();
    left.push(queue.stats().results);
  }
  assertSteps(left, JOBS, 0, 16 * LOOKS);
});
