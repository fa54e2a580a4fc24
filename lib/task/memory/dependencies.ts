import { heldReason } from "../job_options.ts";
import type { JobId } from "../queue.ts";
import type { Job } from "./job.ts";

/** What the dependencies need of the queue. */
export interface DependencyOptions {
  /** A job by its id. */
  jobOf(id: JobId): Job | undefined;
  /** Writes that a job which others are held for was deleted. */
  keepLost(id: JobId): void;
  /** Removes that note. */
  forgetLost(id: JobId): void;
  /** Resolves when the removal of a job is durable; `undefined` if it already is. */
  settled(job: Job): Promise<void> | undefined;
  /** Releases a held job. */
  release(job: Job): void;
  /** As `Chores.run`. */
  runInTurns(step: () => boolean): void;
}

/**
 * Which jobs are held until others are done. A job is held as long as one of the jobs that it follows
 * is in the queue, or was deleted or cancelled. Only that needs to be remembered: a job that is gone
 * otherwise is done.
 *
 * A held job is released only when the end of the last job it follows is durable: if it cannot be
 * written, that job comes back, and its followers must not have run.
 */
export class Dependencies {
  readonly #options: DependencyOptions;
  /** Held jobs, by the id of each job that they follow. */
  readonly #followers = new Map<JobId, Set<Job>>();
  /** Jobs that were deleted or cancelled before they were done. */
  readonly #lost = new Set<JobId>();
  /** Jobs that are done, which is not durable yet. */
  readonly #ending = new Set<JobId>();

  constructor(options: DependencyOptions) {
    this.#options = options;
  }

  /** Whether a job that others are held for was deleted without being done. */
  isLost(id: JobId): boolean {
    return this.#lost.has(id);
  }

  /** All jobs of which that is so. */
  allLost(): Iterable<JobId> {
    return this.#lost;
  }

  /** Those of some jobs that are not done. */
  unfinished(ids: readonly JobId[]): JobId[] {
    return ids.filter((id) => this.#options.jobOf(id) !== undefined || this.#ending.has(id));
  }

  /** Whether a job must wait for one that it follows. */
  mustWait(job: Job): boolean {
    const { after } = job.options!;
    return this.unfinished(after).length > 0 || after.some((id) => this.#lost.has(id));
  }

  /** Why a held job will not run as things are; empty if it only has to wait. */
  reasonOf(job: Job): string {
    return heldReason(job.options!.after.map((id) => {
      const followed = this.#options.jobOf(id);
      if (followed === undefined) return { id, became: this.#lost.has(id) ? "lost" : "waiting" };
      if (followed.state === "buried") return { id, became: "buried" };
      return { id, became: followed.death === null ? "waiting" : "dead" };
    }));
  }

  /** Notes that a job is held. */
  hold(job: Job): void {
    for (const id of job.options!.after) {
      const followers = this.#followers.get(id);
      if (followers === undefined) this.#followers.set(id, new Set([job]));
      else followers.add(job);
    }
  }

  /** Notes that a job is not held any more. */
  drop(job: Job): void {
    for (const id of job.options!.after) {
      const followers = this.#followers.get(id);
      followers?.delete(job);
      if (followers?.size === 0) this.#followers.delete(id);
    }
  }

  /** A held job was removed. If that cannot be written it comes back, so wait until it is. */
  removed(job: Job): void {
    const settled = this.#options.settled(job);
    if (settled === undefined) this.tidy(job);
    else settled.then(() => this.tidy(job), () => {});
  }

  /** Forgets deletions that no job is held for any more, when one of their followers is not. */
  tidy(job: Job): void {
    for (const id of job.options!.after) {
      if (!this.#followers.has(id) && this.#lost.delete(id)) this.#options.forgetLost(id);
    }
  }

  /** A job was done: releases its followers once that is durable. */
  done(job: Job): void {
    const { id } = job;
    if (!this.#followers.has(id)) return;
    const settled = this.#options.settled(job);
    if (settled === undefined) return this.#release(id);
    this.#ending.add(id);
    settled.then(() => {
      this.#ending.delete(id);
      this.#release(id);
    }, () => {});
  }

  /** A job was deleted or cancelled: its followers stay held. */
  lose({ id }: Job): void {
    if (!this.#followers.has(id)) return;
    this.#lost.add(id);
    this.#options.keepLost(id);
  }

  /** A job is back, since its end could not be written. */
  restore({ id }: Job): void {
    this.#lost.delete(id);
    this.#ending.delete(id);
  }

  /** Restores the note that a job was deleted, before its followers are restored. */
  restoreLost(id: JobId): void {
    this.#lost.add(id);
  }

  /** Forgets the deletions that no job is held for, once all jobs are restored. */
  tidyAll(): void {
    for (const id of this.#lost) {
      if (this.#followers.has(id)) continue;
      this.#lost.delete(id);
      this.#options.forgetLost(id);
    }
  }

  #release(id: JobId): void {
    const followers = this.#followers.get(id);
    this.#followers.delete(id);
    if (followers !== undefined) this.#releaseAll(followers.values());
  }

  /** Releases those that need not wait for others. */
  #releaseAll(jobs: Iterator<Job>): void {
    this.#options.runInTurns(() => {
      const { done, value: job } = jobs.next();
      if (done) return false;
      const isHeld = this.#options.jobOf(job.id) === job && job.state === "held";
      if (isHeld && !this.mustWait(job)) this.#options.release(job);
      return true;
    });
  }
}
