/**
 * What the parts of the queue's suite share.
 *
 * @module
 */

import assert from "node:assert/strict";
import type {
  JobBody,
  JobSpec,
  NoJob,
  Queue,
  QueueClient,
  QueueLimits,
  Refusal,
  TubeRules,
} from "../../lib/task/queue.ts";
import type { ReportJob } from "../../lib/task/reports.ts";
import { within } from "../support/within.ts";
import { DEADLINE_MS } from "./support.ts";

/** Options of the queue under test. */
export interface SuiteOptions {
  limits?: Partial<QueueLimits>;
  rules?: Record<string, Partial<TubeRules>>;
  report?: ReportJob;
}

/** A queue for one test. */
export interface SuiteQueue extends AsyncDisposable {
  queue: Queue;
}

/** Makes a job to put. */
export function spec(body: string, changes: Partial<JobSpec> = {}): JobSpec {
  return { priority: 10, delayMs: 0, ttrMs: 60_000, body, ...changes };
}

/** A job as it is, with a unique key. */
export function keyed(key: string, job: JobSpec): JobSpec {
  return { ...job, options: { unique: { key } } };
}

/** Awaits an answer of the queue, with a deadline. */
export function soon<T>(pending: T | Promise<T>): Promise<T> {
  return within(DEADLINE_MS, "the queue", Promise.resolve(pending));
}

/** Puts a job and returns its id. */
export async function put(client: QueueClient, job: JobSpec): Promise<number> {
  return asId(await client.put(job));
}

/** The id that a put was answered with. */
export function asId(answer: number | Refusal): number {
  assert(typeof answer === "number", `the job was refused: ${answer}`);
  return answer;
}

/** Reserves a job. */
export async function reserve(client: QueueClient, timeoutMs = DEADLINE_MS): Promise<JobBody> {
  return asJob(await soon(client.reserve(timeoutMs)));
}

/** The job that a reserve was answered with. */
export function asJob(answer: JobBody | NoJob): JobBody {
  assert(typeof answer !== "string", `no job came: ${answer}`);
  return answer;
}

/** A test of the suite. */
export interface QueueScenario {
  name: string;
  run: (queue: Queue) => Promise<void>;
  options: SuiteOptions;
}
