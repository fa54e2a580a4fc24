/**
 * The replies to `list-jobs` and `list-workers`, in YAML: a list of dictionaries.
 *
 * @module
 */

import { type Value, valueBytes } from "../../storage/value.ts";
import type { ListedJob } from "../queue.ts";
import type { WorkerStats } from "../workers.ts";
import { dictionaries, quote, seconds } from "./yaml.ts";

/** The reply to `list-jobs`. */
export function formatJobs(jobs: readonly ListedJob[]): string {
  return dictionaries(jobs.map((job) => [
    ["id", job.id],
    ["pri", job.priority],
    ["age", seconds(job.ageMs)],
    ["time-left", seconds(job.leftMs)],
    ["attempts", job.attempts],
    ["reason", quote(textOf(job.reason))],
    ["progress", quote(textOf(job.progress))],
    ["bytes", job.bodyBytes],
    ["body", quote(textOf(job.excerpt))],
  ]));
}

/** The reply to `list-workers`. */
export function formatWorkers(workers: readonly WorkerStats[]): string {
  return dictionaries(workers.map((worker) => [
    ["worker", worker.number],
    ["address", quote(worker.address)],
    ["port", worker.port],
    ["age", seconds(worker.ageMs)],
    ["quiet", String(worker.quiet)],
    ["waiting", String(worker.waits)],
    ["current-watching", worker.watches],
    ["tubes", `[${worker.watched.map(quote).join(", ")}]`],
    ["current-jobs-reserved", worker.holds],
    ["busy", seconds(worker.busyMs)],
    ["jobs", `[${worker.held.map(({ id }) => id).join(", ")}]`],
  ]));
}

function textOf(value: Value): string {
  return new TextDecoder().decode(valueBytes(value));
}
