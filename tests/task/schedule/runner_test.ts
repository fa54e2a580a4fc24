import assert from "node:assert/strict";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { valueText } from "../../../lib/storage/value.ts";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import type { QueueLimits } from "../../../lib/task/queue.ts";
import type { ScheduleBook } from "../../../lib/task/schedule/book.ts";
import { ScheduleRunner } from "../../../lib/task/schedule/runner.ts";
import { type Schedule, scheduleOf } from "../../../lib/task/schedule/schedule.ts";
import { TestLog } from "../../support/log.ts";
import { until } from "../../support/within.ts";
import { ManualClock, queueOptions } from "../support.ts";

const SECOND = 1000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

function hourly(changes: Partial<Parameters<typeof scheduleOf>[0]> = {}): Schedule {
  return scheduleOf({
    name: "hourly",
    every: HOUR,
    tube: "work",
    body: "do it",
    priority: 7,
    ttr: MINUTE,
    overlap: "allow",
    missed: "skip",
    ...changes,
  });
}

/** A queue in memory, its schedules, and a clock that the test turns. */
class TestSchedules {
  readonly clock = new ManualClock();
  readonly queue: MemoryQueue;
  readonly logs = new TestLog();
  runner!: ScheduleRunner;

  constructor(limits: Partial<QueueLimits> = {}) {
    this.queue = new MemoryQueue(this.clock, queueOptions({ limits }));
    // Just after a full hour.
    this.clock.advance(HOUR - this.clock.now() % HOUR + 1000);
  }

  /** Starts a runner, as a daemon does. */
  async start(
    schedules: Schedule[] = [hourly()],
    book: ScheduleBook = this.queue.schedules,
  ): Promise<this> {
    this.runner = new ScheduleRunner(schedules, { book, clock: this.clock, log: this.logs.log });
    this.runner.start();
    return await this.pass(0);
  }

  /** Lets time pass, and then lets the runner look. */
  async pass(ms: number): Promise<this> {
    this.clock.jump(ms);
    const { timersSet } = this.clock;
    this.clock.fireNext();
    await until("the runner sleeps again", () => this.clock.timersSet > timersSet);
    return this;
  }

  /** How many jobs there are in the tube. */
  get jobs(): number {
    return this.queue.metrics().tubes.find(({ name }) => name === "work")?.ready ?? 0;
  }

  get state() {
    return this.runner.states[0]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runner.stop();
    await this.queue.close();
  }
}

Deno.test("ScheduleRunner: puts the job of each run once", async () => {
  await using test = await new TestSchedules().start([hourly({ attempts: 4 })]);
  assert.equal(test.jobs, 0);
  await test.pass(HOUR);
  assert.equal(test.jobs, 1);
  await test.pass(10 * SECOND);
  assert.equal(test.jobs, 1);
  await test.pass(HOUR);
  assert.equal(test.jobs, 2);
  const client = test.queue.connect();
  client.use("work");
  const job = (await client.peekState("ready"))!;
  assert.equal(valueText(job.body), "do it");
  const { priority, ttrMs, options } = (await client.statsJob(job.id))!;
  assert.deepEqual([priority, ttrMs, options?.attempts], [7, MINUTE, 4]);
  client.close();
});

Deno.test("ScheduleRunner: a run is made at its time, to the millisecond", async () => {
  await using test = await new TestSchedules().start();
  await test.pass(HOUR - 4 * SECOND);
  assert.equal(test.jobs, 0);
  const due = test.state.nextAt! - test.clock.now();
  assert.equal(due, 3 * SECOND);
  test.clock.advance(due - 1);
  assert.equal(test.jobs, 0);
  test.clock.advance(1);
  await until("the job is there", () => test.jobs === 1);
});

Deno.test("ScheduleRunner: a quick restart neither loses nor repeats a run", async () => {
  await using test = await new TestSchedules().start();
  await test.pass(HOUR);
  await test.runner.stop();
  await test.start();
  await test.pass(MINUTE);
  assert.equal(test.jobs, 1);
  await test.runner.stop();
  // Down at the full hour, for less than a minute.
  test.clock.jump(HOUR - MINUTE + 30 * SECOND);
  await test.start();
  assert.equal(test.jobs, 2);
});

Deno.test("ScheduleRunner: makes up for missed runs with one job, or with none", async () => {
  for (const [missed, jobs] of [["skip", 0], ["once", 1]] as const) {
    await using test = await new TestSchedules().start([hourly({ missed })]);
    await test.runner.stop();
    test.clock.jump(10 * HOUR + 30 * MINUTE);
    await test.start([hourly({ missed })]);
    assert.equal(test.jobs, jobs, missed);
    await test.pass(10 * SECOND);
    assert.equal(test.jobs, jobs, missed);
    await test.pass(HOUR / 2);
    assert.equal(test.jobs, jobs + 1, missed);
    assert.equal(test.logs.matching("Missed a run").length, 1 - jobs, missed);
  }
});

Deno.test("ScheduleRunner: a clock that jumps ahead causes no flood", async () => {
  const often = () => hourly({ every: SECOND, missed: "once" });
  await using test = await new TestSchedules().start([often()]);
  await test.pass(24 * HOUR);
  assert.equal(test.jobs, 1);
});

Deno.test("ScheduleRunner: a clock that is set back repeats nothing, and does not stop it", async () => {
  await using test = await new TestSchedules().start();
  await test.pass(HOUR);
  assert.equal(test.jobs, 1);
  await test.pass(-HOUR / 2);
  await test.pass(HOUR / 2);
  assert.equal(test.jobs, 1);
  await test.pass(HOUR);
  assert.equal(test.jobs, 2);
  // It was wrong by years: the schedule goes on from now.
  await test.pass(-30_000 * HOUR);
  await test.pass(HOUR);
  assert.equal(test.jobs, 3);
  await test.pass(HOUR);
  assert.equal(test.jobs, 4);
});

Deno.test("ScheduleRunner: skips a run while the job of the last one is unfinished", async () => {
  await using test = await new TestSchedules().start([hourly({ overlap: "skip" })]);
  await test.pass(HOUR);
  await test.pass(HOUR);
  assert.equal(test.jobs, 1);
  assert.deepEqual(test.state.counts, { put: 1, overlap: 1, missed: 0, failed: 0 });
  assert.equal(test.logs.matching("Skipped a run").length, 1);
  const worker = test.queue.connect();
  worker.watch("work");
  const job = await worker.reserve(0);
  assert(typeof job === "object");
  await test.pass(HOUR);
  assert.equal(test.jobs, 0);
  // A buried job may stay for ever, and must not stop the schedule.
  worker.bury(job.id, 0);
  await test.pass(HOUR);
  assert.equal(test.jobs, 1);
  worker.close();
});

Deno.test("ScheduleRunner: tries a refused run again, until its next run is due", async () => {
  await using test = await new TestSchedules({ maxJobs: 1 }).start();
  const client = test.queue.connect();
  const other = client.put({ priority: 0, delayMs: 0, ttrMs: MINUTE, body: "x" });
  await test.pass(HOUR);
  for (let tries = 1; tries < 5; tries++) await test.pass(2 * MINUTE);
  assert.equal(test.jobs, 0);
  assert.equal(test.state.counts.failed, 5);
  assert.equal(test.logs.matching("Cannot put the job").length, 1);
  client.delete(other as number);
  await test.pass(2 * MINUTE);
  assert.equal(test.jobs, 1);
  assert.equal(test.logs.matching("Made a run late").length, 1);
  // Two more are refused. The second takes the place of the first, so they make one job.
  await test.pass(50 * MINUTE);
  await test.pass(HOUR);
  assert.equal(test.logs.matching("Cannot put the job").length, 3);
  client.use("work");
  client.delete((await client.peekState("ready"))!.id);
  await test.pass(2 * MINUTE);
  assert.deepEqual([test.jobs, test.state.counts.put, test.state.tries], [1, 2, 0]);
  client.close();
});

Deno.test("ScheduleRunner: waits for a storage that cannot be used yet", async () => {
  const test = new TestSchedules();
  const { schedules } = test.queue;
  let down = true;
  const book: ScheduleBook = {
    paused: false,
    open: (...given) => {
      if (down) return Promise.reject(new StorageUnavailableError("it is down"));
      return schedules.open(...given);
    },
    run: (run) => {
      if (down) return Promise.reject(new StorageUnavailableError("it is down"));
      return schedules.run(run);
    },
  };
  await using _test = await test.start([hourly()], book);
  await test.pass(MINUTE);
  assert.equal(test.state.record, undefined);
  assert.equal(test.logs.matching("Cannot read schedules").length, 1);
  down = false;
  await test.pass(MINUTE);
  assert.notEqual(test.state.record, undefined);
  down = true;
  await test.pass(HOUR);
  assert.equal(test.state.counts.failed, 1);
  down = false;
  await test.pass(2 * MINUTE);
  assert.equal(test.jobs, 1);
});

Deno.test("ScheduleRunner: pauses while the queue refuses jobs on request", async () => {
  await using test = await new TestSchedules().start();
  test.queue.drain();
  await test.pass(HOUR);
  await test.pass(MINUTE);
  assert.deepEqual(test.state.counts, { put: 0, overlap: 0, missed: 0, failed: 0 });
  assert.equal(test.logs.matching("Cannot put").length, 0);
});

Deno.test("ScheduleRunner: other schedules take over, and those that stay go on", async () => {
  const monthly = hourly({ name: "monthly", every: 720 * HOUR });
  await using test = await new TestSchedules().start([hourly(), monthly]);
  await test.pass(HOUR);
  assert.equal(test.jobs, 1);
  const { record } = test.state;
  // The daemon looks at once, and not when the next run is due.
  test.runner.setSchedules([hourly({ body: "other", priority: 3 }), hourly({ name: "new" })]);
  await test.pass(0);
  assert.deepEqual(test.state.record, record, "its last run is remembered");
  assert.equal(test.state.counts.put, 1);
  assert.equal(test.runner.states[1]!.record!.ranAt, 0);
  assert.deepEqual([...test.queue.schedules.records.keys()].sort(), ["hourly", "new"]);
  await test.pass(HOUR);
  assert.equal(test.jobs, 3);
  const client = test.queue.connect();
  client.use("work");
  assert.equal((await client.statsJob((await client.peekState("ready"))!.id))!.priority, 3);
  // Another timing starts anew: nothing is due for the time before it.
  test.clock.jump(30 * MINUTE);
  test.runner.setSchedules([hourly({ every: 10 * MINUTE })]);
  await test.pass(0);
  assert.equal(test.jobs, 3);
  await test.pass(10 * MINUTE);
  assert.equal(test.jobs, 4);
  test.runner.setSchedules([]);
  await test.pass(0);
  await test.pass(HOUR);
  assert.equal(test.jobs, 4);
  client.close();
});

Deno.test("ScheduleRunner: schedules that change during a run take over after it", async () => {
  const test = new TestSchedules();
  await using _test = test;
  const gate = Promise.withResolvers<void>();
  const { schedules } = test.queue;
  const book: ScheduleBook = {
    get paused() {
      return schedules.paused;
    },
    open: (all, now) => schedules.open(all, now),
    run: async (run) => {
      await gate.promise;
      return await schedules.run(run);
    },
  };
  await test.start([hourly()], book);
  test.clock.jump(HOUR);
  test.clock.fireNext();
  test.runner.setSchedules([hourly({ name: "next", every: 2 * HOUR })]);
  assert.equal(test.runner.states[0]!.schedule.name, "hourly");
  gate.resolve();
  await until(
    "the next look is planned",
    () => test.jobs === 1 && test.runner.states[0]!.lookAt > 0,
  );
  await test.pass(0);
  assert.deepEqual(test.runner.states.map(({ schedule }) => schedule.name), ["next"]);
});

Deno.test("ScheduleRunner: a thousand schedules at the same moment", async () => {
  const many = Array.from({ length: 1000 }, (_, i) => hourly({ name: `schedule-${i}` }));
  await using test = await new TestSchedules().start(many);
  await test.pass(HOUR);
  assert.equal(test.jobs, 1000);
});
