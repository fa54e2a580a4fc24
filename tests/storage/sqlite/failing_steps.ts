/**
 * Failures at the n-th step of a SQLite file, for suites that run once for each n.
 *
 * @module
 */

import type { Fault } from "../../../lib/storage/sqlite/fault.ts";

/** If greater than 1, every step of each test fails once; otherwise one of the first steps. */
const FACTOR = Number(Deno.env.get("QUARTET_TEST_FACTOR") ?? 1);
const SAMPLED_STEPS = 10;

/** SQLite's result codes: a disk with an error, a file that must be reopened, a full disk. */
const CODES = [10, 14, 13];

/** The n-th step of a file fails, once or twice, however often the file is opened. */
export class FailingStep {
  readonly fault: Extract<Fault, { action: "fail" }>;
  readonly #passes = new SharedArrayBuffer(4);

  constructor(at: number) {
    const code = CODES[at % CODES.length]!;
    this.fault = {
      point: "any",
      action: "fail",
      at,
      times: 1 + at % 2,
      code,
      passes: this.#passes,
    };
  }

  /** How many steps have failed. */
  get injected(): number {
    const { at, times } = this.fault;
    const passes = new Int32Array(this.#passes)[0]!;
    return Math.min(times!, Math.max(0, passes - at + 1));
  }
}

/** Calls a function for each step that is to fail, until none has failed in it. */
export async function forEachStep(run: (step: FailingStep) => Promise<void>): Promise<void> {
  const sample = 1 + Math.floor(SAMPLED_STEPS * Math.random());
  for (let at = FACTOR > 1 ? 1 : sample;; at++) {
    const step = new FailingStep(at);
    try {
      await run(step);
    } catch (error) {
      throw new Error(`with step ${at} failing`, { cause: error });
    }
    if (FACTOR === 1 || step.injected === 0) return;
  }
}
