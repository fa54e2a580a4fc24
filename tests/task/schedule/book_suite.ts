/**
 * The tests that the memory of schedules must pass on every engine.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { JobId, QueueClient } from "../../../lib/task/queue.ts";
import {
  type DueRun,
  MAX_SET_BACK_MS,
  type RunOutcome,
  type ScheduledQueue,
} from "../../../lib/task/schedule/book.ts";
import { reserve, soon, spec } from "../queue_suite.ts";

/** A queue for one test. */
export interface BookSuiteQueue extends AsyncDisposable {
  queue: ScheduledQueue;
}

const TIMING = "every 1m";

/** A run that is due, of a schedule with a tube of the same name. */
export function dueRun(name: string, at: number, changes: Partial<DueRun> = {}): DueRun {
  const job = { tube: name, spec: spec("x") };
  return { name, timing: TIMING, at, job, mayOverlap: false, ...changes };
}

/** Makes a run; returns its outcome and the job of the last run that put one. */
export async function run(queue: ScheduledQueue, due: DueRun): Promise<[RunOutcome, JobId]> {
  const made = await soon(queue.schedules.run(due));
  assert(typeof made === "object", `the run was refused: ${made}`);
  return [made.outcome, made.record.job];
}

/** Tests one engine; the steps share a queue, since opening one is slow. */
export function bookSuite(
  engine: string,
  open: () => Promise<BookSuiteQueue>,
): void {
  Deno.test(`${engine} schedules: runs and their jobs`, async (t) => {
    await using opened = await open();
    const { queue } = opened;
    for (const [what, test] of Object.entries(STEPS)) {
      const name = what.replaceAll(" ", "-");
      const worker = queue.connect();
      worker.watch(name);
      await t.step(what, () => test({ queue, name, worker }));
      worker.close();
    }
  });
}

interface Step {
  queue: ScheduledQueue;
  /** The name of a schedule, and of a tube. */
  name: string;
  /** A client that watches the tube. */
  worker: QueueClient;
}

const STEPS: Record<string, (step: Step) => Promise<void>> = {
  "a new one has no runs before it is opened": async ({ queue, name }) => {
    const { schedules } = queue;
    const [record] = await schedules.open([{ name, timing: TIMING }], 5000);
    assert.deepEqual(record, { timing: TIMING, handledAt: 5000, ranAt: 0, job: 0 });
    assert.deepEqual(await run(queue, dueRun(name, 5000)), ["handled", 0]);
    assert.deepEqual(await schedules.open([{ name, timing: TIMING }], 9000), [record]);
  },

  "a run is made once": async ({ queue, name, worker }) => {
    const [outcome, id] = await run(queue, dueRun(name, 6000));
    assert.equal(outcome, "put");
    assert.deepEqual(await run(queue, dueRun(name, 6000)), ["handled", id]);
    assert.deepEqual(await run(queue, dueRun(name, 5000)), ["handled", id]);
    assert.equal((await reserve(worker)).id, id);
    assert.equal(await soon(worker.reserve(0)), "TIMED_OUT");
    const [record] = await queue.schedules.open([{ name, timing: TIMING }], 7000);
    assert.deepEqual(record, { timing: TIMING, handledAt: 6000, ranAt: 6000, job: id });
  },

  "a waiting worker gets the job at once": async ({ queue, name, worker }) => {
    const pending = reserve(worker);
    const [, id] = await run(queue, dueRun(name, 6000));
    assert.equal((await pending).id, id);
  },

  "an unfinished job skips the next run": async ({ queue, name, worker }) => {
    const [, id] = await run(queue, dueRun(name, 1000));
    assert.deepEqual(await run(queue, dueRun(name, 2000)), ["overlap", id]);
    const [both, second] = await run(queue, dueRun(name, 3000, { mayOverlap: true }));
    assert.deepEqual([both, second > id], ["put", true]);
    assert.equal(await soon(worker.delete(id)), true);
    assert.equal((await reserve(worker)).id, second);
    assert.deepEqual(await run(queue, dueRun(name, 4000)), ["overlap", second]);
    assert.equal(await soon(worker.bury(second, 0)), true);
    const [, third] = await run(queue, dueRun(name, 5000));
    assert.ok(third > second);
    assert.equal((await reserve(worker)).id, third);
    assert.equal(await soon(worker.done(third, "")), true);
    assert.equal((await run(queue, dueRun(name, 6000)))[0], "put");
  },

  "a job can have options": async ({ queue, name, worker }) => {
    const job = { tube: name, spec: spec("x", { options: { attempts: 1 } }) };
    const [, id] = await run(queue, dueRun(name, 1000, { job }));
    assert.equal((await soon(worker.statsJob(id)))!.options!.attempts, 1);
    assert.equal((await reserve(worker)).id, id);
    assert.equal(await soon(worker.fail(id, "no")), "BURIED");
  },

  "a missed run is noted without a job": async ({ queue, name }) => {
    assert.deepEqual(await run(queue, dueRun(name, 1000, { job: null })), ["missed", 0]);
    assert.deepEqual(await run(queue, dueRun(name, 1000)), ["handled", 0]);
  },

  "a new timing starts anew": async ({ queue, name }) => {
    const { schedules } = queue;
    const [, job] = await run(queue, dueRun(name, 1000));
    const changed = [{ name, timing: "every 1h" }];
    const [record] = await schedules.open(changed, 8000);
    assert.deepEqual(record, { timing: "every 1h", handledAt: 8000, ranAt: 1000, job });
    assert.deepEqual(await schedules.open(changed, 9000), [record]);
    // Not back, if the clock was.
    const [earlier] = await schedules.open([{ name, timing: TIMING }], 2000);
    assert.equal(earlier!.handledAt, 8000);
  },

  "runs go on after the clock was far ahead": async ({ queue, name }) => {
    const outcome = async (at: number) =>
      (await run(queue, dueRun(name, at, { mayOverlap: true })))[0];
    assert.equal(await outcome(1000 + MAX_SET_BACK_MS), "put");
    assert.equal(await outcome(1000), "handled");
    assert.equal(await outcome(999), "put");
  },

  "hundreds are opened in their order": async ({ queue }) => {
    const many = Array.from({ length: 300 }, (_, i) => ({ name: `s${i}`, timing: `every ${i}s` }));
    const records = await queue.schedules.open(many, 1000);
    assert.deepEqual(records.map(({ timing }) => timing), many.map(({ timing }) => timing));
  },

  // The last one: this queue takes no more jobs.
  "a queue that drains makes no runs": async ({ queue, name }) => {
    assert.equal(queue.schedules.paused, false);
    queue.drain();
    assert.equal(queue.schedules.paused, true);
    assert.equal(await soon(queue.schedules.run(dueRun(name, 1000))), "DRAINING");
  },
};
