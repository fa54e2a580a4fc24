import assert from "node:assert/strict";
import { MAX_SET_BACK_MS } from "../../../lib/task/schedule/book.ts";
import { afterSetBack, MISSED_AFTER_MS, planSchedule } from "../../../lib/task/schedule/plan.ts";
import { intervalTimetable } from "../../../lib/task/schedule/timetable.ts";

const HOUR = 3_600_000;
const hourly = intervalTimetable(HOUR);

Deno.test("planSchedule: a run is due from its time on, and the next one follows", () => {
  const plan = (now: number) => planSchedule(hourly, { handledAt: HOUR, now, triedAt: 0 });
  assert.deepEqual(plan(2 * HOUR - 1), { due: null, nextAt: 2 * HOUR });
  assert.deepEqual(plan(2 * HOUR), { due: { at: 2 * HOUR, missed: false }, nextAt: 3 * HOUR });
});

Deno.test("planSchedule: a run is missed after a minute, unless it was tried in time", () => {
  const at = 2 * HOUR;
  const plan = (lateMs: number, triedAt: number) =>
    planSchedule(hourly, { handledAt: HOUR, now: at + lateMs, triedAt }).due;
  assert.deepEqual(plan(MISSED_AFTER_MS, 0), { at, missed: false });
  assert.deepEqual(plan(MISSED_AFTER_MS + 1, 0), { at, missed: true });
  assert.deepEqual(plan(MISSED_AFTER_MS + 1, at), { at, missed: false });
  assert.deepEqual(plan(MISSED_AFTER_MS + 1, at - HOUR), { at, missed: true });
});

Deno.test("planSchedule: of a thousand runs, only the last is due", () => {
  const { due, nextAt } = planSchedule(hourly, {
    handledAt: HOUR,
    now: 1001 * HOUR + 5,
    triedAt: 0,
  });
  assert.deepEqual(due, { at: 1001 * HOUR, missed: false });
  assert.equal(nextAt, 1002 * HOUR);
});

Deno.test("planSchedule: repeats no run after the clock was set back", () => {
  const plan = planSchedule(hourly, { handledAt: 5 * HOUR, now: 4 * HOUR + 1, triedAt: 0 });
  assert.deepEqual(plan, { due: null, nextAt: 6 * HOUR });
});

Deno.test("planSchedule: a timetable can end", () => {
  const once = { next: (after: number) => after < HOUR ? HOUR : null };
  const plan = (handledAt: number) => planSchedule(once, { handledAt, now: HOUR + 1, triedAt: 0 });
  assert.deepEqual(plan(0), { due: { at: HOUR, missed: false }, nextAt: null });
  assert.deepEqual(plan(HOUR), { due: null, nextAt: null });
});

Deno.test("afterSetBack: starts anew after the clock was set back by more than an hour", () => {
  assert.equal(afterSetBack(MAX_SET_BACK_MS, 0), MAX_SET_BACK_MS);
  assert.equal(afterSetBack(MAX_SET_BACK_MS + 1, 0), 0);
  assert.equal(afterSetBack(5, 10), 5);
});
