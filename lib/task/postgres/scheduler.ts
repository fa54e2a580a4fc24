/**
 * One daemon's part of a shared queue. The database holds all jobs; the daemon knows the tubes of
 * its own clients and which clients are waiting.
 *
 * A job that is put through this daemon wakes its waiting clients directly. A job that is put
 * through another one wakes them by NOTIFY, which is only a hint: regular polling finds what it
 * missed. Polling also finds jobs whose delay or time to run is over, whichever daemon they came
 * through.
 *
 * @module
 */

import type postgres from "postgres";
import type { Log } from "../../log.ts";
import type { PostgresDatabase } from "../../storage/postgres/postgres_database.ts";
import type { Value } from "../../storage/value.ts";
import { SYSTEM_CLOCK } from "../clock.ts";
import {
  DEFAULT_TUBE,
  type EndState,
  type JobId,
  type JobSpec,
  type JobState,
  type PutJob,
  type QueueOptions,
  type QueueStats,
  type Refusal,
} from "../queue.ts";
import { HeldJobs } from "./held_jobs.ts";
import { Hints } from "./hints.ts";
import { JobWatchers } from "./job_watchers.ts";
import { Lanes } from "./lanes.ts";
import { LocalTube } from "./local_tube.ts";
import type { TokensLeft } from "./tube_limits.ts";
import type { LockedJob } from "./locked_job.ts";
import { Pauses } from "./pauses.ts";
import { Poller } from "./poller.ts";
import { putJob } from "./put_job.ts";
import type { ReservedRow } from "./requests.ts";
import { RowLimits } from "./row_limits.ts";
import { TASK_MIGRATIONS, TASK_TUNING } from "./schema.ts";
import {
  EXPIRED,
  FORGET,
  FORGET_KEYS,
  FORGET_TUBES,
  NEXT_DUE,
  OVERDUE,
  query,
} from "./statements.ts";

/** How many waiting clients of each tube a poll wakes. */
const POLLING_WAITERS = 20;

/** How many waiting clients are woken when a pause ends or rules change. */
const MAX_WOKEN = 1000;

/** How many expired jobs are handled in one transaction. */
const EXPIRED_STEP = 500;

/** Puts, reserves and changes jobs for the clients of one daemon, and wakes those that wait. */
export class SharedScheduler {
  readonly tubes = new Map<string, LocalTube>();
  /** All parts of the queue share this object; it is changed in place. */
  readonly options: QueueOptions;
  /** Whether it hands out no jobs and takes none. */
  draining = false;
  /** Whether it takes no jobs. */
  refusesPuts = false;
  /** Counts the events that may have made a job ready. */
  events = 0;
  /** How many clients wait for a job. */
  waiting = 0;

  /** Clients that wait for the outcome of a job. */
  readonly watchers = new JobWatchers();
  readonly #poller: Poller;
  readonly #pauses = new Pauses();
  #lanes!: Lanes;
  #hints!: Hints;
  readonly #heldJobs: HeldJobs;
  #timeouts = 0;
  #totalJobs = 0;
  readonly #rowLimits: RowLimits;

  private constructor({ options, log }: { options: QueueOptions; log: Log }) {
    this.options = { ...options };
    this.#poller = new Poller(() => this.#look(), log);
    this.#heldJobs = new HeldJobs({ step: (max) => this.#lanes.releaseHeld(max), log });
    this.#rowLimits = new RowLimits({ queue: this.options, ask: (work) => this.ask(work), log });
    this.openTube(DEFAULT_TUBE);
  }

  /**
   * Connects to a database.
   *
   * @throws {Error} If the database cannot be used.
   */
  static async open(
    database: PostgresDatabase,
    options: { options: QueueOptions; log: Log },
  ): Promise<SharedScheduler> {
    await database.migrate("task", TASK_MIGRATIONS, TASK_TUNING);
    const scheduler = new SharedScheduler(options);
    scheduler.#lanes = await Lanes.open(database, {
      queue: scheduler.options,
      written: (jobs) => scheduler.#written(jobs),
      tokensLeft: (tube, bucket, gave) => scheduler.#tokensLeft(tube, bucket, gave),
    });
    scheduler.#hints = new Hints({
      database: scheduler.#lanes.database,
      daemon: scheduler.daemon,
      listener: {
        ready: (tube, count) => scheduler.#wake(tube, count),
        finished: () => scheduler.watchers.askAgain(),
        progressed: (id) => scheduler.watchers.progressed(id),
      },
      log: options.log,
    });
    scheduler.lookIn(0);
    return scheduler;
  }

  /** The number of this daemon. */
  get daemon(): number {
    return this.#lanes.daemon;
  }

  /** The lanes to the database. */
  get lanes(): Lanes {
    return this.#lanes;
  }

  /** Stops polling and closes the connections. */
  async close(): Promise<void> {
    await this.#poller.close();
    await this.#heldJobs.close();
    await this.#hints.close();
    await this.#lanes.close();
    for (const tube of this.tubes.values()) tube.stopTimer();
  }

  // For clients

  /** Why the queue refuses jobs; `undefined` if it takes them. */
  refusal(): Refusal | undefined {
    if (this.draining || this.refusesPuts) return "DRAINING";
    return this.#rowLimits.full ? "OUT_OF_MEMORY" : undefined;
  }

  /** The tube of this name, created if needed; `undefined` at `max_tubes`. */
  openTube(name: string): LocalTube | undefined {
    let tube = this.tubes.get(name);
    if (tube === undefined && this.tubes.size < this.options.limits.maxTubes) {
      tube = new LocalTube(name, this.options.rulesOf(name));
      this.tubes.set(name, tube);
    }
    return tube;
  }

  /** Drops a tube that no client of this daemon uses or watches. */
  leaveTube(tube: LocalTube): void {
    if (tube.using + tube.watching > 0 || tube.name === DEFAULT_TUBE) return;
    tube.stopTimer();
    this.tubes.delete(tube.name);
  }

  /** Puts all of these jobs or none. */
  async put(tube: LocalTube, specs: readonly JobSpec[]): Promise<JobId[]> {
    const ids = await this.#lanes.put(tube.name, specs);
    for (const id of ids) this.report("put", tube.name, id);
    this.counted(tube, specs);
    return ids;
  }

  /** Puts a job with options; see {@linkcode putJob}. */
  async putJob(tube: LocalTube, spec: JobSpec): Promise<PutJob | "NOT_FOUND"> {
    const put = await this.ask((sql) => putJob(sql, tube.name, spec));
    if (put === "NOT_FOUND" || put.existed) return put;
    this.report("put", tube.name, put.id);
    this.counted(tube, [spec], put.state);
    if (spec.options?.expiresMs !== undefined) this.lookIn(spec.options.expiresMs);
    return { id: put.id, existed: false };
  }

  /** Reports that a job was put or reserved. */
  report(kind: "put" | "reserved", tube: string, id: JobId): void {
    this.options.report?.({ kind, tube, id, reason: "" }, undefined);
  }

  /** Counts jobs that were put, and wakes clients for them, unless they are held. */
  counted(tube: LocalTube, specs: readonly JobSpec[], state?: JobState): void {
    this.#totalJobs += specs.length;
    tube.totalJobs += specs.length;
    if (state === "held") return;
    let ready = 0;
    for (const { delayMs } of specs) {
      if (delayMs === 0) ready++;
      else this.lookIn(delayMs);
    }
    if (ready > 0) this.tellReady(tube.name, ready);
  }

  /** Reports and counts a ready job that was put otherwise, and wakes clients for it. */
  putElsewhere(tube: string, id: JobId): void {
    this.report("put", tube, id);
    this.#totalJobs++;
    const local = this.tubes.get(tube);
    if (local !== undefined) local.totalJobs++;
    this.tellReady(tube, 1);
  }

  /** Reserves up to `max` ready jobs. */
  async reserve(
    client: number,
    tubes: readonly LocalTube[],
    max: number,
  ): Promise<ReservedRow[]> {
    const rows = await this.#lanes.reserve(client, tubes, max);
    for (const { ttr_ms } of rows) this.lookIn(ttr_ms);
    for (const { tube, id } of rows) this.report("reserved", tube, id);
    return rows;
  }

  /** Deletes a job; `false` if it does not exist or another client has it reserved. */
  async delete(client: number, id: JobId): Promise<boolean> {
    const name = await this.#lanes.delete(client, id) ?? await this.#deleteFollowed(client, id);
    if (name === null) return false;
    const tube = this.tubes.get(name);
    if (tube !== undefined) tube.deletes++;
    this.#freed(name);
    this.#tell(id, "deleted", "");
    return true;
  }

  /** As {@linkcode Lanes.work}. */
  work<T>(id: JobId, decide: (job: LockedJob | null) => T): Promise<T> {
    return this.#lanes.work(id, decide);
  }

  /** As {@linkcode Lanes.workOn}. */
  workOn(
    statement: string,
    parameters: string[],
    decide: (job: LockedJob) => void,
  ): Promise<number> {
    return this.#lanes.workOn(statement, parameters, decide);
  }

  /** Runs a query. */
  ask<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    return this.#lanes.ask(work);
  }

  /** Wakes clients of this and the other daemons: this many jobs of a tube may be ready. */
  tellReady(tube: string, count: number): void {
    this.#wake(tube, count);
    this.#hints.ready(tube, count);
  }

  /** Wakes clients of this daemon: the rules of a tube may allow more of its jobs now. */
  rulesChanged(tube: LocalTube): void {
    tube.stopTimer();
    this.#wake(tube.name, MAX_WOKEN);
  }

  /** What this daemon knows without a query. */
  localStats(): QueueStats {
    return {
      urgent: 0,
      ready: 0,
      reserved: 0,
      delayed: 0,
      buried: 0,
      held: 0,
      totalJobs: this.#totalJobs,
      timeouts: this.#timeouts,
      tubes: this.tubes.size,
      waiting: this.waiting,
      results: 0,
      bytes: 0,
    };
  }

  /** A tube is paused from now on; 0 ends its pause. */
  paused(name: string, pauseMs: number): void {
    const tube = this.tubes.get(name);
    if (tube !== undefined) tube.pauses++;
    if (pauseMs === 0) return this.tellReady(name, MAX_WOKEN);
    this.#pauses.began(name);
    this.lookIn(pauseMs);
  }

  /** Polls after this delay, or sooner. */
  lookIn(ms: number): void {
    this.#poller.lookIn(ms);
  }

  /** Deletes a job that is held or that others follow; returns its tube if there is one. */
  #deleteFollowed(client: number, id: JobId): Promise<string | null> {
    return this.work(id, (job) => {
      if (job === null) return null;
      const holder = { daemon: this.daemon, client };
      if (job.facts.state === "reserved" && !job.isHeldBy(holder)) return null;
      job.delete();
      return job.tube;
    });
  }

  // Outcomes

  /** Wakes the clients that durable decisions about jobs concern. */
  #written(jobs: readonly LockedJob[]): void {
    for (const job of jobs) {
      const { id, tube, now, facts } = job;
      if (job.progress !== undefined) this.#progressed(id);
      for (const report of job.reports) this.options.report?.(report, undefined);
      if (job.removed && job.followed) this.#heldJobs.release();
      if (job.outcome !== undefined) this.#tell(id, job.outcome.state, job.outcome.body);
      else if (job.removed) this.#tell(id, "deleted", "");
      else if (!job.changed) continue;
      else if (job.died) this.#tell(id, "dead", facts.reason);
      else if (job.moved && facts.state === "buried") continue;
      else if (facts.state === "ready") this.tellReady(tube, 1);
      else if (facts.state === "buried") this.#tell(id, "buried", facts.reason);
      else this.lookIn(facts.dueAt - now);
      if (job.died) this.tellReady(tube, 1);
      if (facts.state !== "reserved" || job.removed) this.#freed(job.from);
    }
  }

  /** Has waiting clients look again when the rate of a tube allows another job. */
  #tokensLeft(name: string, { tokens, nextMs }: TokensLeft, gave: boolean): void {
    const tube = this.tubes.get(name);
    if (tube === undefined) return;
    tube.stopTimer();
    if (tokens === 0) tube.awaitToken(nextMs, () => this.#wake(name, 1));
    // There is no ready job if none came although there were tokens.
    else if (gave) this.#wake(name, tokens);
  }

  /** A job is no longer reserved: if its tube has a limit, another one may run. */
  #freed(tube: string): void {
    if (this.options.rulesOf(tube).maxReserved > 0) this.tellReady(tube, 1);
  }

  #tell(id: JobId, state: EndState, body: Value): void {
    this.watchers.finished(id, { state, body });
    this.#hints.finished();
  }

  #progressed(id: JobId): void {
    this.watchers.progressed(id);
    this.#hints.progressed(id);
  }

  #wake(name: string, count: number): void {
    const tube = this.tubes.get(name);
    if (tube === undefined) return;
    tube.wakes = ++this.events;
    tube.wake(count);
  }

  // Polling

  /** Looks for what is due; returns the time until the next job or pause is. */
  async #look(): Promise<number> {
    await this.#hints.listen();
    while (await this.#expire() === EXPIRED_STEP);
    while (await this.#expireUnstarted() === EXPIRED_STEP);
    this.#heldJobs.release();
    const { ended, nextMs } = await this.ask((sql) => this.#pauses.look(sql));
    const pauseEndMs = SYSTEM_CLOCK.now() + nextMs;
    for (const tube of ended) this.#wake(tube, MAX_WOKEN);
    for (const tube of this.tubes.values()) tube.wake(POLLING_WAITERS);
    for (const statement of [FORGET, FORGET_KEYS, FORGET_TUBES]) {
      await this.ask((sql) => query(sql, statement, []));
    }
    this.watchers.askAgain();
    await this.#rowLimits.dropResults();
    // The last question, so that the answer is not old when the next poll is planned.
    const [due] = await this.ask((sql) => query<{ ms: number | null }>(sql, NEXT_DUE, []));
    return Math.min(due!.ms ?? Infinity, pauseEndMs - SYSTEM_CLOCK.now());
  }

  #expireUnstarted(): Promise<number> {
    return this.workOn(OVERDUE, [String(EXPIRED_STEP)], (job) => {
      job.apply({ kind: "expire" });
    });
  }

  #expire(): Promise<number> {
    return this.workOn(EXPIRED, [String(EXPIRED_STEP)], (job) => {
      if (job.facts.state === "delayed") return void job.apply({ kind: "delay-over" });
      this.#timeouts++;
      job.apply({ kind: "time-out" });
    });
  }
}
