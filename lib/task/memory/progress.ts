import type { Value } from "../../storage/value.ts";
import { progressText } from "../progress.ts";
import type { Job } from "./job.ts";
import type { QueueSpace } from "./space.ts";

/** Notes how far a job is, and tells the clients that wait for that. An empty text clears it. */
export function setProgress(job: Job, progress: Value, space: QueueSpace): void {
  const text = progressText(progress);
  space.take(text.length - job.progress.length);
  job.progress = text;
  for (const watcher of job.watchers) watcher.progressed(job);
}
