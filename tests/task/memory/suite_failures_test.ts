/** The suite of the queue, once for every step of the file that can fail. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { SqliteLog } from "../../../lib/storage/sqlite/sqlite_log.ts";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { SYSTEM_CLOCK } from "../../../lib/task/clock.ts";
import { LogJournal } from "../../../lib/task/memory/log_journal.ts";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import { type FailingStep, forEachStep } from "../../storage/sqlite/failing_steps.ts";
import { within } from "../../support/within.ts";
import { type QueueScenario, queueScenarios, type SuiteOptions } from "../queue_suite.ts";
import { AcknowledgedJobs, RepeatingQueue } from "../repeating_queue.ts";
import { queueOptions, SILENT_LOG } from "../support.ts";

/** Limit on the time of one run. Far away, since the machine may be busy. */
const RUN_DEADLINE_MS = 180_000;

/** Opens a queue in a file, again and again if that fails; `step` is to fail. */
async function open(
  path: string,
  options: SuiteOptions,
  { step, jobs }: { step?: FailingStep; jobs: AcknowledgedJobs },
) {
  for (;;) {
    const log = await SqliteLog.open(path, {
      log: SILENT_LOG,
      reserveBytes: 0,
      minLogBytes: 1,
      ...(step === undefined ? {} : { fault: step.fault }),
    });
    const journal = new LogJournal(log);
    const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions(options), journal);
    try {
      await journal.load(queue.scheduler, queue.schedules.records);
    } catch (error) {
      await log.close();
      if (!(error instanceof StorageUnavailableError)) throw error;
      jobs.refusals++;
      continue;
    }
    const dispose = async () => {
      // What clients await has succeeded; the rest may fail.
      await queue.close().catch(() => {});
      // Each job that is gone has returned its memory, once.
      assert.equal(queue.scheduler.memory.jobs, queue.scheduler.jobs.size);
      await log.close();
    };
    return { queue, journal, [Symbol.asyncDispose]: dispose };
  }
}

/** Runs a test while a step fails; then everything acknowledged must be in the file. */
async function runFailing(
  { run, options }: QueueScenario,
  { path, step, jobs }: { path: string; step: FailingStep; jobs: AcknowledgedJobs },
): Promise<void> {
  {
    await using opened = await open(path, options, { step, jobs });
    const { queue, journal } = opened;
    await run(new RepeatingQueue(queue, { jobs, failing: () => journal.failing }));
  }
  await using again = await open(path, {}, { jobs });
  await jobs.assertIn(again.queue);
}

Deno.test("LogJournal: whichever step fails, a call that is refused can be repeated", async (t) => {
  const directory = await Deno.makeTempDir();
  let refusals = 0;
  let files = 0;
  try {
    for (const scenario of queueScenarios()) {
      await t.step(scenario.name, () =>
        forEachStep(async (step) => {
          const jobs = new AcknowledgedJobs();
          const path = join(directory, `${files++}.db`);
          await within(RUN_DEADLINE_MS, "the test", runFailing(scenario, { path, step, jobs }));
          refusals += jobs.refusals;
        }));
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  assert.ok(refusals > 5, `${refusals} refused calls`);
});
