import assert from "node:assert/strict";
import { SYSTEM_CLOCK } from "../../lib/task/clock.ts";

const MAX_TIMER_MS = 2 ** 31 - 1;

Deno.test("SYSTEM_CLOCK: a delay longer than one timer takes several", async () => {
  const { setTimeout: start } = globalThis;
  const delaysMs: number[] = [];
  // Every timer fires at once, and its delay is recorded.
  globalThis.setTimeout = ((call: () => void, ms: number) => {
    delaysMs.push(ms);
    return start(call, 0);
  }) as typeof setTimeout;
  try {
    await new Promise<void>((resolve) => SYSTEM_CLOCK.after(2 * MAX_TIMER_MS + 5, resolve));
    assert.deepEqual(delaysMs, [MAX_TIMER_MS, MAX_TIMER_MS, 5]);
    const stop = SYSTEM_CLOCK.after(2 ** 55, () => assert.fail("called after it was stopped"));
    await new Promise((resolve) => start(resolve, 20));
    stop();
  } finally {
    globalThis.setTimeout = start;
  }
});
