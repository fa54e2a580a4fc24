import type { JobId, Refusal } from "../queue.ts";
import {
  decideRun,
  type DueRun,
  openedRecord,
  recordAfter,
  type RunOutcome,
  type ScheduleBook,
  type ScheduleRecord,
} from "../schedule/book.ts";
import type { Scheduler } from "./scheduler.ts";

/**
 * What a queue in memory remembers of schedules. It forgets those that are no longer configured.
 */
export class MemoryScheduleBook implements ScheduleBook {
  readonly #scheduler: Scheduler;
  /** By name; the journal loads them. */
  readonly records = new Map<string, ScheduleRecord>();

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  get paused(): boolean {
    return this.#scheduler.refusesPuts || this.#scheduler.draining;
  }

  async open(
    schedules: readonly { name: string; timing: string }[],
    now: number,
  ): Promise<ScheduleRecord[]> {
    const names = new Set(schedules.map(({ name }) => name));
    for (const name of [...this.records.keys()]) {
      if (!names.has(name)) this.#set(name, undefined);
    }
    const opened = schedules.map(({ name, timing }) => {
      const before = this.records.get(name);
      const record = openedRecord(before, timing, now);
      if (record !== before) this.#set(name, record);
      return record;
    });
    const { journal } = this.#scheduler;
    await journal.settled(journal.last);
    return opened;
  }

  async run(run: DueRun): Promise<{ outcome: RunOutcome; record: ScheduleRecord } | Refusal> {
    const { journal } = this.#scheduler;
    const made = this.#make(run);
    await journal.settled(journal.last);
    return made;
  }

  /** Makes a run without an `await`, so that the log takes it as one group. */
  #make(run: DueRun): { outcome: RunOutcome; record: ScheduleRecord } | Refusal {
    const before = this.records.get(run.name) ?? openedRecord(undefined, run.timing, 0);
    const outcome = decideRun(before, run, this.#isUnfinished(before.job, run.job?.tube));
    if (outcome === "handled") return { outcome, record: before };
    let job = 0;
    if (outcome === "put") {
      const put = this.#put(run.job!);
      if (typeof put === "string") return put;
      job = put;
    }
    const record = recordAfter(before, run, job);
    this.#set(run.name, record);
    return { outcome, record };
  }

  #isUnfinished(id: JobId, tube: string | undefined): boolean {
    const job = this.#scheduler.jobs.get(id);
    return job !== undefined && job.state !== "buried" && job.tube.name === tube;
  }

  #put({ tube: name, spec }: NonNullable<DueRun["job"]>): JobId | Refusal {
    const { tubes } = this.#scheduler;
    const tube = tubes.open(name);
    if (tube === undefined) return "OUT_OF_MEMORY";
    const jobs = this.#scheduler.put(tube, [spec]);
    if (typeof jobs !== "string") return jobs[0]!.id;
    tubes.leave(tube);
    return jobs;
  }

  #set(name: string, record: ScheduleRecord | undefined): void {
    const before = this.records.get(name);
    this.#restore(name, record);
    this.#scheduler.journal.mark(name, record, () => this.#restore(name, before));
  }

  #restore(name: string, record: ScheduleRecord | undefined): void {
    if (record === undefined) this.records.delete(name);
    else this.records.set(name, record);
  }
}
