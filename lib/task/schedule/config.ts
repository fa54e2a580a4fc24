/**
 * The tables `[[task.schedule]]`; `config.toml` documents each key.
 *
 * @module
 */

import * as v from "valibot";
import { issuePath } from "../../config/issue_path.ts";
import {
  choice,
  count,
  duration,
  exactlyOneOf,
  formatDuration,
  keysThatNeed,
  text,
  type Value,
} from "../../config/values.ts";
import { MAX_ATTEMPTS_LIMIT } from "../job_spec.ts";
import { cronTimetable, intervalTimetable, isTimeZone, type Timetable } from "./timetable.ts";

/** The maximum number of schedules. Each has metrics of its own. */
export const MAX_SCHEDULES = 1000;

const MAX_NAME_LENGTH = 100;
const YEAR_MS = 365 * 86_400_000;
const UTC = "UTC";

const NAME = {
  pattern: /^[\w.-]{1,100}$/,
  allowed: `a name: 1 to ${MAX_NAME_LENGTH} of A-Z a-z 0-9 - _ .`,
};
const ZONE = 'a time zone such as "Europe/Berlin"';
const CRON = 'a cron expression such as "30 3 * * 1-5" (minute, hour, day, month, weekday)';

/** The keys that every schedule has; see {@linkcode schedulesSchema}. */
function entries(tube: Value<string, string>) {
  return {
    name: text(NAME),
    cron: v.optional(text()),
    every: v.optional(duration({ min: 1000, max: YEAR_MS })),
    time_zone: v.optional(v.pipe(text({ allowed: ZONE }), v.check(isTimeZone, ZONE))),
    tube: v.optional(tube, "default"),
    body: v.optional(v.string("a text"), ""),
    priority: v.optional(count({ max: 2 ** 32 - 1 }), 1024),
    ttr: v.optional(duration({ min: 1000, max: YEAR_MS }), "60s"),
    attempts: v.optional(count({ min: 1, max: MAX_ATTEMPTS_LIMIT })),
    overlap: v.optional(choice(["skip", "allow"]), "skip"),
    missed: v.optional(choice(["skip", "once"]), "skip"),
  };
}

/**
 * The schema of all schedules.
 *
 * @param tube The schema of a tube's name.
 */
export function schedulesSchema(tube: Value<string, string>) {
  const schedule = v.pipe(
    v.strictObject(entries(tube)),
    v.metadata(exactlyOneOf("cron", "every")),
    v.metadata(keysThatNeed({ time_zone: ["cron"] })),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const fault = timingFault(dataset.value);
      if (fault === undefined) return;
      const [key, message] = fault;
      const { value } = dataset;
      if (key === undefined) addIssue({ message, input: value.name });
      else {
        const input = key === "every" ? formatDuration(value.every!) : value[key];
        addIssue({ message, input, path: issuePath(value, [key]) });
      }
    }),
  );
  return v.pipe(
    v.array(schedule, "a list of tables [[task.schedule]]"),
    v.maxLength(MAX_SCHEDULES, `at most ${MAX_SCHEDULES} schedules`),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const { value } = dataset;
      const seen = new Set<string>();
      for (const [place, { name }] of value.entries()) {
        if (!seen.has(name)) {
          seen.add(name);
          continue;
        }
        addIssue({
          message: "a name that no other schedule has",
          input: name,
          path: issuePath(value, [place, "name"]),
        });
      }
    }),
  );
}

/** A schedule as the schema returns it. */
export type ScheduleConfig = v.InferOutput<ReturnType<typeof schedulesSchema>>[number];

/** When a schedule runs. Its configuration has been checked. */
export function timetableOf({ cron, every, time_zone }: Timing): Timetable {
  return cron === undefined ? intervalTimetable(every!) : cronTimetable(cron, time_zone ?? UTC);
}

/** The same as text: schedules that run at the same times have the same. */
export function timingOf({ cron, every, time_zone }: Timing): string {
  return cron === undefined ? `every ${formatDuration(every!)}` : `${cron} ${time_zone ?? UTC}`;
}

type Timing = Pick<ScheduleConfig, "cron" | "every" | "time_zone">;

/** What is wrong with the time of a schedule: the key, if it is one, and what is allowed. */
function timingFault(
  config: Timing,
): [key: "cron" | "every" | "time_zone" | undefined, allowed: string] | undefined {
  const { cron, every, time_zone } = config;
  if (cron === undefined && every === undefined) {
    return [undefined, 'a schedule with either "cron" or "every"'];
  }
  // The schema of the key reports this.
  if (time_zone !== undefined && !isTimeZone(time_zone)) return undefined;
  if (cron === undefined) {
    return time_zone === undefined ? undefined : ["time_zone", 'a time zone only with "cron"'];
  }
  if (every !== undefined) return ["every", 'either "cron" or "every", not both'];
  try {
    const first = cronTimetable(cron, time_zone ?? UTC).next(0);
    return first === null ? ["cron", "a cron expression that has a next run"] : undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return ["cron", `${CRON}: ${error.message}`];
  }
}
