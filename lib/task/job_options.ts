/**
 * The options of a job as the queue keeps them, and what follows from them. The functions are pure.
 *
 * @module
 */

import type {
  Backoff,
  JobDeath,
  JobId,
  JobOptions,
  JobState,
  JobStats,
  KeyHold,
  TubeRules,
} from "./queue.ts";

/** The options of a job in the queue. Times are in milliseconds since the Unix epoch. */
export interface StoredOptions {
  readonly attempts: number | undefined;
  readonly backoff: Backoff | undefined;
  readonly timeoutMs: number | undefined;
  /** `until` is `Infinity` if there is no such limit. */
  readonly unique: { readonly key: string; readonly hold: KeyHold; readonly until: number } | null;
  /** When it expires unless it was started; `Infinity` for never. */
  readonly expiresAt: number;
  /** The jobs that it is to run after, as far as they were not done when it was put. */
  readonly after: readonly JobId[];
}

/** About how much memory the options of a job take, in bytes, besides the key and the ids. */
const OPTIONS_OVERHEAD_BYTES = 250;

/**
 * The options of a job that is put now.
 *
 * @param queue Says which of some jobs are not done; the others need not be waited for.
 * @returns `null` if it has none.
 */
export function storedOptions(
  options: JobOptions | undefined,
  { now, unfinished }: { now: number; unfinished: (ids: readonly JobId[]) => readonly JobId[] },
): StoredOptions | null {
  if (options === undefined) return null;
  const { unique } = options;
  return {
    attempts: options.attempts,
    backoff: options.backoff,
    timeoutMs: options.timeoutMs,
    unique: unique === undefined ? null : {
      key: unique.key,
      hold: unique.while ?? "unfinished",
      until: now + (unique.forMs ?? Infinity),
    },
    expiresAt: now + (options.expiresMs ?? Infinity),
    after: options.after === undefined ? [] : unfinished([...new Set(options.after)]),
  };
}

/** About how many bytes of memory the options of a job take. */
export function bytesOfOptions(options: JobOptions | StoredOptions | null | undefined): number {
  if (options === null || options === undefined) return 0;
  const { unique, after } = options;
  return OPTIONS_OVERHEAD_BYTES + (unique?.key.length ?? 0) + 100 * (after?.length ?? 0);
}

/** The rules for a job: those of its tube, and its own in their place. */
export function ownRules(rules: TubeRules, options: StoredOptions | null): TubeRules {
  if (options === null) return rules;
  const { attempts, backoff } = options;
  return {
    ...rules,
    ...(attempts !== undefined && { maxAttempts: attempts }),
    ...(backoff !== undefined && { backoffMs: backoff.firstMs, maxBackoffMs: backoff.maxMs }),
  };
}

/**
 * Whether a job in this state holds its key. With `until`, the key is held even after
 * the job is gone, so that is not for the job to say.
 */
export function holdsKey(
  { unique }: StoredOptions,
  { state, now }: { state: JobState; now: number },
): boolean {
  if (unique === null || unique.hold === "until" || unique.until <= now) return false;
  return state !== "buried" && !(unique.hold === "queued" && state === "reserved");
}

/** Whether a job can still expire: it was never started, and has not expired before. */
export function canExpire(
  job: {
    state: JobState;
    reserves: number;
    buries: number;
    death: JobDeath | null;
    /** Whether it was a dead letter before. */
    revived: boolean;
  },
): boolean {
  return job.reserves === 0 && job.buries === 0 && job.state !== "buried" && job.death === null &&
    !job.revived;
}

/** What can become of a job so that those which follow it do not run. */
const OBSTACLES = {
  buried: "is buried",
  dead: "is a dead letter",
  lost: "is gone without being done",
} as const;

/** Why a held job will not run as things are; empty if it only has to wait. */
export function heldReason(
  dependencies: readonly { id: JobId; became: keyof typeof OBSTACLES | "waiting" }[],
): string {
  return dependencies.flatMap(({ id, became }) =>
    became === "waiting" ? [] : [`job ${id} ${OBSTACLES[became]}`]
  ).join(", ");
}

/** The options for `stats-job`; the key is apart. */
export function optionStats(
  options: StoredOptions | null,
  { now, expires }: { now: number; expires: boolean },
): Pick<JobStats, "options"> {
  if (options === null) return {};
  const { attempts, backoff, timeoutMs, expiresAt, after } = options;
  const expiresInMs = expires && expiresAt < Infinity ? Math.max(0, expiresAt - now) : undefined;
  return { options: { attempts, backoff, timeoutMs, expiresInMs, after } };
}

/** The options of a job with nothing but a unique key that it holds until it is gone. */
export function keyOptions(key: string): StoredOptions | null {
  if (key === "") return null;
  return storedOptions({ unique: { key } }, { now: 0, unfinished: () => [] });
}

/** The key of a job whose options {@linkcode keyOptions} can make; `undefined` if it has others. */
export function soleKey(options: StoredOptions | null): string | undefined {
  if (options === null) return "";
  const key = options.unique?.key ?? "";
  return JSON.stringify(options) === JSON.stringify(keyOptions(key)) ? key : undefined;
}

/** Encodes options as ASCII; JSON has no `Infinity`, which becomes `null`. */
export function encodeOptions(options: StoredOptions): string {
  return JSON.stringify(options);
}

/** Decodes options. */
export function decodeOptions(text: string): StoredOptions {
  const { attempts, backoff, timeoutMs, unique, expiresAt, after } = JSON.parse(text);
  return {
    attempts,
    backoff,
    timeoutMs,
    unique: unique && { ...unique, until: unique.until ?? Infinity },
    expiresAt: expiresAt ?? Infinity,
    after,
  };
}
