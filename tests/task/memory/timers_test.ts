import assert from "node:assert/strict";
import { type Timed, Timers } from "../../../lib/task/memory/timers.ts";
import { ManualClock } from "../support.ts";

class Alarm implements Timed {
  dueAt = 0;
  timerPlace = -1;
  rang: number[] = [];

  due(now: number): void {
    this.rang.push(now);
  }
}

Deno.test("Timers: fire once, at their time and in order", () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  const start = clock.now();
  const early = new Alarm(), late = new Alarm();
  timers.set(late, start + 2000);
  timers.set(early, start + 1000);
  clock.advance(999);
  assert.deepEqual(early.rang, []);
  clock.advance(1);
  assert.deepEqual(early.rang, [start + 1000]);
  clock.advance(5000);
  assert.deepEqual(late.rang, [start + 2000]);
  assert.deepEqual(early.rang, [start + 1000]);
  assert.equal(timers.size, 0);
});

Deno.test("Timers: a deadline that is postponed or cleared does not fire at its old time", () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  const start = clock.now();
  const putOff = new Alarm(), takenBack = new Alarm();
  timers.set(putOff, start + 100);
  timers.set(takenBack, start + 100);
  timers.set(putOff, start + 300);
  timers.clear(takenBack);
  clock.advance(200);
  assert.deepEqual(putOff.rang, []);
  clock.advance(100);
  assert.deepEqual(putOff.rang, [start + 300]);
  assert.deepEqual(takenBack.rang, []);
});

Deno.test("Timers: 100 000 deadlines need only a few system timers", () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  const alarms = Array.from({ length: 100_000 }, () => new Alarm());
  for (const alarm of alarms) timers.set(alarm, clock.now() + 1000);
  assert.equal(clock.timersSet, 1);
  clock.advance(1000);
  assert(alarms.every((alarm) => alarm.rang.length === 1));
  assert(clock.timersSet < 100, `${clock.timersSet} timers were set`);
});

Deno.test("Timers: do not fire after close()", () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  const alarm = new Alarm();
  timers.set(alarm, clock.now() + 10);
  timers.close();
  clock.advance(100);
  assert.deepEqual(alarm.rang, []);
});
