import { SeenProgress } from "../progress.ts";
import type { JobId, Outcome } from "../queue.ts";
import type { Job } from "./job.ts";
import type { Scheduler } from "./scheduler.ts";

/** What a client is told of jobs. All of that must be durable before it is sent. */
export class Answers {
  readonly #scheduler: Scheduler;
  /** The newest ticket of the journal that the client has learned anything of. */
  #ticket = 0;
  /** The progress that the client was told. */
  readonly progress = new SeenProgress();

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Resolves when all of it is durable; `undefined` if it already is. */
  settled(): Promise<void> | undefined {
    return this.#scheduler.journal.settled(this.#ticket);
  }

  /** Notes that the client learns the present state of a job. */
  told(job: Job): Job {
    if (job.ticket > this.#ticket) this.#ticket = job.ticket;
    return job;
  }

  /** A job by its id. If there is none, the answer must be as durable as the job's removal. */
  find(id: JobId): Job | null {
    const job = this.#scheduler.jobs.get(id);
    if (job !== undefined) return this.told(job);
    this.#ticket = this.#scheduler.journal.last;
    return null;
  }

  /** As `outcome`, and notes that the client is told. */
  result(id: JobId): Outcome | null {
    const outcome = this.outcome(id);
    this.progress.see(id, outcome);
    return outcome;
  }

  /** The outcome of a job so far; `null` if nothing is known of it. */
  outcome(id: JobId): Outcome | null {
    const result = this.#scheduler.results.get(id);
    if (result !== undefined) {
      this.#ticket = Math.max(this.#ticket, result.ticket);
      return { state: result.state, body: result.body };
    }
    return this.find(id)?.outcome ?? null;
  }
}
