import assert from "node:assert/strict";
import {
  scheduleMetrics,
  scheduleStatus,
  upcomingRuns,
} from "../../../lib/task/schedule/reports.ts";
import { type Schedule, scheduleOf } from "../../../lib/task/schedule/schedule.ts";
import type { ScheduleState } from "../../../lib/task/schedule/runner.ts";

const CONFIG = {
  name: "nightly",
  tube: "work",
  body: "",
  priority: 1,
  ttr: 60_000,
  overlap: "skip",
  missed: "skip",
} as const;

function stateOf(schedule: Schedule, changes: Partial<ScheduleState> = {}): ScheduleState {
  return {
    schedule,
    counts: { put: 3, overlap: 2, missed: 1, failed: 0 },
    record: { timing: schedule.timing, handledAt: 9000, ranAt: 8000, job: 7 },
    nextAt: 10_000,
    lookAt: 0,
    triedAt: 0,
    tries: 0,
    ...changes,
  };
}

Deno.test("upcomingRuns: lists three runs in the time zone of the schedule", () => {
  const night = { ...CONFIG, cron: "30 2 * * *", time_zone: "Europe/Berlin" };
  const often = { ...CONFIG, name: "often", every: 600_000 };
  assert.deepEqual(upcomingRuns([night, often], Date.parse("2026-03-28T00:00:00Z")), [
    'schedule "nightly" (30 2 * * * Europe/Berlin): 2026-03-28 02:30:00 GMT+1, ' +
    "2026-03-29 03:00:00 GMT+2, 2026-03-30 02:30:00 GMT+2",
    'schedule "often" (every 10m): 2026-03-28 00:10:00 GMT, 2026-03-28 00:20:00 GMT, ' +
    "2026-03-28 00:30:00 GMT",
  ]);
});

Deno.test("scheduleStatus: shows the last and the next run, or that there is none", () => {
  const schedule = scheduleOf({ ...CONFIG, every: 1000 });
  const about = { name: "nightly", timing: "every 1s", tube: "work" };
  const unknown = stateOf(schedule, { record: undefined, nextAt: null });
  assert.deepEqual(scheduleStatus([stateOf(schedule), unknown]), [
    { ...about, nextAt: 10_000, lastAt: 8000, job: 7 },
    { ...about, nextAt: null, lastAt: null, job: null },
  ]);
});

Deno.test("scheduleMetrics: counts runs by outcome, and gives times in seconds", () => {
  assert.deepEqual(scheduleMetrics([]), []);
  const samples = scheduleMetrics([stateOf(scheduleOf({ ...CONFIG, every: 1000 }))])
    .map((metric) => metric.type === "histogram" ? [] : metric.samples.map(({ value }) => value));
  assert.deepEqual(samples, [[3, 2, 1, 0], [10], [8]]);
});
