/** The suite of the store, once for every step of the file that can fail. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { createLog } from "../../../lib/log.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import type { Fault } from "../../../lib/storage/sqlite/fault.ts";
import { SqliteLog } from "../../../lib/storage/sqlite/sqlite_log.ts";
import { StorageUnavailableError, type Store } from "../../../lib/storage/store.ts";
import { within } from "../../support/within.ts";
import { AcknowledgedState, RepeatingStore } from "../repeating_store.ts";
import { type Data, type Scenario, storeScenarios } from "../store_suite.ts";

/** Limit on the time of one run. Far away, since the machine may be busy. */
const RUN_DEADLINE_MS = 120_000;

/** If greater than 1, every step of each test fails once; otherwise one of the first steps. */
const FACTOR = Number(Deno.env.get("QUARTET_TEST_FACTOR") ?? 1);
const SAMPLED_STEPS = 10;

/** SQLite's result codes: a disk with an error, a file that must be reopened, a full disk. */
const CODES = [10, 14, 13];

const quiet = createLog("test", { level: "error", format: "text", sink: () => {} });

/** The data of one run of a test, in which the n-th step fails. */
class FailingData implements Data {
  readonly state = new AcknowledgedState();
  refusals = 0;
  readonly #path: string;
  readonly #fault: Extract<Fault, { action: "fail" }>;
  readonly #passes = new SharedArrayBuffer(4);
  #stores: RepeatingStore[] = [];

  constructor(path: string, at: number) {
    this.#path = path;
    const code = CODES[at % CODES.length]!;
    const times = 1 + at % 2;
    this.#fault = { point: "any", action: "fail", at, times, code, passes: this.#passes };
  }

  /** How many steps there were. */
  get steps(): number {
    return new Int32Array(this.#passes)[0]!;
  }

  /** How many of them have failed. */
  get injected(): number {
    const { at, times } = this.#fault;
    return Math.min(times!, Math.max(0, this.steps - at + 1));
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
      fault: this.#fault,
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

/** Runs a test with the n-th step failing. */
async function runFailing(
  { behaviour, run }: Scenario,
  { directory, at }: { directory: string; at: number },
): Promise<FailingData> {
  await using data = new FailingData(join(directory, `${at}.db`), at);
  try {
    const store = await data.open();
    try {
      await within(RUN_DEADLINE_MS, "the test", run(store, data));
    } finally {
      await store.close();
    }
    await data.assertKept();
  } catch (error) {
    throw new Error(`${behaviour}: with step ${at} failing`, { cause: error });
  }
  return data;
}

/** Runs a test, once for each step that is to fail; returns how many calls were refused. */
async function runAll(scenario: Scenario, directory: string): Promise<number> {
  if (FACTOR === 1) {
    const at = 1 + Math.floor(SAMPLED_STEPS * Math.random());
    return (await runFailing(scenario, { directory, at })).refused;
  }
  let refused = 0;
  for (let at = 1;; at++) {
    const run = await runFailing(scenario, { directory, at });
    refused += run.refused;
    if (run.injected === 0) return refused;
  }
}

Deno.test("Store on sqlite: whichever step fails, a call that is refused can be repeated", async (t) => {
  const directory = await Deno.makeTempDir();
  let refused = 0;
  try {
    for (const scenario of storeScenarios({ durable: true })) {
      await t.step(scenario.behaviour, async () => {
        refused += await runAll(scenario, directory);
      });
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  assert.ok(refused > 10, `${refused} refused calls`);
});
