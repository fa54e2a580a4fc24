import type { JobSpec } from "../queue.ts";
import { type ScheduleConfig, timetableOf, timingOf } from "./config.ts";
import type { Timetable } from "./timetable.ts";

/** A schedule: when to put a job, and which. */
export interface Schedule {
  readonly name: string;
  readonly timetable: Timetable;
  /** When it runs, as text. */
  readonly timing: string;
  readonly tube: string;
  /** Whether a run is skipped while the job of the last one is unfinished. */
  readonly overlap: "skip" | "allow";
  /** What becomes of runs during which the daemon was down: none is made up for, or one is. */
  readonly missed: "skip" | "once";
  /** Makes the job of a run. */
  spec(): JobSpec;
}

/** The schedule that a checked configuration describes. */
export function scheduleOf(config: ScheduleConfig): Schedule {
  const { name, tube, overlap, missed, attempts } = config;
  return {
    name,
    timetable: timetableOf(config),
    timing: timingOf(config),
    tube,
    overlap,
    missed,
    // The queue owns the body that it is given, so each run has one of its own.
    spec: () => ({
      priority: config.priority,
      delayMs: 0,
      ttrMs: config.ttr,
      body: new TextEncoder().encode(config.body),
      ...(attempts === undefined ? {} : { options: { attempts } }),
    }),
  };
}
