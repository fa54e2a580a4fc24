import type { Log } from "../../log.ts";
import type { Metric } from "../../metrics.ts";
import type { SortSummary } from "../job/sort_job.ts";
import type { Hello } from "../link/hello.ts";
import type { Meeting } from "../link/meeting.ts";
import type { NodeProgress } from "./console.ts";
import type { JobOrder, JobOutcome } from "./control_message.ts";
import type { Doubt } from "./doubts.ts";
import { LocalJob, type LocalJobOptions } from "./local_job.ts";
import { NodeMetrics } from "./node_metrics.ts";

/** How often a node reports its progress, and node 0 its status. */
export const PROGRESS_INTERVAL_MS = 250;

/** Why a job ends on a node that has been given the next one. */
const REPLACED = "node 0 has started another job";

/** Options for {@linkcode LocalJobs}. */
export interface LocalJobsOptions {
  /** The number of this node. */
  node: number;
  /** The options of a job that starts now. */
  job: () => LocalJobOptions;
  log: Log;
  /** Called every {@linkcode PROGRESS_INTERVAL_MS} while a job runs. */
  onProgress: (key: string, progress: NodeProgress) => void;
  /** Called once for each job that was started, possibly before `start` returns. */
  onEnd: (key: string, end: JobOutcome) => void;
  /** Called, before `onEnd`, if this node does not know whether the job is committed. */
  onDoubt: (doubt: Doubt) => void;
}

/**
 * This node's part of the jobs: runs one at a time and keeps the metrics of those that ended. Both
 * the coordinator and the members have one; they differ in whom they tell about it.
 */
export class LocalJobs {
  readonly #options: LocalJobsOptions;
  readonly #metrics = new NodeMetrics();
  #job: LocalJob | undefined;
  /** The job that starts when the running one, which was stopped, has ended. */
  #next: JobOrder | undefined;
  #running: Promise<void> = Promise.resolve();
  #draining = false;

  constructor(options: LocalJobsOptions) {
    this.#options = options;
  }

  /** Whether `drain` was called; no job starts after that. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Metrics of finished jobs, and the progress of the running one. */
  metrics(): Metric[] {
    return this.#metrics.metrics(this.#job?.progress());
  }

  /** The meeting of the job that a calling peer names, or the reason why there is none. */
  findMeeting(hello: Hello): Meeting | string {
    const meeting = this.#job?.meeting;
    return meeting && this.#job?.order.key === hello.job ? meeting : "the job is not known here";
  }

  /** Whether a job is running here. */
  isRunning(key: string): boolean {
    return this.#job?.order.key === key;
  }

  /**
   * Starts a job. Its end is reported in any case, also if it cannot start.
   *
   * Node 0 starts one job at a time. If this node has not ended the one before, node 0 has given it
   * up, perhaps without an answer from here; so it is stopped, and the new job starts when it has
   * ended.
   */
  start(order: JobOrder): void {
    const { job: options, node, log, onProgress } = this.#options;
    // Node 0 may not know about the drain yet, and the other nodes would wait for this one.
    if (this.#draining) return this.#refuse(order, `node ${node} is draining`);
    if (this.#job) {
      if (this.#next) this.#refuse(this.#next, REPLACED);
      this.#next = order;
      return this.#job.stop(REPLACED);
    }
    const job = this.#job = new LocalJob(order, options());
    const report = () => onProgress(order.key, job.progress());
    const timer = setInterval(report, PROGRESS_INTERVAL_MS);
    log.info("Job started", { job: order.id, input: order.input, output: order.output });
    this.#running = job.run().then(
      (summary) => this.#succeeded(job, summary),
      (error) => this.#failed(job, error),
    ).finally(() => {
      clearInterval(timer);
      const next = this.#next;
      this.#next = undefined;
      if (next) this.start(next);
    });
  }

  #refuse({ key }: JobOrder, failure: string): void {
    this.#options.onEnd(key, { records: 0, failure });
  }

  /** Stops the job with this key, if it runs or is the next one, for a reason for people. */
  stop(key: string, reason: string): void {
    if (this.#job?.order.key === key) this.#job.stop(reason);
    if (this.#next?.key !== key) return;
    this.#refuse(this.#next, reason);
    this.#next = undefined;
  }

  /** Refuses further jobs; resolves when none runs. Does nothing if none does now. */
  finish(): Promise<void> | undefined {
    if (this.#job === undefined) return undefined;
    this.#draining = true;
    return this.#running;
  }

  /** Refuses further jobs and waits for the running one, which is stopped at the deadline. */
  async drain(deadline: AbortSignal): Promise<void> {
    this.#draining = true;
    const stop = () => this.#job?.stop(`node ${this.#options.node} has been stopped`);
    if (deadline.aborted) stop();
    deadline.addEventListener("abort", stop, { once: true });
    await this.#running;
    deadline.removeEventListener("abort", stop);
  }

  #succeeded({ order, connectSeconds }: LocalJob, summary: SortSummary): void {
    const { output: { records, bytes }, spilledBytes, seconds, total, unfinished } = summary;
    this.#metrics.succeeded(summary, connectSeconds);
    const phases = Object.entries(seconds).map((
      [phase, s],
    ) => [phase, `${Math.round(s * 1000)}ms`]);
    const details = { records, bytes, spilledBytes, ...Object.fromEntries(phases) };
    const { log, onEnd } = this.#options;
    log.info("Job done", { job: order.id, ...details });
    if (unfinished) log.warn("Not all nodes have finished", { job: order.id, reason: unfinished });
    this.#job = undefined;
    onEnd(order.key, { records, ...(total ? { committed: total.records } : {}) });
  }

  #failed({ order, doubt }: LocalJob, error: unknown): void {
    const failure = error instanceof Error ? error.message : String(error);
    this.#metrics.failed();
    this.#options.log.warn("Job failed", { job: order.id, reason: failure });
    this.#job = undefined;
    if (doubt) this.#options.onDoubt(doubt);
    this.#options.onEnd(order.key, { records: 0, failure });
  }
}
