import type { Value } from "../../storage/value.ts";
import { reportsOf } from "../event_reports.ts";
import type { JobEvent } from "../life_cycle.ts";
import type { EndState, KeptState, QueueOptions } from "../queue.ts";
import type { Job } from "./job.ts";
import type { Journal } from "./journal.ts";

/** Tells what happens to jobs: reports for the bus, and outcomes for the clients that wait. */
export class JobNews {
  readonly #journal: Journal;
  readonly #options: Pick<QueueOptions, "report">;

  constructor(journal: Journal, options: Pick<QueueOptions, "report">) {
    this.#journal = journal;
    this.#options = options;
  }

  /** Reports something that no event of the life cycle stands for. */
  happened(job: Job, kind: "put" | "reserved" | KeptState): void {
    const { report } = this.#options;
    if (report === undefined) return;
    const { id, tube: { name: tube } } = job;
    report({ kind, tube, id, reason: "" }, this.#journal.settled(job.ticket));
  }

  /**
   * Reports an event that was applied to a job.
   *
   * @param about The tube in which it happened, and whether it made the job a dead letter.
   */
  changed(job: Job, event: JobEvent, { tube, died }: { tube: string; died: boolean }): void {
    const { report } = this.#options;
    if (report === undefined) return;
    const { id } = job;
    const durable = this.#journal.settled(job.ticket);
    for (const what of reportsOf(event, { id, tube, after: job, died })) report(what, durable);
  }

  /** Tells the clients that wait for the outcome of a job. */
  ended(job: Job, state: EndState, body: Value): void {
    for (const watcher of job.takeWatchers()) watcher.finished(job, state, body);
  }
}
