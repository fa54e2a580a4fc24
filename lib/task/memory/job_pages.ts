import { EXCERPT_BYTES, type JobPage, type ListedJob, MAX_LISTED_JOBS } from "../queue.ts";
import type { Job, JobTube } from "./job.ts";
import type { Scheduler } from "./scheduler.ts";

/**
 * The jobs on a page, in the order in which they are due. Takes time for the jobs up to the end of
 * the page, {@linkcode MAX_LISTED_JOBS} at most, however many there are.
 */
export function jobsOnPage(tube: JobTube, { state, from, count }: JobPage): Job[] {
  const end = Math.min(from + count, MAX_LISTED_JOBS);
  switch (state) {
    case "ready":
    case "delayed":
      return tube[state].firstItems(end).slice(from);
    case "buried":
    case "held":
      return tube[state].slice(from, end);
    case "reserved":
      return tube.running.slice(0, MAX_LISTED_JOBS)
        .sort((a, b) => a.dueAt - b.dueAt || a.id - b.id)
        .slice(from, end);
  }
}

/** A job as lists show it. */
export function listed(job: Job, scheduler: Scheduler): ListedJob {
  const bodyBytes = job.bodyLength;
  return { ...scheduler.statsOf(job), bodyBytes, excerpt: job.bodyStart(EXCERPT_BYTES) };
}
