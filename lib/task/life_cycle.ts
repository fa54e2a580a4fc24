/**
 * The life cycle of a job: what each event makes of it. Every engine applies these rules, and no
 * rule is written down anywhere else.
 *
 * ```
 *   put with a delay                  release, fail, time-out or lost worker, with a delay
 *  ──────────────────▶ delayed ◀─────────────────────┐
 *                        │ delay over, kick          │
 *                        ▼         reserve           │
 *   put ────────────▶  ready  ─────────────────▶ reserved ──done──▶ gone; its result is kept
 *                        ▲  ◀────────────────────────┤
 *                        │      the same, no delay   │ bury, or the last attempt
 *                        └──kick── buried ◀──────────┘
 * ```
 *
 * A job that is to run after others is put as held, and goes on as if it were put when they are done.
 * A job that is not started in time expires: it goes from ready, delayed or held to buried.
 *
 * A job can be cancelled in any state. It can also be deleted in any state, but while it is reserved
 * only by its worker. Reserving has no rule of its own: an engine picks a job and marks it in one
 * step (in PostgreSQL, one statement).
 *
 * In a tube with a `dead_letter`, a job that would be buried after its last attempt, or because it
 * expired, goes to that tube instead and is ready there. What a worker buries itself stays.
 *
 * The functions are pure: the caller passes the time in and stores what comes out.
 *
 * @module
 */

import { latin1From, type Value } from "../storage/value.ts";
import type { EndState, GivenBack, JobDeath, JobState, Outcome, TubeRules } from "./queue.ts";

/** The facts about a job that its life cycle reads and changes. */
export interface JobFacts {
  readonly state: JobState;
  readonly priority: number;
  /** The delay that its producer, or the worker that released it, last asked for. */
  readonly delayMs: number;
  /** Its time to run. */
  readonly ttrMs: number;
  /**
   * In milliseconds since the Unix epoch: when a delayed job becomes ready, when the time to run of
   * a reserved one ends, when a buried one was buried. 0 for a ready or held job.
   */
  readonly dueAt: number;
  readonly timeouts: number;
  readonly releases: number;
  readonly buries: number;
  readonly kicks: number;
  /** Runs that did not finish the job. */
  readonly attempts: number;
  /** Why the last attempt failed, or why the job is buried; one character a byte. */
  readonly reason: string;
  /** How it became a dead letter; `null` if it is none. */
  readonly death: JobDeath | null;
}

/** An event that changes a job and keeps it in the queue. */
export type JobEvent =
  /** The worker asks for more time. */
  | { readonly kind: "touch" }
  /** The worker gives the job back. */
  | { readonly kind: "release"; readonly priority: number; readonly delayMs: number }
  /** The worker could not do the job. */
  | { readonly kind: "fail"; readonly reason: Value }
  /** The worker puts the job aside. */
  | { readonly kind: "bury"; readonly priority: number; readonly reason?: string | undefined }
  /** The time to run is over. */
  | { readonly kind: "time-out" }
  /** The worker disconnected. */
  | { readonly kind: "worker-lost" }
  /** This daemon is stopping and disconnected the worker. */
  | { readonly kind: "worker-dismissed" }
  | { readonly kind: "kick" }
  /** A delayed job becomes ready. */
  | { readonly kind: "delay-over" }
  /** A held job need not wait for other jobs any more. */
  | { readonly kind: "release-held" }
  /** The job was not started in time. */
  | { readonly kind: "expire" }
  /** Somebody moves the job to another tube, where it starts anew. */
  | { readonly kind: "move"; readonly tube: string };

/** An event that removes a job from the queue. */
export type FinalEvent = "done" | "delete" | "cancel";

/** In which states each event can happen. */
const POSSIBLE: Readonly<Record<JobEvent["kind"] | FinalEvent, readonly JobState[]>> = {
  "touch": ["reserved"],
  "release": ["reserved"],
  "fail": ["reserved"],
  "bury": ["reserved"],
  "time-out": ["reserved"],
  "worker-lost": ["reserved"],
  "worker-dismissed": ["reserved"],
  "kick": ["delayed", "buried"],
  "delay-over": ["delayed"],
  "release-held": ["held"],
  "expire": ["ready", "delayed", "held"],
  "move": ["ready", "delayed", "buried", "held"],
  "done": ["reserved"],
  "delete": ["ready", "reserved", "delayed", "buried", "held"],
  "cancel": ["ready", "reserved", "delayed", "buried", "held"],
};

/** The reasons that the queue itself gives; `fail` and `bury` can bring others. */
export const REASONS = {
  BURIED: "buried by its worker",
  TIMED_OUT: "timed out",
  WORKER_LOST: "the worker disconnected",
  EXPIRED: "expired before it was started",
} as const;

/** The shortest time to run. beanstalkd raises a `ttr` of 0 to one second as well. */
export const MIN_TTR_MS = 1000;

/** How many characters of a reason are kept. */
export const MAX_REASON_LENGTH = 1000;

/** The delay after `fail` in a tube that has no backoff of its own. */
export const FAILURE_BACKOFF_MS = 1000;

/** Whether an event can happen to a job in this state. */
export function isPossible(event: JobEvent["kind"] | FinalEvent, state: JobState): boolean {
  return POSSIBLE[event].includes(state);
}

/**
 * What an event makes of a job.
 *
 * @param job The facts before the event; they are not changed.
 * @param options The rules for the job, its tube, and the time in milliseconds since the Unix epoch.
 * @returns The facts after the event.
 * @throws {Error} If the event cannot happen in the job's state; see {@linkcode isPossible}.
 */
export function applyEvent(
  job: JobFacts,
  event: JobEvent,
  { rules, tube, now }: { rules: TubeRules; tube: string; now: number },
): JobFacts {
  const giveUp = (reason: Value) =>
    rules.deadLetter === "" ? bury(next, reason, now) : die(next, reason, tube);
  if (!isPossible(event.kind, job.state)) {
    throw new Error(`Cannot apply "${event.kind}" to a job: its state is "${job.state}"`);
  }
  const next = copyFacts(job);
  switch (event.kind) {
    case "touch":
      next.dueAt = now + next.ttrMs;
      return next;
    case "release":
      next.priority = event.priority;
      next.delayMs = event.delayMs;
      next.releases++;
      // Workers for beanstalkd poll with it, so it is no failed attempt.
      return enqueue(next, event.delayMs, now);
    case "fail": {
      next.releases++;
      const { backoffMs, maxBackoffMs } = rules;
      const delayMs = backoffDelayMs(
        backoffMs || FAILURE_BACKOFF_MS,
        maxBackoffMs,
        job.attempts + 1,
      );
      return afterAttempt(next, { rules, now, reason: event.reason, delayMs, giveUp });
    }
    case "bury":
      next.priority = event.priority;
      return bury(next, event.reason ?? REASONS.BURIED, now);
    case "time-out":
      next.timeouts++;
      return afterAttempt(next, { rules, now, reason: REASONS.TIMED_OUT, delayMs: 0, giveUp });
    case "worker-lost":
      return afterAttempt(next, { rules, now, reason: REASONS.WORKER_LOST, delayMs: 0, giveUp });
    case "worker-dismissed":
      // Not the worker's fault, so it is no failed attempt.
      return enqueue(next, 0, now);
    case "kick":
      next.kicks++;
      return enqueue(next, 0, now);
    case "delay-over":
      return enqueue(next, 0, now);
    case "release-held":
      // The delay of such a job counts from here.
      return enqueue(next, next.delayMs, now);
    case "expire":
      return giveUp(REASONS.EXPIRED);
    case "move":
      next.attempts = 0;
      next.death = null;
      return next;
  }
}

/** Whether an event has made a job a dead letter. */
export function hasDied(before: JobFacts["death"], after: JobFacts): boolean {
  return after.death !== null && after.death !== before;
}

const END_STATES: ReadonlySet<string> = new Set<EndState>([
  "done",
  "cancelled",
  "deleted",
  "buried",
  "dead",
]);

/** Whether a client that waits for the outcome of a job is told this one. */
export function isOutcome(state: Outcome["state"]): state is EndState {
  return END_STATES.has(state);
}

/** The answer to a client that gave a job back, by what became of the job. */
export function givenBack(state: JobState | "dead"): GivenBack {
  if (state === "dead") return "DEAD_LETTER";
  return state === "buried" ? "BURIED" : "RELEASED";
}

/** The time to run of a job, given what its producer asked for. */
export function allowedTtrMs(ttrMs: number): number {
  return Math.max(MIN_TTR_MS, ttrMs);
}

/**
 * The delay after a failed attempt.
 *
 * @param backoffMs The delay after the first one; it doubles with each further one.
 * @param maxMs The longest delay.
 * @param attempts How many failed so far, this one included.
 */
export function backoffDelayMs(backoffMs: number, maxMs: number, attempts: number): number {
  return Math.min(maxMs, backoffMs * 2 ** Math.max(0, attempts - 1));
}

/** The part of a reason that is kept. */
export function reasonText(reason: Value): string {
  if (typeof reason === "string") return reason.slice(0, MAX_REASON_LENGTH);
  // Cut the bytes, not the string: a slice of a long string keeps all of it in memory.
  return latin1From(reason, 0, Math.min(reason.length, MAX_REASON_LENGTH));
}

type MutableFacts = { -readonly [Name in keyof JobFacts]: JobFacts[Name] };

/** The job as it is after an attempt that failed: given up if it was the last one, else queued. */
function afterAttempt(
  job: MutableFacts,
  { rules, now, reason, delayMs, giveUp }: {
    rules: TubeRules;
    now: number;
    reason: Value;
    delayMs: number;
    giveUp: (reason: Value) => JobFacts;
  },
): JobFacts {
  job.attempts++;
  if (rules.maxAttempts > 0 && job.attempts >= rules.maxAttempts) return giveUp(reason);
  job.reason = reasonText(reason);
  const backoffMs = backoffDelayMs(rules.backoffMs, rules.maxBackoffMs, job.attempts);
  return enqueue(job, Math.max(delayMs, backoffMs), now);
}

function enqueue(job: MutableFacts, delayMs: number, now: number): JobFacts {
  job.state = delayMs > 0 ? "delayed" : "ready";
  job.dueAt = delayMs > 0 ? now + delayMs : 0;
  return job;
}

function bury(job: MutableFacts, reason: Value, now: number): JobFacts {
  job.state = "buried";
  job.dueAt = now;
  job.buries++;
  job.reason = reasonText(reason);
  return job;
}

/** The job as a dead letter of a tube. Its attempts count anew where it goes. */
function die(job: MutableFacts, reason: Value, tube: string): JobFacts {
  job.state = "ready";
  job.dueAt = 0;
  job.reason = reasonText(reason);
  job.death = { tube, attempts: job.attempts, reason: job.reason };
  job.attempts = 0;
  return job;
}

/** Copies the facts alone: what an engine passes in has fields of its own besides. */
function copyFacts(job: JobFacts): MutableFacts {
  return {
    state: job.state,
    priority: job.priority,
    delayMs: job.delayMs,
    ttrMs: job.ttrMs,
    dueAt: job.dueAt,
    timeouts: job.timeouts,
    releases: job.releases,
    buries: job.buries,
    kicks: job.kicks,
    attempts: job.attempts,
    reason: job.reason,
    death: job.death,
  };
}
