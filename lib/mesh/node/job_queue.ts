import type { JobStatus } from "./console.ts";
import type { JobOrder, JobOutcome } from "./control_message.ts";
import { formatOperation } from "../records/record_format.ts";
import type { JobEntry, JobStore } from "./job_log.ts";
import type { JobFiles } from "./mesh_node.ts";

/** The number of finished jobs that are kept. */
const MAX_PAST_JOBS = 50;
/** Failure reasons are cut to this length: they may contain long names, and go to all nodes. */
const MAX_REASON_CHARACTERS = 2000;
/** How often a job is started in all, if each time node 0 stops while it runs. */
const MAX_STARTS = 3;
/** How long the nodes may take to confirm that they have cancelled a job. */
const CANCEL_GRACE_MS = 1500;

/** A job of the queue. */
interface Job {
  status: JobStatus;
  /** Once it has started: its name, which no other attempt has. */
  key: string | undefined;
  starts: number;
  /** The outcome on each node that has ended. */
  ended: Map<number, JobOutcome>;
  cancelled: boolean;
}

/** Options for {@linkcode JobQueue}. */
export interface JobQueueOptions {
  /** The number of nodes, which all take part in every job. */
  nodes: number;
  /** The beginning of the keys of all jobs, which no other process uses. */
  keyPrefix: string;
  /** The most jobs that may wait; it may change. */
  maxWaiting: () => number;
  /** Where the jobs are kept. */
  store: JobStore;
  /** The jobs of the previous process, in the order of their numbers. */
  restored: readonly JobEntry[];
  /** The records of all nodes, if a job of the previous process is committed. */
  recordsOf: (key: string) => number | undefined;
  /** Starts a job on all nodes. */
  start: (order: JobOrder) => void;
  /** Stops a job on all nodes. */
  stop: (key: string, reason: string) => void;
  /** Called when the end of a job is on disk. */
  onRecorded: (key: string) => void;
  /** Called if the state of a job cannot be written; the next write tries again. */
  onStoreFailure: (error: unknown) => void;
  /** Called when the status has changed. */
  onChange: () => void;
  /** How long the nodes may take to confirm a cancellation. @default {CANCEL_GRACE_MS} */
  cancelGraceMs?: number;
}

/**
 * The jobs of a mesh, kept by node 0. One runs at a time, in the order of submission; it is over when
 * every node has ended it or is lost. A job that was running when node 0 was stopped is started again.
 */
export class JobQueue {
  readonly #options: JobQueueOptions;
  readonly #jobs: Job[] = [];
  #lastId = 0;
  /** Jobs that wait for the disk before they are acknowledged. */
  #recording = 0;
  #closed = true;
  #cancelTimer: ReturnType<typeof setTimeout> | undefined;
  /** Set if somebody waits until no job runs. */
  #finished: PromiseWithResolvers<void> | undefined;

  /** It starts no job before `open` is called. */
  constructor(options: JobQueueOptions) {
    this.#options = options;
    for (const entry of options.restored) {
      const { key, starts, ...rest } = entry;
      const job = { status: { ...rest, progress: [] }, key, starts, ended: new Map() };
      this.#jobs.push({ ...job, cancelled: false });
      this.#lastId = Math.max(this.#lastId, entry.id);
    }
    for (const job of this.#jobs.filter(({ status }) => status.state === "running")) {
      const records = job.key === undefined ? undefined : options.recordsOf(job.key);
      if (records !== undefined) void this.#finish(job, "done", `records=${records}`);
      else if (job.starts < MAX_STARTS) job.status.state = "waiting";
      else void this.#finish(job, "failed", `node 0 was stopped ${job.starts} times while it ran`);
    }
    this.#dropOld();
  }

  /** Begins to start jobs. */
  open(): void {
    this.#closed = false;
    this.#startNext();
  }

  /** Queues a job; returns the reply line, when the job is on disk. */
  async submit({ input, output, format }: JobFiles): Promise<string> {
    const { maxWaiting, store } = this.#options;
    const count = (state: string) =>
      this.#jobs.filter(({ status }) => status.state === state).length;
    const waiting = count("waiting") + this.#recording;
    // If none runs, the first of those that wait is about to.
    if (waiting >= maxWaiting() + 1 - count("running")) {
      return `ERR ${waiting} jobs are waiting already`;
    }
    const id = ++this.#lastId;
    const files = { id, input, output, format };
    const status: JobStatus = {
      ...files,
      state: "waiting",
      result: "",
      submittedMs: Date.now(),
      progress: [],
    };
    const job = { status, key: undefined, starts: 0, ended: new Map(), cancelled: false };
    this.#recording++;
    try {
      await store.write(entryOf(job));
    } catch (error) {
      store.drop(id);
      this.#options.onStoreFailure(error);
      return `ERR the job cannot be recorded: ${error instanceof Error ? error.message : error}`;
    } finally {
      this.#recording--;
    }
    this.#jobs.push(job);
    this.#startNext();
    return `OK job ${id}`;
  }

  /** Queues a job again that has failed or was cancelled; returns the reply line. */
  async retry(id: number): Promise<string> {
    const job = this.#jobs.find(({ status }) => status.id === id);
    if (!job) return `ERR there is no job ${id}`;
    const { state } = job.status;
    if (state === "failed" || state === "cancelled") return await this.submit(job.status);
    return `ERR job ${id} is ${state}`;
  }

  /**
   * Cancels a job, or the running one if none is named; returns the reply line. A waiting job is
   * cancelled on disk then.
   */
  async cancel(id: number | undefined): Promise<string> {
    const job = this.#jobs.find(({ status }) => (
      id === undefined ? status.state === "running" : status.id === id
    ));
    if (!job) return id === undefined ? "ERR no job is running" : `ERR there is no job ${id}`;
    const { state } = job.status;
    if (state === "waiting") await this.#end(job, "cancelled", "");
    else if (state === "running") {
      const { cancelGraceMs = CANCEL_GRACE_MS } = this.#options;
      if (!job.cancelled) this.#cancelTimer = setTimeout(() => this.#giveUp(job), cancelGraceMs);
      job.cancelled = true;
      this.#options.stop(job.key!, "Cancelled");
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
    const failure = this.#failure(job)?.slice(0, MAX_REASON_CHARACTERS);
    const committed = job.ended.get(0)?.committed;
    if (failure !== undefined && committed !== undefined) {
      void this.#end(job, "done", `records=${committed}, not finished yet: ${failure}`);
    } else if (failure === undefined) {
      const written = [...job.ended.values()].reduce((sum, { records }) => sum + records, 0);
      const records = `records=${committed ?? written}`;
      const isReducing = formatOperation(job.status.format) !== "";
      void this.#end(job, "done", isReducing ? `${records} written=${written}` : records);
    } else if (job.cancelled) void this.#end(job, "cancelled", "");
    // On disk it is still running, so the next process starts it again.
    else if (this.#closed) job.status.state = "waiting";
    else void this.#end(job, "failed", failure);
    this.#finished?.resolve();
  }

  /** Records that a node is not connected any more, which fails the running job. */
  lost(node: number, reason: string): void {
    const running = this.#jobs.find(({ status }) => status.state === "running");
    if (running) this.ended(running.key!, node, { records: 0, failure: reason });
  }

  /** Stops starting jobs; waiting ones stay where they are. */
  close(): void {
    this.#closed = true;
  }

  /** Stops starting jobs; resolves when none runs. Returns `undefined` if none does now. */
  finish(): Promise<void> | undefined {
    if (!this.#jobs.some(({ status }) => status.state === "running")) return undefined;
    this.#closed = true;
    this.#finished ??= Promise.withResolvers();
    return this.#finished.promise;
  }

  /** All jobs, oldest first. */
  status(): JobStatus[] {
    return this.#jobs.map(({ status }) => status);
  }

  /** Ends a cancelled job without the nodes that do not answer. Node 0's own part always ends. */
  #giveUp(job: Job): void {
    for (let node = 1; node < this.#options.nodes; node++) {
      this.ended(job.key!, node, { records: 0, failure: `node ${node} does not answer` });
    }
  }

  #failure(job: Job): string | undefined {
    return job.ended.values().find(({ failure }) => failure !== undefined)?.failure;
  }

  #running(key: string): Job | undefined {
    return this.#jobs.find((job) => job.key === key && job.status.state === "running");
  }

  /** Ends a job; resolves when that is on disk, or cannot be written. */
  async #end(job: Job, state: JobStatus["state"], result: string): Promise<void> {
    if (job.status.state === "running") clearTimeout(this.#cancelTimer);
    const recorded = this.#finish(job, state, result);
    this.#dropOld();
    this.#startNext();
    await recorded;
  }

  async #finish(job: Job, state: JobStatus["state"], result: string): Promise<void> {
    Object.assign(job.status, { state, result, progress: [], endedMs: Date.now() });
    await this.#record(job, () => {
      if (job.key !== undefined) this.#options.onRecorded(job.key);
    });
  }

  #dropOld(): void {
    const past = this.#jobs.filter(({ status }) => !["waiting", "running"].includes(status.state));
    for (const job of past.slice(0, Math.max(0, past.length - MAX_PAST_JOBS))) {
      this.#jobs.splice(this.#jobs.indexOf(job), 1);
      this.#options.store.drop(job.status.id);
    }
  }

  async #record(job: Job, onRecorded: () => void): Promise<void> {
    try {
      await this.#options.store.write(entryOf(job));
      onRecorded();
    } catch (error) {
      this.#options.onStoreFailure(error);
    }
  }

  #startNext(): void {
    const running = this.#jobs.some(({ status }) => status.state === "running");
    const next = this.#jobs.find(({ status }) => status.state === "waiting");
    if (!running && next && !this.#closed) {
      const { id, input, output, format } = next.status;
      const key = next.key = `${this.#options.keyPrefix}-${id}`;
      next.starts++;
      next.ended.clear();
      Object.assign(next.status, { state: "running", startedMs: Date.now() });
      void this.#record(next, () => {});
      this.#options.start({ key, id, input, output, format });
    }
    this.#options.onChange();
  }
}

function entryOf({ status: { progress: _, ...rest }, key, starts }: Job): JobEntry {
  return { ...rest, starts, ...(key === undefined ? {} : { key }) };
}
