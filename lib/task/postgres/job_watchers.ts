import type { JobId, Outcome } from "../queue.ts";

/** A client that waits for the outcome of a job. */
export interface JobWatcher {
  /** The job is finished. */
  finished(outcome: Outcome): void;
  /** The worker of the job has said how far it is. */
  progressed(): void;
  /** Some job is finished, perhaps the one waited for. */
  askAgain(): void;
}

/** The clients of this daemon that wait for the outcome of a job. */
export class JobWatchers {
  readonly #watched = new Map<JobId, Set<JobWatcher>>();

  /** Tells a client when a job is finished. */
  add(id: JobId, watcher: JobWatcher): void {
    const watchers = this.#watched.get(id) ?? new Set();
    this.#watched.set(id, watchers.add(watcher));
  }

  /** Stops telling a client. */
  remove(id: JobId, watcher: JobWatcher): void {
    const watchers = this.#watched.get(id);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.#watched.delete(id);
  }

  /** Tells the clients that wait for a job. */
  finished(id: JobId, outcome: Outcome): void {
    const watchers = this.#watched.get(id);
    this.#watched.delete(id);
    for (const watcher of watchers ?? []) watcher.finished(outcome);
  }

  /** Tells the clients that wait for a job about its progress. */
  progressed(id: JobId): void {
    for (const watcher of this.#watched.get(id) ?? []) watcher.progressed();
  }

  /** Makes all waiting clients look again. */
  askAgain(): void {
    for (const watchers of [...this.#watched.values()]) {
      for (const watcher of watchers) watcher.askAgain();
    }
  }
}
