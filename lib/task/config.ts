import * as v from "valibot";
import { issuePath } from "../config/issue_path.ts";
import { SERVICE_KEYS, SLOW_KEYS } from "../config/service_keys.ts";
import {
  address,
  count,
  duration,
  flag,
  formatSize,
  rate,
  size,
  storageUrl,
  text,
} from "../config/values.ts";
import { deadLetterLoops } from "./dead_letters.ts";
import { MAX_ATTEMPTS_LIMIT } from "./job_spec.ts";
import { schedulesSchema } from "./schedule/config.ts";

/** What the name of a tube looks like. */
export const TUBE_NAME = {
  pattern: /^[A-Za-z0-9+/;.$_()][-A-Za-z0-9+/;.$_()]{0,199}$/,
  allowed: "the name of a tube: 1 to 200 of A-Z a-z 0-9 - + / ; . $ _ ( ), not starting with -",
} as const;
const YEAR_MS = 365 * 86_400_000;

/** The rules that a tube can have of its own. */
const ruleEntries = {
  dead_letter: v.optional(text(TUBE_NAME)),
  max_attempts: v.optional(count({ max: MAX_ATTEMPTS_LIMIT })),
  backoff: v.optional(duration({ min: 1, max: YEAR_MS, off: true })),
  max_backoff: v.optional(duration({ min: 1, max: YEAR_MS })),
  max_reserved: v.optional(count({ max: 1_000_000_000 })),
  rate: v.optional(rate()),
  burst: v.optional(count({ min: 1, max: 1_000_000 })),
};

/** The tubes that have rules of their own, by name. */
const tubesSchema = v.pipe(
  v.record(
    v.pipe(v.string(), v.regex(TUBE_NAME.pattern, TUBE_NAME.allowed)),
    v.strictObject(ruleEntries),
  ),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const tubes = dataset.value;
    for (const loop of deadLetterLoops((tube) => tubes[tube]?.dead_letter, Object.keys(tubes))) {
      const [name] = loop as [string];
      const own = tubes[name]!;
      addIssue({
        input: own.dead_letter,
        message: `a tube whose dead letters do not come back: ${loop.join(" → ")}`,
        path: issuePath(tubes, [name, "dead_letter"]),
      });
    }
  }),
);

const section = v.strictObject({
  ...SERVICE_KEYS,
  ...SLOW_KEYS,
  listen: v.optional(address(), "127.0.0.1:8082"),
  beanstalk: v.optional(address(), "127.0.0.1:11300"),
  tube: v.optional(text(TUBE_NAME), "square"),
  storage: v.optional(storageUrl()),
  max_clients: v.optional(count({ min: 1, max: 1_000_000 }), 10_000),
  idle_timeout: v.optional(duration({ min: 1000, max: YEAR_MS, off: true }), "off"),
  max_line: v.optional(size({ min: 16, max: 64 * 1024 ** 2 }), "64KiB"),
  max_job_size: v.optional(size({ min: 1, max: 1024 ** 3 }), "65535B"),
  max_jobs: v.optional(count({ min: 1, max: 1_000_000_000 }), 10_000_000),
  max_memory: v.optional(size({ min: 1024 ** 2 }), "2GiB"),
  max_tubes: v.optional(count({ min: 2, max: 1_000_000 }), 10_000),
  max_results: v.optional(count({ min: 1, max: 1_000_000_000 }), 1_000_000),
  result_ttl: v.optional(duration({ min: 1000, max: YEAR_MS }), "1h"),
  events: v.optional(flag(), false),
  max_attempts: v.optional(count({ max: MAX_ATTEMPTS_LIMIT }), 0),
  backoff: v.optional(duration({ min: 1, max: YEAR_MS, off: true }), "off"),
  max_backoff: v.optional(duration({ min: 1, max: YEAR_MS }), "10m"),
  max_reserved: v.optional(count({ max: 1_000_000_000 }), 0),
  rate: v.optional(rate(), "off"),
  burst: v.optional(count({ min: 1, max: 1_000_000 })),
  tubes: v.optional(tubesSchema, {}),
  schedule: v.optional(schedulesSchema(text(TUBE_NAME)), []),
  generator: v.optional(
    v.strictObject({
      enabled: v.optional(flag(), true),
      every: v.optional(duration({ min: 10, max: YEAR_MS }), "5s"),
    }),
    {},
  ),
});

/** The schema of the section `[task]`; `config.toml` documents each key. */
export const taskSchema = v.pipe(
  section,
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { schedule, max_job_size } = dataset.value;
    for (const [place, { body }] of schedule.entries()) {
      if (new TextEncoder().encode(body).length <= max_job_size) continue;
      const allowed = `a text of at most max_job_size, ${formatSize(max_job_size)}`;
      addIssue({
        message: allowed,
        input: `${body.slice(0, 10)}…`,
        path: issuePath(dataset.value, ["schedule", place, "body"]),
      });
    }
  }),
);

/** The section `[task]`, as the schema returns it. */
export type TaskConfig = v.InferOutput<typeof taskSchema>;
