/**
 * When a schedule runs.
 *
 * Cron expressions have five fields (minute, hour, day of the month, month, day of the week) or six,
 * with seconds in front; `@hourly` to `@yearly` are short forms. When the clocks of the time zone go
 * forward, a run in the hour that is left out comes at the end of the gap, unless a run is due then
 * anyway. When they go back, a run at fixed hours comes once, the first time, and one that repeats
 * within the hour or over a range of hours comes in both hours. ISC cron does the same.
 *
 * @module
 */

import { Cron } from "croner";

/** When a schedule runs. */
export interface Timetable {
  /**
   * The first run after a moment; `null` if there is none.
   *
   * @param afterMs In milliseconds since the Unix epoch, as is what it returns.
   */
  next(afterMs: number): number | null;
}

/** What a cron expression must look like; the library would also take dates and years. */
const CRON_FORM = /^(@\w+|\S+( +\S+){4,5})$/;

/** Two runs are at least this far apart. */
const MIN_GAP_MS = 1000;

/** A run at each multiple of an interval since the Unix epoch, so that all daemons agree on it. */
export function intervalTimetable(everyMs: number): Timetable {
  return { next: (afterMs) => (Math.floor(afterMs / everyMs) + 1) * everyMs };
}

/**
 * Runs at the times of a cron expression.
 *
 * @param timeZone A name of the IANA time zone database.
 * @throws {SyntaxError} If the expression is malformed; the message says what is wrong with it.
 */
export function cronTimetable(expression: string, timeZone: string): Timetable {
  if (!CRON_FORM.test(expression)) throw new SyntaxError("it needs five or six fields");
  try {
    const cron = new Cron(expression, { timezone: timeZone, mode: "5-or-6-parts" });
    return { next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime() ?? null };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new SyntaxError(error.message.replace(/^CronPattern: /, ""), { cause: error });
  }
}

/** Whether this is the name of a time zone. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return false;
  }
}

/**
 * The last run in a period; `null` if there is none. It looks at some thirty moments, however many
 * runs there were.
 *
 * @param afterMs The period begins after this.
 * @param endMs The period ends with this.
 */
export function lastRun(timetable: Timetable, afterMs: number, endMs: number): number | null {
  let last = runBefore(timetable, afterMs, endMs);
  if (last === null) return null;
  // Usually there is just one.
  if (runBefore(timetable, last, endMs) === null) return last;
  // After `end` there are no runs.
  for (let end = endMs; end - last >= MIN_GAP_MS;) {
    const middle = Math.floor((last + end) / 2);
    const later = runBefore(timetable, middle, endMs);
    if (later === null) end = middle;
    else last = later;
  }
  return last;
}

/** The next few runs after a moment. */
export function nextRuns(timetable: Timetable, afterMs: number, count: number): number[] {
  const runs: number[] = [];
  for (let at = timetable.next(afterMs); at !== null && runs.length < count;) {
    runs.push(at);
    at = timetable.next(at);
  }
  return runs;
}

function runBefore(timetable: Timetable, afterMs: number, endMs: number): number | null {
  const at = timetable.next(afterMs);
  return at === null || at > endMs ? null : at;
}
