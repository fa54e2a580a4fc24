import assert from "node:assert/strict";
import { MAX_TIMER_MS, steadyClock, SYSTEM_CLOCK } from "../../lib/task/clock.ts";
import { ManualClock } from "./support.ts";

const HOUR = 3_600_000;

/** A machine whose wall clock can be set, and which can be suspended. */
class Machine {
  /** Time while it is awake. */
  readonly awake = new ManualClock();
  wallAheadMs = 0;

  readonly clock = steadyClock({
    steady: () => this.awake.now(),
    wall: () => this.awake.now() + this.wallAheadMs,
    timer: (ms, call) => this.awake.after(ms, call),
  });
}

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

Deno.test("steadyClock: a delay that ends while the machine is suspended ends soon afterwards", () => {
  const machine = new Machine();
  let called = 0;
  machine.clock.after(2 * HOUR, () => called++);
  machine.awake.advance(HOUR);
  const before = machine.clock.now();
  // Suspended for 59 minutes: only the wall clock goes on.
  machine.wallAheadMs = HOUR - 60_000;
  assert.equal(machine.clock.now() - before, HOUR - 60_000);
  machine.awake.advance(60_000 - 1);
  assert.equal(called, 0);
  machine.awake.advance(1);
  assert.equal(called, 1);

  machine.clock.after(HOUR, () => called++);
  machine.wallAheadMs += 5 * HOUR;
  machine.awake.advance(MAX_TIMER_MS);
  assert.equal(called, 2);
});

Deno.test("steadyClock: setting the wall clock back delays nothing", () => {
  const machine = new Machine();
  let called = 0;
  machine.clock.after(10_000, () => called++);
  machine.awake.advance(5_000);
  const before = machine.clock.now();
  machine.wallAheadMs = -HOUR;
  assert.equal(machine.clock.now(), before);
  machine.awake.advance(5_000);
  assert.equal(called, 1);
});

Deno.test("steadyClock: a timer that is cancelled between two looks is not called", () => {
  const machine = new Machine();
  const stop = machine.clock.after(HOUR, () => assert.fail("called after it was stopped"));
  machine.awake.advance(HOUR / 2);
  stop();
  machine.awake.advance(HOUR);
});
