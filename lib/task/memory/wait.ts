import type { Value } from "../../storage/value.ts";
import type { EndState, NoJob, Outcome } from "../queue.ts";
import type { SeenProgress } from "../progress.ts";
import type { Job, TubeWatch, Watcher } from "./job.ts";
import type { MemoryReservations } from "./reservations.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Timed } from "./timers.ts";

/** A client's wait for a job, or for the outcome of one. A client waits for one thing at a time. */
export class MemoryWait implements Timed, Watcher {
  readonly #scheduler: Scheduler;
  readonly #watches: readonly TubeWatch[];
  readonly #reserved: MemoryReservations;
  readonly #told: (job: Job) => void;
  #gotJob: ((outcome: Job | NoJob) => void) | null = null;
  #gotOutcome: ((outcome: Outcome | "TIMED_OUT") => void) | null = null;
  #watchedJob: Job | null = null;
  #progress: SeenProgress | undefined;
  #timeoutAt = Infinity;
  #quiet = false;
  dueAt = 0;
  timerPlace = -1;

  /**
   * @param scheduler The source of the jobs.
   * @param client The client's subscriptions and reservations; `told` is called when the client
   * learns the state of a job.
   */
  constructor(
    scheduler: Scheduler,
    client: {
      watches: readonly TubeWatch[];
      reserved: MemoryReservations;
      told: (job: Job) => void;
    },
  ) {
    this.#scheduler = scheduler;
    this.#watches = client.watches;
    this.#reserved = client.reserved;
    this.#told = client.told;
  }

  /** Whether it waits for a job. */
  get isForJob(): boolean {
    return this.#gotJob !== null;
  }

  /** Whether no job ends the wait: the client is in no waiting list then. */
  get quiet(): boolean {
    return this.#quiet;
  }

  set quiet(quiet: boolean) {
    if (quiet === this.#quiet) return;
    if (this.#gotJob !== null && quiet) this.#stopQueueing();
    this.#quiet = quiet;
    if (this.#gotJob === null || quiet) return;
    this.#queueUp();
    for (const { tube } of this.#watches) this.#scheduler.serve(tube);
  }

  /** Waits for a job from the watched tubes. */
  forJob(timeoutMs: number): Promise<Job | NoJob> {
    return new Promise((resolve) => {
      this.#gotJob = resolve;
      this.#queueUp();
      this.#scheduler.waiting++;
      this.#setTimer(timeoutMs);
      // Their tokens come by a timer, which is set when a client waits.
      for (const { tube } of this.#watches) if (tube.rate !== null) this.#scheduler.serve(tube);
    });
  }

  /**
   * Waits until a job has an outcome.
   *
   * @param options The longest wait, and the progress that the client has seen if other progress is
   * to end the wait.
   */
  forOutcome(
    job: Job,
    { timeoutMs, progress }: { timeoutMs: number; progress: SeenProgress | undefined },
  ): Promise<Outcome | "TIMED_OUT"> {
    return new Promise((resolve) => {
      this.#gotOutcome = resolve;
      this.#progress = progress;
      this.#watchedJob = job;
      job.watch(this);
      this.#setTimer(timeoutMs);
    });
  }

  /** Ends the wait for a job. */
  endForJob(outcome: Job | NoJob): void {
    this.#scheduler.clientTimers.clear(this);
    this.#stopQueueing();
    this.#scheduler.waiting--;
    const resolve = this.#gotJob!;
    this.#gotJob = null;
    resolve(outcome);
  }

  /** Ends the current wait, if there is one. */
  cancel(): void {
    if (this.#gotJob !== null) this.endForJob("TIMED_OUT");
    if (this.#gotOutcome !== null) this.#endForOutcome("TIMED_OUT");
  }

  finished(job: Job, state: EndState, body: Value): void {
    this.#told(job);
    this.#endForOutcome({ state, body });
  }

  progressed(job: Job): void {
    const { outcome } = job;
    if (!this.#progress?.see(job.id, outcome)) return;
    this.#told(job);
    this.#endForOutcome(outcome);
  }

  /** The wait has timed out, or a reserved job is close to its deadline. */
  due(now: number): void {
    if (this.#gotOutcome !== null) this.#endForOutcome("TIMED_OUT");
    else if (this.#reserved.marginAt <= now) this.endForJob("DEADLINE_SOON");
    else if (this.#timeoutAt <= now) this.endForJob("TIMED_OUT");
    else this.#setTimer(this.#timeoutAt - now);
  }

  #queueUp(): void {
    if (this.#quiet) return;
    for (const watch of this.#watches) watch.tube.waiting.push(watch);
  }

  #stopQueueing(): void {
    if (this.#quiet) return;
    for (const watch of this.#watches) watch.tube.waiting.remove(watch);
  }

  #setTimer(timeoutMs: number): void {
    this.#timeoutAt = this.#scheduler.now() + timeoutMs;
    const marginAt = this.#gotJob === null ? Infinity : this.#reserved.marginAt;
    const dueAt = Math.min(this.#timeoutAt, marginAt);
    if (dueAt < Infinity) this.#scheduler.clientTimers.set(this, dueAt);
  }

  #endForOutcome(outcome: Outcome | "TIMED_OUT"): void {
    this.#scheduler.clientTimers.clear(this);
    this.#watchedJob!.unwatch(this);
    this.#watchedJob = null;
    const resolve = this.#gotOutcome!;
    this.#gotOutcome = null;
    resolve(outcome);
  }
}
