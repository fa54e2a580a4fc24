import { StorageUnavailableError } from "../../storage/store.ts";
import { type Value, valueFrom } from "../../storage/value.ts";
import { SYSTEM_CLOCK } from "../clock.ts";
import type { JobEvent } from "../life_cycle.ts";
import { progressText } from "../progress.ts";
import { type JobBody, type JobId, type JobState, type NoJob, SAFETY_MARGIN_MS } from "../queue.ts";
import type { HeldJob, JoinWorkers, QueueWorker } from "../workers.ts";
import { reserveOne } from "./job_queries.ts";
import type { LocalTube } from "./local_tube.ts";
import type { Holder, LockedJob } from "./locked_job.ts";
import type { ReservedRow } from "./requests.ts";
import { SharedReservations } from "./reservations.ts";
import type { SharedScheduler } from "./scheduler.ts";
import type { SharedWait } from "./wait.ts";

/** How often a job is given back when its worker has left, and the pause between two tries. */
const MAX_GIVE_BACK_TRIES = 10;
/** A daemon that is stopping does not wait long for its database. */
const MAX_DRAIN_TRIES = 3;
const GIVE_BACK_RETRY_MS = 200;

/** A client as a worker: it reserves jobs, and works on those that it has reserved. */
export class SharedWorker implements QueueWorker {
  readonly #scheduler: SharedScheduler;
  readonly #number: number;
  readonly #watches: readonly LocalTube[];
  readonly #wait: SharedWait;
  readonly #reserved = new SharedReservations();
  #join: JoinWorkers | undefined;
  #leave: () => void = () => {};
  #waits = false;
  #quiet = false;
  #closed = false;

  /**
   * @param scheduler The source of the jobs.
   * @param client The client's number within this daemon, the tubes it watches, and its wait; `join`
   * adds it to the list of workers and is called when it first asks for a job.
   */
  constructor(
    scheduler: SharedScheduler,
    client: {
      number: number;
      watches: readonly LocalTube[];
      wait: SharedWait;
      join: JoinWorkers | undefined;
    },
  ) {
    this.#scheduler = scheduler;
    this.#number = client.number;
    this.#watches = client.watches;
    this.#wait = client.wait;
    this.#join = client.join;
  }

  get quiet(): boolean {
    return this.#quiet;
  }

  set quiet(quiet: boolean) {
    this.#quiet = quiet;
    // It may have been woken for a job, which another client must look for now.
    if (quiet) { for (const tube of this.#watches) tube.wake(1); }
    this.#wait.wake();
  }

  get watched(): readonly string[] {
    return this.#watches.map(({ name }) => name);
  }

  get waits(): boolean {
    return this.#waits;
  }

  /** How many jobs it has reserved, as far as this daemon knows. */
  get holds(): number {
    return this.#reserved.size;
  }

  get busyMs(): number {
    return this.#reserved.size === 0 ? 0 : performance.now() - this.#reserved.since;
  }

  heldJobs(max: number): HeldJob[] {
    return this.#reserved.some(max);
  }

  /** Reserves up to `max` jobs; waits for the first one. */
  async reserve(max: number, timeoutMs: number): Promise<JobBody[] | NoJob> {
    this.#becomeWorker();
    this.#waits = true;
    try {
      return await this.#reserve(max, timeoutMs);
    } finally {
      this.#waits = false;
    }
  }

  async #reserve(max: number, timeoutMs: number): Promise<JobBody[] | NoJob> {
    this.#wait.begin();
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const { events } = this.#scheduler;
      const jobs = await this.#reserveNow(max);
      if (jobs.length > 0) return jobs;
      const now = performance.now();
      const soonMs = this.#reserved.deadlineAt - SAFETY_MARGIN_MS - now;
      if (soonMs <= 0) return "DEADLINE_SOON";
      if (this.#wait.cancelled || endMs <= now) return "TIMED_OUT";
      if (this.#watches.some(({ wakes }) => wakes > events)) continue;
      const how = await this.#wait.sleep(
        // A wake-up of a quiet worker would be lost to the others.
        this.#quiet ? [] : this.#watches,
        Math.min(endMs - now, soonMs),
      );
      if (how === "woken" && !this.#wait.cancelled) continue;
      // A timer can fire a little early, so do not compare times again.
      return how === "late" && soonMs < endMs - now ? "DEADLINE_SOON" : "TIMED_OUT";
    }
  }

  /** Reserves this job, unless it is reserved or held or the limits of its tube do not allow it. */
  async reserveJob(id: JobId): Promise<JobBody | null> {
    this.#becomeWorker();
    if (this.#scheduler.draining || this.#quiet) return null;
    const row = await this.#scheduler.ask((sql) =>
      reserveOne(sql, id, { ...this.#holder, rulesOf: this.#scheduler.options.rulesOf })
    );
    if (row === null) return null;
    this.#scheduler.lookIn(row.ttr_ms);
    this.#scheduler.report("reserved", row.tube, row.id);
    return this.#gained(row);
  }

  /** Restarts the time to run of a job that it has reserved, and notes its progress. */
  async touch(id: JobId, progress?: Value): Promise<boolean> {
    if (!this.#reserved.has(id)) return false;
    const ttrMs = await this.#scheduler.work(id, (job) => {
      if (!job?.isHeldBy(this.#holder)) return null;
      job.apply({ kind: "touch" });
      if (progress !== undefined) job.progress = progressText(progress);
      return job.facts.ttrMs;
    });
    if (ttrMs === null) this.#reserved.delete(id);
    else this.#reserved.set(id, ttrMs);
    return ttrMs !== null;
  }

  /** Applies an event to a job that it has reserved; `null` if it has not, or not any more. */
  applyToOwn(id: JobId, event: JobEvent): Promise<JobState | "dead" | null> {
    return this.workOnOwn(id, (job) => job.apply(event));
  }

  /** Works on a job that it has reserved; `null` if it has not, or not any more. */
  async workOnOwn<T>(id: JobId, decide: (job: LockedJob) => T): Promise<T | null> {
    if (!this.#reserved.has(id)) return null;
    const answer = await this.#scheduler.work(id, (job) => {
      return job?.isHeldBy(this.#holder) ? decide(job) : null;
    });
    this.#reserved.delete(id);
    return answer;
  }

  /** Forgets a job that was deleted. */
  forget(id: JobId): void {
    this.#reserved.delete(id);
  }

  /** Reserves no more, and gives all jobs back. */
  close(): Promise<void> {
    this.#closed = true;
    this.#leave();
    return this.#giveAllBack();
  }

  #becomeWorker(): void {
    if (this.#join === undefined || this.#closed) return;
    this.#leave = this.#join(this);
    this.#join = undefined;
  }

  async #reserveNow(max: number): Promise<JobBody[]> {
    if (this.#scheduler.draining || this.#closed || this.#quiet) return [];
    const rows = await this.#scheduler.reserve(this.#number, [...this.#watches], max);
    const jobs = rows.map((row) => this.#gained(row));
    if (this.#closed) await this.#giveAllBack();
    // It became quiet while the database was looking.
    else if (this.#quiet) {
      await Promise.all(jobs.map(({ id }) => this.#giveBack(id, "worker-dismissed")));
    } else return jobs;
    return [];
  }

  #gained({ id, ttr_ms, body }: ReservedRow): JobBody {
    this.#reserved.set(id, ttr_ms);
    return { id, body: valueFrom(body) };
  }

  /** This client, as the database knows it. */
  get #holder(): Holder {
    return { daemon: this.#scheduler.daemon, client: this.#number };
  }

  async #giveAllBack(): Promise<void> {
    const kind = this.#scheduler.draining ? "worker-dismissed" : "worker-lost";
    await Promise.allSettled(this.#reserved.ids.map((id) => this.#giveBack(id, kind)));
  }

  /** Gives a job back. Should all tries fail, the job comes back when its time to run is over. */
  async #giveBack(id: JobId, kind: "worker-dismissed" | "worker-lost"): Promise<void> {
    for (let tries = 1;; tries++) {
      try {
        return void await this.applyToOwn(id, { kind });
      } catch (error) {
        if (!(error instanceof StorageUnavailableError)) throw error;
        const maxTries = this.#scheduler.draining ? MAX_DRAIN_TRIES : MAX_GIVE_BACK_TRIES;
        if (tries >= maxTries) return;
      }
      await new Promise<void>((resolve) => SYSTEM_CLOCK.after(GIVE_BACK_RETRY_MS, resolve));
    }
  }
}
