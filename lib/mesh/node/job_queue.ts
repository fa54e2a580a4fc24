import type { JobStatus } from "./console.ts";
import type { JobOrder } from "./control_message.ts";
import type { RecordFormat } from "../records/record_format.ts";

/** So many jobs that are over are remembered. */
const MAX_PAST_JOBS = 16;
/** So much is remembered of why a job has failed: a name can be long, and is told to all nodes. */
const MAX_REASON_CHARACTERS = 2000;

/** A job of the queue. */
interface Job {
  order: JobOrder;
  status: JobStatus;
  /** What each node has said about its end. */
  ended: Map<number, { records: number; failure?: string }>;
  cancelled: boolean;
}

/** What is asked of the nodes by the queue. */
export interface JobQueueOptions {
  /** The nodes that have to take part. */
  nodes: number;
  /** How many jobs may wait. */
  maxWaiting: number;
  /** Has all nodes start a job. */
  start: (order: JobOrder) => void;
  /** Has all nodes stop it. */
  stop: (key: string, reason: string) => void;
  /** Told when something has changed. */
  onChange: () => void;
}

/** The jobs of a mesh, which node 0 keeps: one runs, others wait. */
export class JobQueue {
  readonly #options: JobQueueOptions;
  readonly #jobs: Job[] = [];
  /** No two daemons give their jobs the same keys. */
  readonly #prefix = crypto.randomUUID();
  #lastId = 0;
  #closed = false;

  constructor(options: JobQueueOptions) {
    this.#options = options;
  }

  /** Takes a job; the reply to the one who asked. */
  submit(job: { input: string; output: string; format: RecordFormat }): string {
    const waiting = this.#jobs.filter(({ status }) => status.state === "waiting").length;
    if (waiting >= this.#options.maxWaiting) return `ERR ${waiting} jobs are waiting already`;
    const id = ++this.#lastId;
    const order = { key: `${this.#prefix}-${id}`, id, ...job };
    const status: JobStatus = { id, ...job, state: "waiting", result: "", progress: [] };
    this.#jobs.push({ order, status, ended: new Map(), cancelled: false });
    this.#startNext();
    return `OK job ${id}`;
  }

  /** Ends a job, the one that runs if none is named; the reply to the one who asked. */
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

  /** Takes in how far a node is. */
  progress(key: string, progress: JobStatus["progress"][number]): void {
    const job = this.#running(key);
    if (!job) return;
    const others = job.status.progress.filter(({ node }) => node !== progress.node);
    job.status.progress = [...others, progress].sort((a, b) => a.node - b.node);
    this.#options.onChange();
  }

  /** Takes in that a node's part has ended. */
  ended(key: string, node: number, end: { records: number; failure?: string }): void {
    const job = this.#running(key);
    if (!job || job.ended.has(node)) return;
    const failedBefore = this.#failure(job);
    job.ended.set(node, end);
    if (end.failure !== undefined && failedBefore === undefined) {
      this.#options.stop(key, end.failure);
    }
    if (job.ended.size < this.#options.nodes) return;
    const failure = this.#failure(job);
    if (failure === undefined) {
      const records = [...job.ended.values()].reduce((sum, { records }) => sum + records, 0);
      this.#end(job, "done", `records=${records}`);
    } else if (job.cancelled) this.#end(job, "cancelled", "");
    else this.#end(job, "failed", failure.slice(0, MAX_REASON_CHARACTERS));
  }

  /** Takes in that a node cannot be reached any more. */
  lost(node: number, reason: string): void {
    const running = this.#jobs.find(({ status }) => status.state === "running");
    if (running) this.ended(running.order.key, node, { records: 0, failure: reason });
  }

  /** Starts no more jobs: those that wait go on waiting. */
  close(): void {
    this.#closed = true;
  }

  /** All jobs, the oldest first. */
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
