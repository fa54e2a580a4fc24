/** The suite of the queue, once for every statement and every commit that can fail. */

import assert from "node:assert/strict";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { PostgresQueue } from "../../../lib/task/postgres/queue.ts";
import { keepDatabase, type KeptDatabase } from "../../support/kept_database.ts";
import { usePostgres } from "../../support/postgres.ts";
import { until, within } from "../../support/within.ts";
import { put, reserve, soon, spec } from "../suite_support.ts";
import { type QueueScenario, queueScenarios, type SuiteOptions } from "../queue_suite.ts";
import { AcknowledgedJobs } from "../repeating_queue.ts";
import { queueOptions, SILENT_LOG } from "../support.ts";
import { FACTOR, FailingStatement, forEachStatement } from "./failing_statements.ts";
import { TASK_TABLES } from "./kept_tables.ts";
import { repeatingCalls } from "./repeating_calls.ts";

/** Limit on the time of one run. Far away, since the machine may be busy. */
const RUN_DEADLINE_MS = 120_000;

/** How many tests of the suite run at a time; all of them do with QUARTET_TEST_FACTOR above 1. */
const SAMPLED_SCENARIOS = 6;

const server = usePostgres();

/** Opens a queue in a database, again and again if that fails; `step` is to fail. */
async function open(
  kept: KeptDatabase,
  options: SuiteOptions,
  { step, jobs }: { step?: FailingStatement; jobs: AcknowledgedJobs },
) {
  for (;;) {
    try {
      const queue = await PostgresQueue.open(kept.open(step?.wrap), {
        options: queueOptions(options),
        log: SILENT_LOG,
      });
      return { queue, [Symbol.asyncDispose]: () => queue.close() };
    } catch (error) {
      if (step === undefined || step.injected === 0) throw error;
      jobs.refusals++;
    }
  }
}

/** Runs a test while a statement fails; then everything acknowledged must be in the database. */
async function runFailing(
  { run, options }: QueueScenario,
  { kept, step, jobs }: { kept: KeptDatabase; step: FailingStatement; jobs: AcknowledgedJobs },
): Promise<void> {
  await kept.empty();
  {
    await using opened = await open(kept, options, { step, jobs });
    await run(repeatingCalls(opened.queue, jobs));
  }
  await using again = await open(kept, {}, { jobs });
  await jobs.assertIn(again.queue);
}

Deno.test("postgres queue: whichever statement fails, a call that is refused can be repeated", async (t) => {
  await using kept = await keepDatabase(await server.createDatabase(), TASK_TABLES);
  let injected = 0;
  const all = queueScenarios();
  const some = FACTOR > 1 ? all : all.sort(() => Math.random() - 0.5).slice(0, SAMPLED_SCENARIOS);
  for (const scenario of some) {
    await t.step(scenario.name, () =>
      forEachStatement(async (step) => {
        const jobs = new AcknowledgedJobs();
        await within(RUN_DEADLINE_MS, "the test", runFailing(scenario, { kept, step, jobs }));
        injected += step.injected;
      }));
  }
  assert.ok(injected > 0);
});

Deno.test("postgres queue: a refused statement does not end the queue, for clients old and new", async () => {
  const step = new FailingStatement(Infinity);
  const jobs = new AcknowledgedJobs();
  await using kept = await keepDatabase(await server.createDatabase(), TASK_TABLES);
  await using opened = await open(kept, {}, { step, jobs });
  const { queue } = opened;
  const worker = queue.connect(), other = repeatingCalls(queue, jobs).connect();
  const id = await put(worker, spec("x"));
  for (const ask of [() => worker.peek(id), () => worker.statsJob(id), () => worker.kick(9)]) {
    step.failNext();
    // The regular poll may take the failure instead.
    await soon(Promise.resolve(ask())).catch((error) => {
      assert.ok(error instanceof StorageUnavailableError, String(error));
    });
    assert.equal((await other.statsJob(id))?.state, "ready");
  }

  // A worker that leaves now gives its job back as soon as the database works.
  await reserve(worker);
  step.failNext();
  worker.close();
  await until("it was refused", () => step.injected === 2);
  assert.equal((await reserve(other, 20_000)).id, id);
  other.close();
});
