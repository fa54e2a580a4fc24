/**
 * The queue's requests to its database. There are lanes for the kinds of requests, and requests of
 * the same moment share a batch. Puts and deletes of single jobs take one statement per batch, and
 * so do reserves, and puts of many jobs. Anything that must look at a job first is a transaction: it
 * locks the jobs of the batch, decides here, and writes the outcome.
 *
 * @module
 */

import type postgres from "postgres";
import { CommitCounter } from "../../storage/commit_metrics.ts";
import type { PostgresClient } from "../../storage/postgres/postgres_client.ts";
import type { PostgresDatabase } from "../../storage/postgres/postgres_database.ts";
import { type DatabaseMetrics, sumDatabaseMetrics } from "../../storage/database_metrics.ts";
import type { JobId, JobSpec, QueueOptions } from "../queue.ts";
import { Batcher } from "./batcher.ts";
import { takeReleasable } from "./followers.ts";
import { LockedJob, type LockedRow } from "./locked_job.ts";
import type { RuledTube, TokensLeft } from "./tube_limits.ts";
import { type JobWrite, JobWrites } from "./job_writes.ts";
import {
  executeOrFail,
  type PutRequest,
  type ReservedRow,
  type ReserveRequest,
  type WorkRequest,
} from "./requests.ts";
import { reserveJobs } from "./reserve_jobs.ts";
import { asUnavailable, retry } from "./retry.ts";
import { LOCK, numbers, query } from "./statements.ts";
import { writeJobs } from "./write_jobs.ts";

/**
 * How many batches of each kind may be in flight. One is enough: with two, batches would be half as
 * large, and the order of one client's puts would be undefined.
 */
const FLYING = { batchPuts: 1, writes: 1, reserves: 1, works: 1 } as const;

/** One connection for each batch in flight, and three for everything else. */
const CONNECTIONS = FLYING.batchPuts + FLYING.writes + FLYING.works + 3;

const MAX_BATCH_ITEMS = 1000;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/**
 * Forces plans that are made once and use indexes. The planner's statistics about a queue are stale
 * within a second, and a plan made for an empty table scans all of a full one.
 */
const FIXED_PLANS = {
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
};

/** Options for {@linkcode Lanes.open}. */
export interface LanesOptions {
  /** The options of the queue; they may change. */
  queue: Pick<QueueOptions, "limits" | "rulesOf">;
  /**
   * Called for each tube with a rate after a try to reserve jobs; `gave` tells whether one of them
   * was from this tube.
   */
  tokensLeft(tube: string, bucket: TokensLeft, gave: boolean): void;
  /** Called with locked jobs once the decisions about them are durable. */
  written(jobs: readonly LockedJob[]): void;
}

/** The lanes to one database. */
export class Lanes {
  /** The number of this daemon. */
  readonly daemon: number;
  readonly database: PostgresClient;
  /** Metrics of everything that is made durable, which reservations are not. */
  readonly commits = new CommitCounter();
  /** Does not wait for the disk: a reservation lost in a crash only makes its job ready again. */
  readonly #reserving: PostgresClient;
  readonly #options: LanesOptions;
  /** Puts and deletes of single jobs. */
  readonly #writes: Batcher<JobWrite>;
  /** Puts of many jobs, which single jobs need not wait for. */
  readonly #batchPuts: Batcher<PutRequest>;
  readonly #reserves: Batcher<ReserveRequest>;
  readonly #works: Batcher<WorkRequest>;

  private constructor(
    { database, reserving }: { database: PostgresClient; reserving: PostgresClient },
    daemon: number,
    options: LanesOptions,
  ) {
    this.database = database;
    this.daemon = daemon;
    this.#reserving = reserving;
    this.#options = options;
    const maxItems = MAX_BATCH_ITEMS;
    const writes = new JobWrites({
      daemon,
      run: (work) => database.run(work),
      commits: this.commits,
    });
    this.#writes = new Batcher({
      maxItems,
      maxFlying: FLYING.writes,
      maxBytes: MAX_BATCH_BYTES,
      bytesOf: ({ kind, request }) => kind === "put" ? putBytes(request) : 0,
      execute: (items) => writes.execute(items),
    });
    this.#batchPuts = new Batcher({
      maxItems,
      maxFlying: FLYING.batchPuts,
      maxBytes: MAX_BATCH_BYTES,
      bytesOf: putBytes,
      execute: (items) => writes.put(items),
    });
    this.#reserves = new Batcher({
      maxItems,
      maxFlying: FLYING.reserves,
      execute: (items) => executeOrFail(items, () => this.#executeReserves(items)),
    });
    this.#works = new Batcher({
      maxItems,
      maxFlying: FLYING.works,
      execute: (items) => executeOrFail(items, () => this.#executeWorks(items), this.commits),
    });
  }

  /**
   * Connects to the database and takes a number for this daemon.
   *
   * @throws {Error} If the database cannot be used.
   */
  static async open(database: PostgresDatabase, options: LanesOptions): Promise<Lanes> {
    const client = database.connect({
      name: "task",
      connections: CONNECTIONS,
      settings: FIXED_PLANS,
    });
    const reserving = database.connect({
      name: "task reserve",
      connections: FLYING.reserves,
      settings: { ...FIXED_PLANS, synchronous_commit: "off" },
    });
    try {
      const [row] = await client.run(async (sql) =>
        await sql`SELECT nextval('quartet.task_daemons') AS daemon`
      );
      return new Lanes({ database: client, reserving }, Number(row!.daemon), options);
    } catch (error) {
      await reserving.close();
      await client.close();
      throw error;
    }
  }

  /** Why the database cannot be used at the moment; `undefined` if it can. */
  problem(): string | undefined {
    return this.database.problem() ?? this.#reserving.problem();
  }

  /** Metrics of the connections. */
  metrics(): DatabaseMetrics {
    return sumDatabaseMetrics([this.database.metrics(), this.#reserving.metrics()]);
  }

  async close(): Promise<void> {
    await this.#reserving.close();
    await this.database.close();
  }

  /** Puts all of these jobs or none; returns their ids. */
  put(tube: string, specs: readonly JobSpec[]): Promise<JobId[]> {
    return new Promise((done, fail) => {
      const request = { tube, specs, done, fail };
      // The batches of one client do not overlap with its other puts, so their order is kept.
      if (specs.length > 1) this.#batchPuts.add(request);
      else this.#writes.add({ kind: "put", request });
    });
  }

  /** Reserves up to `max` ready jobs. */
  reserve(
    client: number,
    tubes: readonly RuledTube[],
    max: number,
  ): Promise<ReservedRow[]> {
    return new Promise((done, fail) => this.#reserves.add({ client, tubes, max, done, fail }));
  }

  /**
   * Deletes a job, unless another client has it reserved.
   *
   * @returns Its tube, or `null` if nothing was deleted.
   */
  delete(client: number, id: JobId): Promise<string | null> {
    return new Promise((done, fail) => {
      this.#writes.add({ kind: "delete", request: { id, client, done, fail } });
    });
  }

  /**
   * Locks a job, lets `decide` change it, and writes the outcome.
   *
   * @param decide Gets `null` if there is no such job. May run again if the transaction is retried.
   */
  async work<T>(id: JobId, decide: (job: LockedJob | null) => T): Promise<T> {
    let answer: T;
    await new Promise<void>((done, fail) => {
      this.#works.add({ id, decide: (job) => answer = decide(job), done, fail });
    });
    return answer!;
  }

  /**
   * As `work`, for all jobs that a statement locks.
   *
   * @returns How many there were.
   */
  async workOn(
    statement: string,
    parameters: string[],
    decide: (job: LockedJob) => void,
  ): Promise<number> {
    const startMs = performance.now();
    const jobs = await this.ask((sql) =>
      sql.begin(async (sql) => {
        const rows = await query<LockedRow>(sql, statement, parameters);
        const jobs = rows.map((row) => this.#locked(row));
        for (const job of jobs) decide(job);
        await writeJobs(sql, jobs, this.#options.queue.limits);
        return jobs;
      }) as Promise<LockedJob[]>
    );
    this.#written(jobs, startMs);
    return jobs.length;
  }

  /**
   * Takes the next step of releasing jobs that are held until others are done.
   *
   * @param max The most places in which a job waits for another to look at.
   * @returns How many there were.
   */
  async releaseHeld(max: number): Promise<number> {
    const startMs = performance.now();
    const { count, jobs } = await this.ask((sql) =>
      sql.begin(async (sql) => {
        const step = await takeReleasable(sql, max, (row) => this.#locked(row));
        for (const job of step.jobs) job.apply({ kind: "release-held" });
        await writeJobs(sql, step.jobs, this.#options.queue.limits);
        return step;
      }) as Promise<{ count: number; jobs: LockedJob[] }>
    );
    this.#written(jobs, startMs);
    return count;
  }

  /** Runs a query. */
  async ask<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    try {
      return await retry(() => this.database.run(work));
    } catch (error) {
      throw asUnavailable(error);
    }
  }

  async #executeReserves(items: ReserveRequest[]): Promise<void> {
    const groups = Map.groupBy(items, ({ tubes }) => tubes.map(({ name }) => name).join(" "));
    for (const group of groups.values()) {
      const { tubes } = group[0]!;
      const clients = group.flatMap(({ client, max }) => new Array<number>(max).fill(client));
      const { rows, buckets } = await retry(() =>
        this.#reserving.run((sql) => reserveJobs(sql, tubes, { clients, daemon: this.daemon }))
      );
      rows.sort((a, b) => a.priority - b.priority || a.id - b.id);
      const byClient = Map.groupBy(rows, ({ client }) => client);
      for (const { client, done } of group) done(byClient.get(client) ?? []);
      for (const [name, bucket] of buckets) {
        this.#options.tokensLeft(name, bucket, rows.some(({ tube }) => tube === name));
      }
    }
  }

  async #executeWorks(items: WorkRequest[]): Promise<void> {
    const startMs = performance.now();
    const jobs = await this.ask((sql) =>
      sql.begin(async (sql) => {
        const ids = numbers([...new Set(items.map(({ id }) => id))]);
        const rows = await query<LockedRow>(sql, LOCK, [ids]);
        const jobs = new Map(rows.map((row) => [row.id, this.#locked(row)]));
        for (const { id, decide } of items) {
          const job = jobs.get(id);
          decide(job === undefined || job.removed ? null : job);
        }
        await writeJobs(sql, [...jobs.values()], this.#options.queue.limits);
        return [...jobs.values()];
      }) as Promise<LockedJob[]>
    );
    for (const { done } of items) done();
    this.#written(jobs, startMs);
  }

  #locked(row: LockedRow): LockedJob {
    return new LockedJob(row, this.#options.queue.rulesOf(row.tube));
  }

  /** Counts and reports decisions that are durable now. */
  #written(jobs: readonly LockedJob[], startMs: number): void {
    this.#count(jobs.filter(({ changed, removed }) => changed || removed).length, startMs);
    this.#options.written(jobs);
  }

  #count(writes: number, startMs: number): void {
    if (writes > 0) this.commits.count(writes, startMs);
  }
}

function putBytes({ specs }: PutRequest): number {
  return specs.reduce((bytes, { body }) => bytes + body.length, 0);
}
