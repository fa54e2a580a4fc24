import assert from "node:assert/strict";
import {
  cronTimetable,
  intervalTimetable,
  isTimeZone,
  lastRun,
  nextRuns,
  type Timetable,
} from "../../../lib/task/schedule/timetable.ts";

const BERLIN = "Europe/Berlin";

function runs(timetable: Timetable, after: string, count: number): string[] {
  return nextRuns(timetable, Date.parse(after), count).map((at) => new Date(at).toISOString());
}

/** Runs of a cron expression, as "<day of the month>T<UTC time>". */
function cronRuns(expression: string, after: string, count: number, zone = BERLIN): string[] {
  return runs(cronTimetable(expression, zone), after, count).map((run) => run.slice(8, 16));
}

Deno.test("intervalTimetable: runs at multiples of the interval, whenever it is asked", () => {
  const timetable = intervalTimetable(600_000);
  const expected = ["2026-05-01T10:10:00.000Z", "2026-05-01T10:20:00.000Z"];
  assert.deepEqual(runs(timetable, "2026-05-01T10:00:00Z", 2), expected);
  assert.deepEqual(runs(timetable, "2026-05-01T10:09:59.999Z", 2), expected);
});

Deno.test("cronTimetable: a run in the hour that is left out comes at the end of the gap", () => {
  // In Berlin, 2:00 becomes 3:00 on 2026-03-29 at 01:00 UTC.
  const before = "2026-03-28T12:00:00Z";
  assert.deepEqual(cronRuns("30 2 * * *", before, 2), ["29T01:00", "30T00:30"]);
  assert.deepEqual(cronRuns("0 2 * * *", before, 2), ["29T01:00", "30T00:00"]);
});

Deno.test("cronTimetable: the hour that is left out brings no second run at the same time", () => {
  const after = "2026-03-29T00:10:00Z";
  assert.deepEqual(cronRuns("*/30 * * * *", after, 4), [
    "29T00:30",
    "29T01:00",
    "29T01:30",
    "29T02:00",
  ]);
  assert.deepEqual(cronRuns("30 2,3 * * *", after, 3), ["29T01:30", "30T00:30", "30T01:30"]);
});

Deno.test("cronTimetable: in the hour that comes twice, a fixed time runs once", () => {
  // In Berlin, 3:00 becomes 2:00 on 2026-10-25 at 01:00 UTC.
  assert.deepEqual(cronRuns("30 2 * * *", "2026-10-24T12:00:00Z", 2), ["25T00:30", "26T01:30"]);
  // Asked between the two, it does not come again.
  assert.deepEqual(cronRuns("30 2 * * *", "2026-10-25T00:30:00Z", 1), ["26T01:30"]);
  assert.deepEqual(cronRuns("30 2 * * *", "2026-10-25T01:10:00Z", 1), ["26T01:30"]);
});

Deno.test("cronTimetable: in the hour that comes twice, repeating runs go on", () => {
  assert.deepEqual(cronRuns("*/30 * * * *", "2026-10-25T00:10:00Z", 4), [
    "25T00:30",
    "25T01:00",
    "25T01:30",
    "25T02:00",
  ]);
  assert.deepEqual(cronRuns("0 1-3 * * *", "2026-10-24T22:30:00Z", 4), [
    "24T23:00",
    "25T00:00",
    "25T01:00",
    "25T02:00",
  ]);
});

Deno.test("cronTimetable: knows seconds, names and the last day of a month", () => {
  const after = "2026-01-30T00:00:00Z";
  assert.deepEqual(cronRuns("*/20 * * * * *", after, 1, "UTC"), ["30T00:00"]);
  assert.deepEqual(cronRuns("0 9 * * MON", after, 1, "UTC"), ["02T09:00"]);
  assert.deepEqual(cronRuns("0 0 L * *", after, 2, "UTC"), ["31T00:00", "28T00:00"]);
  assert.deepEqual(cronRuns("@daily", after, 1, "Asia/Kolkata"), ["30T18:30"]);
});

Deno.test("cronTimetable: refuses anything but a cron expression", () => {
  const wrong = [
    "61 * * * *",
    "* * * *",
    "* * * * * * 2030",
    "2030-01-01T00:00:00",
    "every day",
    "a b c d e",
    "",
  ];
  for (const expression of wrong) {
    assert.throws(() => cronTimetable(expression, "UTC"), SyntaxError, expression);
  }
});

Deno.test("isTimeZone: knows the names of time zones", () => {
  assert.deepEqual(["UTC", BERLIN, "Mars/Olympus", ""].map(isTimeZone), [true, true, false, false]);
});

Deno.test("lastRun: finds the last of many runs with few questions", () => {
  const end = Date.parse("2026-06-01T17:00:00.500Z");
  const cases: [expression: string, expected: string][] = [
    ["* * * * * *", "2026-06-01T17:00:00.000Z"],
    ["* * 9 * * *", "2026-06-01T09:59:59.000Z"],
    ["0 0 1 1 *", "2026-01-01T00:00:00.000Z"],
    ["0 17 * * *", "2026-06-01T17:00:00.000Z"],
  ];
  for (const [expression, expected] of cases) {
    const timetable = cronTimetable(expression, "UTC");
    let questions = 0;
    const counted = { next: (after: number) => (questions++, timetable.next(after)) };
    const after = Date.parse("2025-12-01T00:00:00Z");
    assert.equal(new Date(lastRun(counted, after, end)!).toISOString(), expected, expression);
    assert.ok(questions < 60, `${questions} questions`);
  }
});

Deno.test("lastRun: finds nothing in a period without runs, and the only run of another", () => {
  const timetable = intervalTimetable(1000);
  assert.equal(lastRun(timetable, 5000, 5999), null);
  assert.equal(lastRun(timetable, 5000, 6000), 6000);
  assert.equal(lastRun({ next: () => null }, 0, 10_000), null);
  for (let end = 5000; end < 9000; end += 250) {
    const expected = Math.floor(end / 1000) * 1000;
    assert.equal(lastRun(timetable, 4500, end), expected, `${end}`);
  }
});
