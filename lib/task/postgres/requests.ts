/**
 * The requests that `Lanes` combines into batches.
 *
 * @module
 */

import type { CommitCounter } from "../../storage/commit_metrics.ts";
import { storageUnavailable, StorageUnavailableError } from "../../storage/store.ts";
import type { JobId, JobSpec } from "../queue.ts";
import type { LockedJob } from "./locked_job.ts";
import type { RuledTube } from "./tube_limits.ts";

/** A reserved job, as the database returns it. */
export interface ReservedRow {
  id: JobId;
  tube: string;
  priority: number;
  client: number;
  ttr_ms: number;
  body: Uint8Array;
}

/** A request in a batch, with the callbacks for its answer or its error. */
export interface QueueRequest<Answer> {
  done(answer: Answer): void;
  fail(error: unknown): void;
}

/** A put of one or more jobs. */
export interface PutRequest extends QueueRequest<JobId[]> {
  tube: string;
  specs: readonly JobSpec[];
}

/** A reserve of up to `max` jobs. */
export interface ReserveRequest extends QueueRequest<ReservedRow[]> {
  client: number;
  tubes: readonly RuledTube[];
  max: number;
}

/** A delete of one job. It answers with the tube of the job, or `null`. */
export interface DeleteRequest extends QueueRequest<string | null> {
  id: JobId;
  client: number;
}

/** A decision about one job, made while it is locked. */
export interface WorkRequest extends QueueRequest<void> {
  id: JobId;
  decide(job: LockedJob | null): void;
}

/**
 * Executes a batch of requests. If that fails, every one of them fails with the error.
 *
 * @param commits Where a failure is counted; omit it for batches that are not made durable.
 */
export async function executeOrFail(
  requests: readonly { fail(error: unknown): void }[],
  execute: () => Promise<void>,
  commits?: CommitCounter,
): Promise<void> {
  try {
    await execute();
  } catch (error) {
    commits?.fail();
    const failure = error instanceof StorageUnavailableError
      ? error
      : storageUnavailable(String(error), { cause: error });
    for (const request of requests) request.fail(failure);
  }
}
