import type { MaybePromise } from "../../storage/store.ts";
import type { Value } from "../../storage/value.ts";
import { givenBack, isPossible } from "../life_cycle.ts";
import type {
  GivenBack,
  JobBody,
  JobId,
  JobPage,
  JobSpec,
  JobStats,
  ListedJob,
  NoJob,
  Outcome,
  PutJob,
  QueueClient,
  QueueStats,
  Refusal,
  SweptState,
  TubeStats,
} from "../queue.ts";
import { SeenProgress } from "../progress.ts";
import type { JoinWorkers } from "../workers.ts";
import { countJobs, countTube } from "./count_jobs.ts";
import { readPage } from "./job_pages.ts";
import {
  hasJobs,
  readFirst,
  readJob,
  readJobStats,
  readOutcome,
  readTubes,
  writePause,
} from "./job_queries.ts";
import type { LocalTube } from "./local_tube.ts";
import { findKey } from "./put_job.ts";
import type { SharedScheduler } from "./scheduler.ts";
import { KICKABLE } from "./statements.ts";
import { SharedSubscriptions } from "./subscriptions.ts";
import { sweepTube } from "./tube_sweep.ts";
import { SharedWait } from "./wait.ts";
import { SharedWorker } from "./worker.ts";

/** The most jobs kicked in one transaction. */
const KICK_STEP = 1000;

/** A client of a queue that several daemons share. */
export class SharedClient implements QueueClient {
  /** After `close`: resolves when all jobs it had reserved are given back. */
  gone: Promise<void> = Promise.resolve();
  readonly #scheduler: SharedScheduler;
  readonly #number: number;
  readonly #left: () => void;
  readonly #subscriptions: SharedSubscriptions;
  readonly #worker: SharedWorker;
  readonly #wait: SharedWait;
  readonly #progress = new SeenProgress();
  #closed = false;

  /**
   * @param scheduler The source of the jobs.
   * @param options `number`: its number within this daemon; `left`: called when `gone` resolves;
   * `join`: adds it to the list of workers.
   */
  constructor(
    scheduler: SharedScheduler,
    options: { number: number; left: () => void; join: JoinWorkers | undefined },
  ) {
    this.#scheduler = scheduler;
    this.#number = options.number;
    this.#left = options.left;
    this.#subscriptions = new SharedSubscriptions(scheduler);
    this.#wait = new SharedWait(scheduler);
    this.#worker = new SharedWorker(scheduler, {
      number: options.number,
      watches: this.#subscriptions.watches,
      wait: this.#wait,
      join: options.join,
    });
  }

  /** How many jobs it has reserved, as far as this daemon knows. */
  get reserved(): number {
    return this.#worker.holds;
  }

  // Tubes

  get used(): string {
    return this.#used.name;
  }

  get watched(): string[] {
    return this.#subscriptions.watched;
  }

  use(name: string): boolean {
    return this.#subscriptions.use(name);
  }

  watch(name: string): boolean {
    return this.#subscriptions.watch(name);
  }

  ignore(name: string): boolean {
    return this.#subscriptions.ignore(name);
  }

  async pauseTube(name: string, pauseMs: number): Promise<boolean> {
    if (!await this.#tubeExists(name)) return false;
    await this.#scheduler.ask((sql) => writePause(sql, name, pauseMs));
    this.#scheduler.paused(name, pauseMs);
    return true;
  }

  async flushTube(name: string, state?: SweptState): Promise<number | null> {
    if (!await this.#tubeExists(name)) return null;
    return await sweepTube(this.#scheduler, name, { state, visit: (job) => job.delete() });
  }

  async moveTube(name: string, to: string): Promise<number | null> {
    if (!await this.#tubeExists(name)) return null;
    if (name === to) return 0;
    const move = { kind: "move", tube: to } as const;
    return await sweepTube(this.#scheduler, name, { visit: (job) => void job.apply(move) });
  }

  async moveJob(id: JobId, to: string): Promise<boolean> {
    if (!isId(id)) return false;
    return await this.#scheduler.work(id, (job) => {
      if (job === null || !isPossible("move", job.facts.state)) return false;
      job.apply({ kind: "move", tube: to });
      return true;
    });
  }

  // Producing

  async put(spec: JobSpec): Promise<JobId | Refusal> {
    if (spec.options !== undefined) {
      const answer = await this.putJob(spec);
      return typeof answer === "string" ? answer : answer.id;
    }
    const refusal = this.#scheduler.refusal();
    if (refusal !== undefined) return refusal;
    const [id] = await this.#scheduler.put(this.#used, [spec]);
    return id!;
  }

  putBatch(specs: readonly JobSpec[]): Promise<JobId[]> | Refusal {
    return this.#scheduler.refusal() ?? this.#scheduler.put(this.#used, specs);
  }

  async putJob(spec: JobSpec): Promise<PutJob | Refusal> {
    const tube = this.#used;
    const refusal = this.#scheduler.refusal();
    if (refusal === undefined) return await this.#scheduler.putJob(tube, spec);
    const key = spec.options?.unique?.key;
    if (key === undefined) return refusal;
    const id = await this.#scheduler.ask((sql) => findKey(sql, tube.name, key));
    return id === null ? refusal : { id, existed: true };
  }

  // Consuming

  async reserve(timeoutMs: number): Promise<JobBody | NoJob> {
    const jobs = await this.reserveBatch(1, timeoutMs);
    return typeof jobs === "string" ? jobs : jobs[0]!;
  }

  reserveBatch(max: number, timeoutMs: number): Promise<JobBody[] | NoJob> {
    return this.#worker.reserve(max, timeoutMs);
  }

  async reserveJob(id: JobId): Promise<JobBody | null> {
    return isId(id) ? await this.#worker.reserveJob(id) : null;
  }

  async delete(id: JobId): Promise<boolean> {
    const found = isId(id) && await this.#scheduler.delete(this.#number, id);
    if (found) this.#worker.forget(id);
    return found;
  }

  async cancelJob(id: JobId): Promise<boolean> {
    if (!isId(id)) return false;
    return await this.#scheduler.work(id, (job) => {
      job?.cancel();
      return job !== null;
    });
  }

  async done(id: JobId, result: Value): Promise<boolean> {
    const done = await this.#worker.workOnOwn(id, (job) => {
      job.complete(result);
      return true;
    });
    return done ?? false;
  }

  async release(id: JobId, priority: number, delayMs: number): Promise<GivenBack> {
    const state = await this.#worker.applyToOwn(id, { kind: "release", priority, delayMs });
    return state === null ? "NOT_FOUND" : givenBack(state);
  }

  async fail(id: JobId, reason: Value): Promise<GivenBack> {
    const state = await this.#worker.applyToOwn(id, { kind: "fail", reason });
    return state === null ? "NOT_FOUND" : givenBack(state);
  }

  async bury(id: JobId, priority: number, reason?: string): Promise<boolean> {
    return await this.#worker.applyToOwn(id, { kind: "bury", priority, reason }) !== null;
  }

  touch(id: JobId, progress?: Value): Promise<boolean> {
    return this.#worker.touch(id, progress);
  }

  // Inspecting and repairing

  async kick(bound: number): Promise<number> {
    for (const state of ["buried", "delayed"] as const) {
      let kicked = 0;
      for (let count = KICK_STEP; count === KICK_STEP && kicked < bound; kicked += count) {
        const step = Math.min(bound - kicked, KICK_STEP);
        const parameters = [this.#used.name, String(step)];
        count = await this.#scheduler.workOn(KICKABLE[state], parameters, (job) => {
          job.apply({ kind: "kick" });
        });
      }
      if (kicked > 0) return kicked;
    }
    return 0;
  }

  async kickJob(id: JobId): Promise<boolean> {
    return await this.#applyTo(id, { kind: "kick" });
  }

  async releaseHeld(id: JobId): Promise<boolean> {
    return await this.#applyTo(id, { kind: "release-held" });
  }

  peek(id: JobId): MaybePromise<JobBody | null> {
    return isId(id) ? this.#scheduler.ask((sql) => readJob(sql, id)) : null;
  }

  peekState(state: "ready" | "delayed" | "buried"): Promise<JobBody | null> {
    return this.#scheduler.ask((sql) => readFirst(sql, this.#used.name, state));
  }

  async result(id: JobId): Promise<Outcome | null> {
    const outcome = await this.#outcome(id);
    this.#progress.see(id, outcome);
    return outcome;
  }

  async wait(
    id: JobId,
    timeoutMs: number,
    options: { progress?: boolean } = {},
  ): Promise<Outcome | "TIMED_OUT" | null> {
    const seesProgress = (outcome: Outcome) => this.#progress.see(id, outcome);
    this.#scheduler.watchers.add(id, this.#wait);
    try {
      return await this.#wait.forOutcome(() => this.#outcome(id), {
        timeoutMs,
        isNews: options.progress ? seesProgress : undefined,
      });
    } finally {
      this.#scheduler.watchers.remove(id, this.#wait);
    }
  }

  statsJob(id: JobId): MaybePromise<JobStats | null> {
    return isId(id) ? this.#scheduler.ask((sql) => readJobStats(sql, id)) : null;
  }

  async listJobs(page: JobPage): Promise<ListedJob[] | null> {
    const jobs = await this.#scheduler.ask((sql) => readPage(sql, page));
    return jobs.length > 0 || await this.#tubeExists(page.tube) ? jobs : null;
  }

  async statsTube(name: string): Promise<TubeStats | null> {
    if (!await this.#tubeExists(name)) return null;
    return await this.#scheduler.ask((sql) =>
      countTube(sql, name, this.#scheduler.tubes.get(name))
    );
  }

  async listTubes(): Promise<string[]> {
    const tubes = await this.#scheduler.ask((sql) => readTubes(sql));
    return [...new Set([...this.#scheduler.tubes.keys(), ...tubes])];
  }

  async stats(): Promise<QueueStats> {
    const counts = await this.#scheduler.ask((sql) => countJobs(sql));
    return { ...this.#scheduler.localStats(), ...counts };
  }

  settled(): undefined {
    return undefined;
  }

  cancel(): void {
    this.#wait.cancel();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.cancel();
    this.#subscriptions.close();
    this.gone = this.#worker.close().finally(this.#left);
  }

  // Shared by the above

  get #used(): LocalTube {
    return this.#subscriptions.used;
  }

  async #outcome(id: JobId): Promise<Outcome | null> {
    return isId(id) ? await this.#scheduler.ask((sql) => readOutcome(sql, id)) : null;
  }

  /** Applies an event to a job, even that of another client; `false` if it cannot happen to it. */
  async #applyTo(id: JobId, event: { kind: "kick" | "release-held" }): Promise<boolean> {
    if (!isId(id)) return false;
    return await this.#scheduler.work(id, (job) => {
      if (job === null || !isPossible(event.kind, job.facts.state)) return false;
      job.apply(event);
      return true;
    });
  }

  async #tubeExists(name: string): Promise<boolean> {
    return this.#scheduler.tubes.has(name) ||
      await this.#scheduler.ask((sql) => hasJobs(sql, name));
  }
}

/** Whether this can be the id of a job; a larger number does not fit into the table. */
function isId(id: JobId): boolean {
  return Number.isSafeInteger(id);
}
