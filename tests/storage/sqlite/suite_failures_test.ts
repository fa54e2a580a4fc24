/** The suite of the store, once for every step of the file that can fail. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { createLog } from "../../../lib/log.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import { SqliteLog } from "../../../lib/storage/sqlite/sqlite_log.ts";
import { StorageUnavailableError, type Store } from "../../../lib/storage/store.ts";
import { within } from "../../support/within.ts";
import { AcknowledgedState, RepeatingStore } from "../repeating_store.ts";
import { type Data, type Scenario, storeScenarios } from "../store_suite.ts";
import { type FailingStep, forEachStep } from "./failing_steps.ts";

/** Limit on the time of one run. Far away, since the machine may be busy. */
const RUN_DEADLINE_MS = 120_000;

const quiet = createLog("test", { level: "error", format: "text", sink: () => {} });

/** The data of one run of a test, in which the n-th step fails. */
class FailingData implements Data {
  readonly state = new AcknowledgedState();
  refusals = 0;
  readonly #path: string;
  readonly #step: FailingStep;
  #stores: RepeatingStore[] = [];

  constructor(path: string, step: FailingStep) {
    this.#path = path;
    this.#step = step;
  }

  /** How many steps have failed. */
  get injected(): number {
    return this.#step.injected;
  }

  /** How many calls were refused. */
  get refused(): number {
    return this.#stores.reduce((sum, { refusals }) => sum + refusals, this.refusals);
  }

  async open(): Promise<Store> {
    for (;;) {
      try {
        const store = new RepeatingStore(await this.#tryOpen(), this);
        this.#stores.push(store);
        return store;
      } catch (error) {
        if (!(error instanceof StorageUnavailableError)) throw error;
        this.refusals++;
      }
    }
  }

  /** Opens the file once more, without failures, and compares what is in it. */
  async assertKept(): Promise<void> {
    const log = await SqliteLog.open(this.#path, { log: quiet, reserveBytes: 0 });
    const store = await MemoryStore.open(log, { spaces: 4 });
    await this.state.assertIn(store, "after a restart");
    await store.close();
    await log.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const suffix of ["", "-wal", "-shm", ".lock"]) {
      await Deno.remove(this.#path + suffix).catch(() => {});
    }
  }

  async #tryOpen(): Promise<Store> {
    const log = await SqliteLog.open(this.#path, {
      log: quiet,
      reserveBytes: 0,
      // Nearly every commit starts a snapshot.
      minLogBytes: 1,
      fault: this.#step.fault,
    });
    try {
      const store: Store = await MemoryStore.open(log, { spaces: 4 });
      const close = async () => {
        await MemoryStore.prototype.close.call(store);
        await log.close();
      };
      return Object.assign(store, { close });
    } catch (error) {
      await log.close();
      throw error;
    }
  }
}

/** Runs a test while a step fails; returns how many calls were refused. */
async function runFailing({ run }: Scenario, data: FailingData): Promise<number> {
  const store = await data.open();
  try {
    await within(RUN_DEADLINE_MS, "the test", run(store, data));
  } finally {
    await store.close();
  }
  await data.assertKept();
  return data.refused;
}

Deno.test("Store on sqlite: whichever step fails, a call that is refused can be repeated", async (t) => {
  const directory = await Deno.makeTempDir();
  let refused = 0;
  try {
    for (const scenario of storeScenarios({ durable: true })) {
      await t.step(scenario.behaviour, () =>
        forEachStep(async (step) => {
          await using data = new FailingData(join(directory, "test.db"), step);
          refused += await runFailing(scenario, data);
        }));
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  assert.ok(refused > 10, `${refused} refused calls`);
});
