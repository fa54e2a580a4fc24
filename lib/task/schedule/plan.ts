import { MAX_SET_BACK_MS } from "./book.ts";
import { lastRun, type Timetable } from "./timetable.ts";

/**
 * A run is missed when it is this late. Until then it is made even with `skip`, so that a
 * quick restart loses none.
 */
export const MISSED_AFTER_MS = 60_000;

/** What is to be done about a schedule. */
export interface SchedulePlan {
  /** The run that is due; `null` if none is. Runs that come due together are one. */
  due: { at: number; missed: boolean } | null;
  /** The run after that; `null` if there is none. */
  nextAt: number | null;
}

/** What a plan depends on. Times are milliseconds since the Unix epoch. */
export interface PlanState {
  /** No run up to this time is still to be made. */
  handledAt: number;
  now: number;
  /** The run that was tried last and failed; it is not missed, however late; 0 for none. */
  triedAt: number;
}

/**
 * Plans a schedule. However long the daemon stood still, at most one run is due: a clock that jumps
 * ahead cannot cause a flood of jobs.
 */
export function planSchedule(
  timetable: Timetable,
  { handledAt, now, triedAt }: PlanState,
): SchedulePlan {
  const at = lastRun(timetable, handledAt, now);
  const nextAt = timetable.next(Math.max(now, handledAt));
  if (at === null) return { due: null, nextAt };
  return { due: { at, missed: at !== triedAt && now - at > MISSED_AFTER_MS }, nextAt };
}

/** Where a schedule goes on after its clock was set back: from now on if that was far. */
export function afterSetBack(handledAt: number, now: number): number {
  return handledAt > now + MAX_SET_BACK_MS ? now : handledAt;
}
