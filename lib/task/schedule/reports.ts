/**
 * What schedules tell people: metrics, the table on the admin page, and the lines of
 * `quartet check`.
 *
 * @module
 */

import type { Metric, Sample } from "../../metrics.ts";
import { type ScheduleConfig, timetableOf, timingOf } from "./config.ts";
import type { ScheduleState } from "./runner.ts";
import { nextRuns } from "./timetable.ts";

const OUTCOMES = ["put", "overlap", "missed", "failed"] as const;

/** How many runs `quartet check` shows of each schedule. */
const SHOWN_RUNS = 3;

/** A schedule as the page shows it. Times are milliseconds since the Unix epoch. */
export interface ScheduleStatus {
  name: string;
  /** When it runs, as text. */
  timing: string;
  tube: string;
  /** `null` if there is no next run, or it is not known yet. */
  nextAt: number | null;
  /** The last run that put a job; `null` if there was none. */
  lastAt: number | null;
  /** The job of that run. */
  job: number | null;
}

/** The schedules as the page shows them. */
export function scheduleStatus(states: readonly ScheduleState[]): ScheduleStatus[] {
  return states.map(({ schedule: { name, timing, tube }, record, nextAt }) => ({
    name,
    timing,
    tube,
    nextAt,
    lastAt: record?.ranAt || null,
    job: record?.job || null,
  }));
}

/** The metrics of schedules; none if there are no schedules. */
export function scheduleMetrics(states: readonly ScheduleState[]): Metric[] {
  if (states.length === 0) return [];
  const time = (of: (state: ScheduleState) => number | null | undefined): Sample[] =>
    states.map((state) => ({
      labels: { schedule: state.schedule.name },
      value: (of(state) ?? 0) / 1000,
    }));
  return [
    {
      type: "counter",
      name: "task_schedule_runs_total",
      help: "Runs of schedules by outcome: job put, skipped, or an attempt that failed.",
      samples: states.flatMap(({ schedule: { name }, counts }) =>
        OUTCOMES.map((outcome) => ({ labels: { schedule: name, outcome }, value: counts[outcome] }))
      ),
    },
    {
      type: "gauge",
      name: "task_schedule_next_run_timestamp_seconds",
      help: "Unix time of the next run; 0 if there is none.",
      samples: time(({ nextAt }) => nextAt),
    },
    {
      type: "gauge",
      name: "task_schedule_last_run_timestamp_seconds",
      help: "Unix time of the last run that put a job; 0 if there was none.",
      samples: time(({ record }) => record?.ranAt),
    },
  ];
}

/** The next runs of each schedule, one line each. */
export function upcomingRuns(schedules: readonly ScheduleConfig[], now: number): string[] {
  return schedules.map((config) => {
    const runs = nextRuns(timetableOf(config), now, SHOWN_RUNS);
    const times = runs.map((at) => timeText(at, config.time_zone ?? "UTC"));
    return `schedule "${config.name}" (${timingOf(config)}): ${times.join(", ") || "never"}`;
  });
}

/** A time in a time zone, such as "2026-03-29 03:00:00 GMT+2". */
function timeText(at: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "shortOffset",
  }).formatToParts(at);
  const part = (type: Intl.DateTimeFormatPartTypes) =>
    parts.find((candidate) => candidate.type === type)!.value;
  const date = `${part("year")}-${part("month")}-${part("day")}`;
  return `${date} ${part("hour")}:${part("minute")}:${part("second")} ${part("timeZoneName")}`;
}
