/**
 * How far a worker is with a job, in its own words. It belongs to one run of the job: the queue
 * forgets it when the job is reserved again.
 *
 * @module
 */

import { latin1From, type Value } from "../storage/value.ts";
import { type JobId, MAX_PROGRESS_BYTES, type Outcome } from "./queue.ts";

/** Of how many jobs a client's view of the progress is kept: 64 KiB at most. */
const MAX_FOLLOWED_JOBS = 64;

/** The part of a progress that is kept, one character a byte. */
export function progressText(progress: Value): string {
  if (typeof progress === "string") return progress.slice(0, MAX_PROGRESS_BYTES);
  return latin1From(progress, 0, Math.min(progress.length, MAX_PROGRESS_BYTES));
}

/**
 * The progress that a client has seen, of the jobs it looked at last. The same words are news again
 * if another run of the job reports them.
 */
export class SeenProgress {
  readonly #seen = new Map<JobId, string>();

  /** Notes that the client is told an outcome; returns whether it has progress that is news. */
  see(id: JobId, outcome: Outcome | null): boolean {
    const { run } = outcome ?? {};
    if (run === undefined) return false;
    const words = `${run} ${progressText(outcome!.body)}`;
    const isNews = this.#seen.get(id) !== words;
    this.#seen.delete(id);
    this.#seen.set(id, words);
    if (this.#seen.size > MAX_FOLLOWED_JOBS) this.#seen.delete(this.#seen.keys().next().value!);
    return isNews;
  }
}
