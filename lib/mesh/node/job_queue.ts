import type { JobStatus } from "./console.ts";
import type { JobOrder, JobOutcome } from "./control_message.ts";
import type { RecordFormat } from "../records/record_format.ts";

/** The number of finished jobs that are kept for STATUS. */
const MAX_PAST_JOBS = 16;
/** Failure reasons are cut to this length: they may contain long names, and go to all nodes. */
const MAX_REASON_CHARACTERS = 2000;

/** A job of the queue. */
interface Job {
  order: JobOrder;
  status: JobStatus;
  /** The outcome on each node that has ended. */
  ended: Map<number, JobOutcome>;
  cancelled: boolean;
}

/** Options for {@linkcode JobQueue}. */
export interface JobQueueOptions {
  /** The number of nodes, which all take part in every job. */
  nodes: number;
  /** The beginning of the keys of all jobs, which no other daemon uses. */
  keyPrefix: string;
  /** The most jobs that may wait. */
  maxWaiting: number;
  /** Starts a job on all nodes. */
  start: (order: JobOrder) => void;
  /** Stops a job on all nodes. */
  stop: (key: string, reason: string) => void;
  /** Called when the status has changed. */
  onChange: () => void;
}

/**
 * The jobs of a mesh, kept by node 0. One runs at a time, in the order of submission; it is over when
 * every node has ended it or is lost.
 */
export class JobQueue {
  readonly #options: JobQueueOptions;
  readonly #jobs: Job[] = [];
  #lastId = 0;
  #closed = false;

  constructor(options: JobQueueOptions) {
    this.#options = options;
  }

  /** Queues a job; returns the reply line. */
  submit(job: { input: string; output: string; format: RecordFormat }): string {
    const waiting = this.#jobs.filter(({ status }) => status.state === "waiting").length;
    if (waiting >= this.#options.maxWaiting) return `ERR ${waiting} jobs are waiting already`;
    const id = ++this.#lastId;
    const order = { key: `${this.#options.keyPrefix}-${id}`, id, ...job };
    const status: JobStatus = { id, ...job, state: "waiting", result: "", progress: [] };
    this.#jobs.push({ order, status, ended: new Map(), cancelled: false });
    this.#startNext();
    return `OK job ${id}`;
  }

  /** Cancels a job, or the running one if none is named; returns the reply line. */
  cancel(id: number | undefined): string {
    const job = this.#jobs.find(({ status }) => (
      id === undefined ? status.state === "running" : status.id === id
    ));
    if (!job) return id === undefined ? "ERR no job is running" : `ERR there is no job ${id}`;
    const { state } = job.status;
    if (state === "waiting") this.#end(job, "cancelled", "");
    else if (state === "running") {
      job.cancelled = true;
      this.#options.stop(job.order.key, "Cancelled");
    } else return `ERR job ${job.status.id} is ${state} already`;
    return `OK job ${job.status.id}`;
  }

  /** Records the progress of a node. */
  progress(key: string, progress: JobStatus["progress"][number]): void {
    const job = this.#running(key);
    if (!job) return;
    const others = job.status.progress.filter(({ node }) => node !== progress.node);
    job.status.progress = [...others, progress].sort((a, b) => a.node - b.node);
    this.#options.onChange();
  }

  /** Records the outcome on a node. The first failure stops the job on all nodes. */
  ended(key: string, node: number, outcome: JobOutcome): void {
    const job = this.#running(key);
    if (!job || job.ended.has(node)) return;
    const failedBefore = this.#failure(job);
    job.ended.set(node, outcome);
    if (outcome.failure !== undefined && failedBefore === undefined) {
      this.#options.stop(key, outcome.failure);
    }
    if (job.ended.size < this.#options.nodes) return;
    const failure = this.#failure(job);
    const committed = job.ended.get(0)?.committed;
    if (failure !== undefined && committed !== undefined) {
      const unfinished = failure.slice(0, MAX_REASON_CHARACTERS);
      this.#end(job, "done", `records=${committed}, not finished yet: ${unfinished}`);
    } else if (failure === undefined) {
      const records = [...job.ended.values()].reduce((sum, { records }) => sum + records, 0);
      this.#end(job, "done", `records=${records}`);
    } else if (job.cancelled) this.#end(job, "cancelled", "");
    else this.#end(job, "failed", failure.slice(0, MAX_REASON_CHARACTERS));
  }

  /** Records that a node is not connected any more, which fails the running job. */
  lost(node: number, reason: string): void {
    const running = this.#jobs.find(({ status }) => status.state === "running");
    if (running) this.ended(running.order.key, node, { records: 0, failure: reason });
  }

  /** Stops starting jobs; waiting ones stay where they are. */
  close(): void {
    this.#closed = true;
  }

  /** All jobs, oldest first. */
  status(): JobStatus[] {
    return this.#jobs.map(({ status }) => status);
  }

  #failure(job: Job): string | undefined {
    return job.ended.values().find(({ failure }) => failure !== undefined)?.failure;
  }

  #running(key: string): Job | undefined {
    return this.#jobs.find(({ order, status }) => order.key === key && status.state === "running");
  }

  #end(job: Job, state: JobStatus["state"], result: string): void {
    Object.assign(job.status, { state, result, progress: [] });
    const past = this.#jobs.filter(({ status }) => !["waiting", "running"].includes(status.state));
    if (past.length > MAX_PAST_JOBS) this.#jobs.splice(this.#jobs.indexOf(past[0]!), 1);
    this.#startNext();
  }

  #startNext(): void {
    const running = this.#jobs.some(({ status }) => status.state === "running");
    const next = this.#jobs.find(({ status }) => status.state === "waiting");
    if (!running && next && !this.#closed) {
      next.status.state = "running";
      this.#options.start(next.order);
    }
    this.#options.onChange();
  }
}
