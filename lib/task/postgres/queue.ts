/**
 * A queue in PostgreSQL, which several daemons share. The database holds all jobs; a daemon knows
 * its own clients, what they have reserved, and who of them waits.
 *
 * Who waits for a job is told when one is put through this daemon, and by NOTIFY when it came
 * through another. That is only a hint: what it misses, a look from time to time finds. The same
 * look finds jobs whose delay or time to run is over, whichever daemon they came through.
 *
 * @module
 */

import type postgres from "postgres";
import { AskedFigure } from "../../asked_figure.ts";
import type { Log } from "../../log.ts";
import type { PostgresDatabase } from "../../storage/postgres_database.ts";
import { StorageUnavailableError } from "../../storage/store.ts";
import type { Value } from "../../storage/value.ts";
import { SYSTEM_CLOCK } from "../clock.ts";
import { boundTubes, OTHER_TUBES } from "../figures.ts";
import {
  DEFAULT_TUBE,
  type JobCounts,
  type JobId,
  type JobSpec,
  type Queue,
  type QueueClient,
  type QueueFigures,
  type QueueOptions,
  type QueueStats,
  type Refusal,
  type TubeFigures,
} from "../queue.ts";
import { SharedClient } from "./client.ts";
import { countFigures } from "./counts.ts";
import { Hints } from "./hints.ts";
import { Lanes, type ReservedRow } from "./lanes.ts";
import { LocalTube } from "./local_tube.ts";
import type { LockedJob } from "./locked_job.ts";
import { RowLimits } from "./row_limits.ts";
import { EXPIRED, FORGET, NEXT_DUE, query, STATE, TASK_MIGRATIONS } from "./statements.ts";

/** How often to look for what no hint told of, and for jobs whose time has come. */
const POLL_INTERVAL_MS = 1000;

/** How soon to look again at the earliest. */
const MIN_POLL_INTERVAL_MS = 5;

/** How many of those who wait for a tube look for a job when there was no hint. */
const POLLING_WAITERS = 20;

/** How many jobs whose time has come are worked off at once. */
const EXPIRED_STEP = 500;

/** How old figures may be: to count all jobs takes the database a while. */
const FIGURES_MAX_AGE_MS = 5000;

const NO_JOBS: JobCounts = { urgent: 0, ready: 0, reserved: 0, delayed: 0, buried: 0 };

/** A queue in PostgreSQL. */
export class PostgresQueue implements Queue {
  readonly tubes = new Map<string, LocalTube>();
  readonly options: QueueOptions;
  draining = false;
  /** Grows with every event that may have made a job available. */
  events = 0;
  /** Clients that wait for a job. */
  waiting = 0;

  readonly #log: Log;
  readonly #clients = new Map<number, SharedClient>();
  readonly #watched = new Map<JobId, Set<SharedClient>>();
  #lanes!: Lanes;
  #hints!: Hints;
  #lastClient = 0;
  #timeouts = 0;
  #totalJobs = 0;
  #polling = Promise.resolve();
  #pollAt = Infinity;
  #stopTimer: () => void = () => {};
  #closed = false;
  readonly #rowLimits: RowLimits;
  readonly #counted = new AskedFigure({
    ask: () => this.#countAll(),
    maxAgeMs: FIGURES_MAX_AGE_MS,
    onError: (error) => this.#log.debug("Cannot count jobs", { error: String(error) }),
  });

  private constructor({ options, log }: { options: QueueOptions; log: Log }) {
    this.options = options;
    this.#log = log;
    this.#rowLimits = new RowLimits({ ...options.limits, ask: (work) => this.ask(work), log });
    this.openTube(DEFAULT_TUBE);
  }

  /**
   * Opens the queue in a database.
   *
   * @throws {Error} If the database cannot be used.
   */
  static async open(
    database: PostgresDatabase,
    options: { options: QueueOptions; log: Log },
  ): Promise<PostgresQueue> {
    await database.migrate("task", TASK_MIGRATIONS);
    const queue = new PostgresQueue(options);
    queue.#lanes = await Lanes.open(database, {
      resultTtlMs: options.options.limits.resultTtlMs,
      written: (jobs) => queue.#written(jobs),
    });
    queue.#hints = new Hints(queue.#lanes.database, queue.daemon, {
      ready: (tube, count) => queue.#wake(tube, count),
      finished: () => queue.#askForWatched(),
    });
    queue.lookIn(0);
    return queue;
  }

  /** The number of this daemon. */
  get daemon(): number {
    return this.#lanes.daemon;
  }

  connect(): QueueClient {
    const client = new SharedClient(this, ++this.#lastClient);
    this.#clients.set(this.#lastClient, client);
    return client;
  }

  drain(): void {
    this.draining = true;
  }

  async idle(): Promise<void> {
    while ([...this.#clients.values()].some((client) => client.reserved > 0)) {
      await new Promise<void>((resolve) => SYSTEM_CLOCK.after(20, resolve));
    }
  }

  problem(): string | undefined {
    return this.#lanes.problem();
  }

  async close(): Promise<void> {
    // What clients give back when they leave is still on its way.
    await Promise.allSettled([...this.#clients.values()].map((client) => client.gone));
    this.#closed = true;
    this.#stopTimer();
    await this.#polling;
    await this.#hints.close();
    await this.#lanes.close();
  }

  figures(): QueueFigures {
    const counted = this.#closed ? undefined : this.#counted.value;
    return {
      total: { ...this.localStats(), ...counted?.total },
      tubes: counted?.tubes ?? [],
      commits: this.#lanes.commits.stats(),
      database: this.#lanes.stats(),
    };
  }

  // For its clients

  /** Why no more jobs are taken now, or `undefined`. */
  refusal(): Refusal | undefined {
    if (this.draining) return "DRAINING";
    return this.#rowLimits.full ? "OUT_OF_MEMORY" : undefined;
  }

  /** The tube of a name, made if need be; `undefined` if there are too many. */
  openTube(name: string): LocalTube | undefined {
    let tube = this.tubes.get(name);
    if (tube === undefined && this.tubes.size < this.options.limits.maxTubes) {
      tube = new LocalTube(name, this.options.rulesOf(name));
      this.tubes.set(name, tube);
    }
    return tube;
  }

  /** Forgets a tube that no client of this daemon refers to. */
  leaveTube(tube: LocalTube): void {
    if (tube.using + tube.watching > 0 || tube.name === DEFAULT_TUBE) return;
    this.tubes.delete(tube.name);
  }

  /** A client is gone, and has given back what it had. */
  leave(client: number): void {
    this.#clients.delete(client);
  }

  /** Puts jobs, all or none. */
  async put(tube: LocalTube, specs: readonly JobSpec[]): Promise<JobId[]> {
    const ids = await this.#lanes.put(tube.name, specs);
    this.counted(tube, specs);
    return ids;
  }

  /** Notes that jobs were put. */
  counted(tube: LocalTube, specs: readonly JobSpec[]): void {
    this.#totalJobs += specs.length;
    tube.totalJobs += specs.length;
    let ready = 0;
    for (const { delayMs } of specs) {
      if (delayMs === 0) ready++;
      else this.lookIn(delayMs);
    }
    if (ready > 0) this.tellReady(tube.name, ready);
  }

  /** Reserves jobs that are ready. */
  async reserve(
    client: number,
    tubes: readonly LocalTube[],
    max: number,
  ): Promise<ReservedRow[]> {
    const rows = await this.#lanes.reserve(client, tubes, max);
    for (const { ttr_ms } of rows) this.lookIn(ttr_ms);
    return rows;
  }

  /** Deletes a job, unless another client has it reserved. */
  async delete(client: number, id: JobId): Promise<boolean> {
    const name = await this.#lanes.delete(client, id);
    if (name === null) return false;
    const tube = this.tubes.get(name);
    if (tube !== undefined) tube.deletes++;
    this.#freed(name);
    this.#tell(id, "deleted", "");
    return true;
  }

  /** Locks a job, has it decided what becomes of it, and writes that. */
  work<T>(id: JobId, decide: (job: LockedJob | null) => T): Promise<T> {
    return this.#lanes.work(id, decide);
  }

  /** As `work`, for all jobs that a statement locks; gives back how many there were. */
  workOn(
    statement: string,
    parameters: string[],
    decide: (job: LockedJob) => void,
  ): Promise<number> {
    return this.#lanes.workOn(statement, parameters, decide);
  }

  /** Asks the database something. */
  ask<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    return this.#lanes.ask(work);
  }

  /** Jobs of a tube may be available: tells those who wait, here and at other daemons. */
  tellReady(tube: string, count: number): void {
    this.#wake(tube, count);
    this.#hints.ready(tube, count);
  }

  /** Has a client told when a job is finished. */
  watchJob(id: JobId, client: SharedClient): void {
    const clients = this.#watched.get(id) ?? new Set();
    this.#watched.set(id, clients.add(client));
  }

  /** Takes that back. */
  unwatchJob(id: JobId, client: SharedClient): void {
    const clients = this.#watched.get(id);
    clients?.delete(client);
    if (clients?.size === 0) this.#watched.delete(id);
  }

  /** What this daemon can say without asking. */
  localStats(): QueueStats {
    return {
      urgent: 0,
      ready: 0,
      reserved: 0,
      delayed: 0,
      buried: 0,
      totalJobs: this.#totalJobs,
      timeouts: this.#timeouts,
      tubes: this.tubes.size,
      waiting: this.waiting,
      results: 0,
      bytes: 0,
    };
  }

  /** Looks for jobs whose time has come in so many milliseconds, or before. */
  lookIn(ms: number): void {
    if (this.#closed) return;
    const delayMs = Math.min(POLL_INTERVAL_MS, Math.max(MIN_POLL_INTERVAL_MS, ms));
    const at = SYSTEM_CLOCK.now() + delayMs;
    if (at >= this.#pollAt) return;
    this.#pollAt = at;
    this.#stopTimer();
    this.#stopTimer = SYSTEM_CLOCK.after(delayMs, () => {
      this.#polling = this.#poll();
    });
  }

  // What becomes of jobs

  /** Tells everybody who has to know what was decided about jobs. */
  #written(jobs: readonly LockedJob[]): void {
    for (const job of jobs) {
      const { id, tube, state, due_at, now } = job.row;
      if (job.removed) this.#tell(id, "done", job.result ?? "");
      else if (!job.changed) continue;
      else if (state === STATE.ready) this.tellReady(tube, 1);
      else if (state === STATE.buried) this.#tell(id, "buried", job.reason);
      else if (due_at !== null) this.lookIn(due_at - now);
      if (state !== STATE.reserved || job.removed) this.#freed(tube);
    }
  }

  /** A job of a tube is no longer reserved: where there is a limit, another may run. */
  #freed(tube: string): void {
    if (this.options.rulesOf(tube).maxReserved > 0) this.tellReady(tube, 1);
  }

  #tell(id: JobId, state: "done" | "deleted" | "buried", body: Value): void {
    const clients = this.#watched.get(id);
    this.#watched.delete(id);
    for (const client of clients ?? []) client.finished({ state, body });
    this.#hints.finished();
  }

  #askForWatched(): void {
    for (const clients of [...this.#watched.values()]) {
      for (const client of clients) client.askAgain();
    }
  }

  #wake(name: string, count: number): void {
    const tube = this.tubes.get(name);
    if (tube === undefined) return;
    tube.wakes = ++this.events;
    tube.wake(count);
  }

  // Looking after time

  async #poll(): Promise<void> {
    let nextMs = POLL_INTERVAL_MS;
    // A job that is put or reserved meanwhile may be due before the next look.
    this.#pollAt = Infinity;
    try {
      await this.#hints.listen();
      while (await this.#expire() === EXPIRED_STEP);
      const [due] = await this.ask((sql) => query<{ ms: number | null }>(sql, NEXT_DUE, []));
      await this.ask((sql) => query(sql, FORGET, []));
      if (due!.ms !== null) nextMs = due!.ms;
      for (const tube of this.tubes.values()) tube.wake(POLLING_WAITERS);
      this.#askForWatched();
      await this.#rowLimits.dropResults();
    } catch (error) {
      const isStatement = error instanceof Error && error.name === "PostgresError";
      if (!(error instanceof StorageUnavailableError) && !isStatement) throw error;
      this.#log.debug("Cannot look for jobs that are due", { error: String(error) });
    }
    this.lookIn(nextMs);
  }

  #expire(): Promise<number> {
    return this.workOn(EXPIRED, [String(EXPIRED_STEP)], (job) => {
      if (job.row.state === STATE.delayed) return job.enqueue(0);
      this.#timeouts++;
      job.row.timeouts++;
      job.giveBack(this.options.rulesOf(job.row.tube), "the time to run was over", 0);
    });
  }

  async #countAll(): Promise<{ total: Partial<QueueStats>; tubes: TubeFigures[] }> {
    const { tubes: rows, results } = await this.ask((sql) => countFigures(sql));
    const total = { ...NO_JOBS, tubes: 0, results };
    for (const row of rows) {
      for (const count of ["urgent", "ready", "reserved", "delayed", "buried", "tubes"] as const) {
        total[count] += row[count];
      }
    }
    const names = new Set(rows.map(({ name }) => name));
    if (names.has(OTHER_TUBES)) return { total, tubes: rows };
    // Tubes that somebody here uses and that have no jobs are shown too, if there is room.
    const empty = [...this.tubes.keys()].filter((name) => !names.has(name))
      .map((name) => ({ ...NO_JOBS, name, oldestReadyMs: 0 }));
    return { total, tubes: boundTubes([...rows, ...empty]) };
  }
}
