/**
 * A queue in PostgreSQL, which several daemons share. The database holds all jobs; a daemon knows
 * its own clients, what they have reserved, and who of them waits.
 *
 * What the clients of a daemon ask for at the same moment goes to the database together: puts,
 * reserves and deletes in a statement each, and whatever has to look at a job before it decides in
 * one transaction, which locks the jobs, decides here, and writes.
 *
 * Who waits for a job is told when one is put through this daemon, and by NOTIFY when it came
 * through another. That is only a hint: what it misses, a look from time to time finds.
 *
 * @module
 */

import type postgres from "postgres";
import type { Log } from "../../log.ts";
import type { PostgresClient } from "../../storage/postgres_client.ts";
import type { PostgresDatabase } from "../../storage/postgres_database.ts";
import { StorageUnavailableError } from "../../storage/store.ts";
import type { Value } from "../../storage/value.ts";
import { SYSTEM_CLOCK } from "../clock.ts";
import {
  DEFAULT_TUBE,
  type JobId,
  type JobSpec,
  type Queue,
  type QueueClient,
  type QueueFigures,
  type QueueOptions,
  type QueueStats,
} from "../queue.ts";
import { Batcher } from "./batcher.ts";
import { SharedClient } from "./client.ts";
import { Hints } from "./hints.ts";
import { LocalTube } from "./local_tube.ts";
import { LockedJob, type LockedRow, packUpdates } from "./locked_job.ts";
import {
  DELETE,
  EXPIRED,
  FORGET,
  joinValues,
  KEEP,
  LOCK,
  names,
  NEXT_DUE,
  numbers,
  PUT,
  query,
  REMOVE,
  RESERVE,
  STATE,
  TASK_MIGRATIONS,
  UPDATE,
} from "./statements.ts";

/** Batches of each kind that may be on their way at once. */
const FLYING = { puts: 1, reserves: 1, deletes: 1, works: 1 } as const;

/** Connections: those, and three for everything else. */
const CONNECTIONS = FLYING.puts + FLYING.deletes + FLYING.works + 3;

const MAX_BATCH_ITEMS = 1000;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** How often to look for what no hint told of, and for jobs whose time has come. */
const POLL_INTERVAL_MS = 1000;

/** How soon to look again at the earliest. */
const MIN_POLL_INTERVAL_MS = 5;

/** How many of those who wait for a tube look for a job when there was no hint. */
const POLLING_WAITERS = 20;

/** How many jobs whose time has come are worked off at once. */
const EXPIRED_STEP = 500;

/** How often a batch is tried that the server has broken off to solve a conflict. */
const MAX_TRIES = 5;

const CONFLICTS = new Set(["40001", "40P01"]);

/** Jobs to put together. */
interface PutItem {
  tube: LocalTube;
  specs: readonly JobSpec[];
  done(ids: JobId[]): void;
  fail(error: unknown): void;
}

/** A client that wants jobs. */
interface ReserveItem {
  client: number;
  tubes: readonly LocalTube[];
  max: number;
  done(jobs: ReservedRow[]): void;
  fail(error: unknown): void;
}

/** A job to delete. */
interface DeleteItem {
  id: JobId;
  client: number;
  done(found: boolean): void;
  fail(error: unknown): void;
}

/** Something to decide about a job. */
interface WorkItem {
  id: JobId;
  /** Decides; what is returned tells its owner, once all is durable. */
  run(job: LockedJob | null): () => void;
  fail(error: unknown): void;
}

/** A job that was reserved. */
export interface ReservedRow {
  id: JobId;
  priority: number;
  client: number;
  ttr_ms: number;
  body: Uint8Array;
}

/** A queue in PostgreSQL. */
export class PostgresQueue implements Queue {
  /** The number of this daemon. */
  readonly daemon: number;
  readonly tubes = new Map<string, LocalTube>();
  readonly options: QueueOptions;
  draining = false;
  /** Grows with every event that may have made a job available. */
  events = 0;
  /** Clients that wait for a job. */
  waiting = 0;

  readonly #database: PostgresClient;
  /** Connections that do not wait for the disk: after a crash of the server a job is ready again. */
  readonly #reserving: PostgresClient;
  readonly #log: Log;
  readonly #clients = new Map<number, SharedClient>();
  readonly #watched = new Map<JobId, Set<SharedClient>>();
  readonly #hints: Hints;
  readonly #puts: Batcher<PutItem>;
  readonly #reserves: Batcher<ReserveItem>;
  readonly #deletes: Batcher<DeleteItem>;
  readonly #works: Batcher<WorkItem>;
  #lastClient = 0;
  #timeouts = 0;
  #totalJobs = 0;
  #polling = Promise.resolve();
  #pollAt = Infinity;
  #stopTimer: () => void = () => {};
  #closed = false;
  #figures: QueueFigures | null = null;
  #figuresAt = 0;

  private constructor(
    { database, reserving }: { database: PostgresClient; reserving: PostgresClient },
    daemon: number,
    { options, log }: { options: QueueOptions; log: Log },
  ) {
    this.#database = database;
    this.#reserving = reserving;
    this.#log = log;
    this.daemon = daemon;
    this.options = options;
    this.openTube(DEFAULT_TUBE);
    this.#hints = new Hints(database, daemon, {
      ready: (tube, count) => this.#wake(tube, count),
      finished: () => this.#askForWatched(),
    });
    const limits = { maxItems: MAX_BATCH_ITEMS, maxBytes: MAX_BATCH_BYTES };
    this.#puts = new Batcher({
      ...limits,
      maxFlying: FLYING.puts,
      bytesOf: ({ specs }) => specs.reduce((bytes, { body }) => bytes + body.length, 0),
      execute: (items) => this.#orFail(items, () => this.#executePuts(items)),
    });
    this.#reserves = new Batcher({
      ...limits,
      maxFlying: FLYING.reserves,
      execute: (items) => this.#orFail(items, () => this.#executeReserves(items)),
    });
    this.#deletes = new Batcher({
      ...limits,
      maxFlying: FLYING.deletes,
      execute: (items) => this.#orFail(items, () => this.#executeDeletes(items)),
    });
    this.#works = new Batcher({
      ...limits,
      maxFlying: FLYING.works,
      execute: (items) => this.#orFail(items, () => this.#executeWorks(items)),
    });
    this.#pollIn(POLL_INTERVAL_MS);
  }

  /**
   * Opens the queue in a database.
   *
   * @throws {Error} If the database cannot be used.
   */
  static async open(
    database: PostgresDatabase,
    { options, log }: { options: QueueOptions; log: Log },
  ): Promise<PostgresQueue> {
    await database.migrate("task", TASK_MIGRATIONS);
    const client = database.connect({ name: "task", connections: CONNECTIONS });
    try {
      const [row] = await client.run(async (sql) =>
        await sql`SELECT nextval('quartet.task_daemons') AS daemon`
      );
      const reserving = database.connect({
        name: "task reserve",
        connections: FLYING.reserves,
        settings: { synchronous_commit: "off" },
      });
      const clients = { database: client, reserving };
      return new PostgresQueue(clients, Number(row!.daemon), { options, log });
    } catch (error) {
      await client.close();
      throw error;
    }
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
    return this.#database.problem() ?? this.#reserving.problem();
  }

  async close(): Promise<void> {
    // What clients give back when they leave is still on its way.
    await Promise.allSettled([...this.#clients.values()].map((client) => client.gone));
    this.#closed = true;
    this.#stopTimer();
    await this.#polling;
    await this.#hints.close();
    await this.#reserving.close();
    await this.#database.close();
  }

  figures(): QueueFigures {
    if (performance.now() - this.#figuresAt > 5 * POLL_INTERVAL_MS) {
      this.#figuresAt = performance.now();
      this.#countAll().then((figures) => this.#figures = figures, (error) => {
        this.#log.debug("Cannot count jobs", { error: String(error) });
      });
    }
    return this.#figures ?? { total: this.localStats(), tubes: [] };
  }

  // For its clients

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

  /** Puts jobs together. */
  put(tube: LocalTube, specs: readonly JobSpec[]): Promise<JobId[]> {
    return new Promise((done, fail) => this.#puts.add({ tube, specs, done, fail }));
  }

  /** Reserves jobs that are ready. */
  reserve(
    client: number,
    tubes: readonly LocalTube[],
    max: number,
  ): Promise<ReservedRow[]> {
    return new Promise((done, fail) => this.#reserves.add({ client, tubes, max, done, fail }));
  }

  /** Deletes a job, unless another client has it reserved. */
  delete(client: number, id: JobId): Promise<boolean> {
    return new Promise((done, fail) => this.#deletes.add({ id, client, done, fail }));
  }

  /** Locks a job, has it decided what becomes of it, and writes that. */
  work<T>(id: JobId, decide: (job: LockedJob | null) => T): Promise<T> {
    return new Promise((resolve, fail) => {
      this.#works.add({
        id,
        run: (job) => {
          const answer = decide(job);
          return () => resolve(answer);
        },
        fail,
      });
    });
  }

  /** Asks the database something. */
  ask<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    return this.#retry(() => this.#database.run(work));
  }

  /**
   * Works on jobs that a statement locks, in a transaction.
   *
   * @returns What was decided, and how many jobs there were.
   */
  async workOn(
    statement: string,
    parameters: string[],
    decide: (job: LockedJob) => void,
  ): Promise<number> {
    const jobs = await this.ask((sql) =>
      sql.begin(async (sql) => {
        const rows = await query<LockedRow>(sql, statement, parameters);
        const jobs = rows.map((row) => new LockedJob(row));
        for (const job of jobs) decide(job);
        await this.#write(sql, jobs);
        return jobs;
      }) as Promise<LockedJob[]>
    );
    this.#written(jobs);
    return jobs.length;
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
    this.#pollIn(ms);
  }

  // Batches

  async #executePuts(items: PutItem[]): Promise<void> {
    const tubes: string[] = [];
    const specs: JobSpec[] = [];
    for (const item of items) {
      for (const spec of item.specs) {
        tubes.push(item.tube.name);
        specs.push(spec);
      }
    }
    const bodies = joinValues(specs.map(({ body }) => body));
    const rows = await this.ask((sql) =>
      query<{ id: JobId }>(sql, PUT, [
        names(tubes),
        numbers(specs.map(({ priority }) => priority)),
        numbers(specs.map(({ delayMs }) => Math.ceil(delayMs))),
        numbers(specs.map(({ ttrMs }) => Math.max(1000, Math.ceil(ttrMs)))),
        bodies.starts,
        bodies.lengths,
        bodies.bytes,
      ])
    );
    const ids = rows.map(({ id }) => id).sort((a, b) => a - b);
    let first = 0;
    for (const { tube, specs, done } of items) {
      this.counted(tube, specs);
      done(ids.slice(first, first += specs.length));
    }
  }

  /** Notes that jobs were put. */
  counted(tube: LocalTube, specs: readonly JobSpec[]): void {
    this.#totalJobs += specs.length;
    tube.totalJobs += specs.length;
    let ready = 0;
    for (const { delayMs } of specs) {
      if (delayMs === 0) ready++;
      else this.#pollIn(delayMs);
    }
    if (ready > 0) this.tellReady(tube.name, ready);
  }

  async #executeReserves(items: ReserveItem[]): Promise<void> {
    const groups = Map.groupBy(items, ({ tubes }) => tubes.map(({ name }) => name).join(" "));
    await Promise.all([...groups.values()].map((group) => this.#reserveGroup(group)));
  }

  async #reserveGroup(items: ReserveItem[]): Promise<void> {
    const { tubes } = items[0]!;
    const clients = items.flatMap(({ client, max }) => new Array<number>(max).fill(client));
    const limited = tubes.filter(({ rules }) => rules.maxReserved > 0);
    const reserve = (sql: postgres.Sql) =>
      limited.length === 0
        ? query<ReservedRow>(sql, RESERVE, this.#reserveParameters(tubes, clients, new Map()))
        : sql.begin(async (sql) => {
          const room = await this.#lockRoom(sql, limited);
          return await query<ReservedRow>(
            sql,
            RESERVE,
            this.#reserveParameters(tubes, clients, room),
          );
        }) as Promise<ReservedRow[]>;
    const rows = await this.#retry(() => this.#reserving.run(reserve));
    rows.sort((a, b) => a.priority - b.priority || a.id - b.id);
    for (const { ttr_ms } of rows) this.#pollIn(ttr_ms);
    for (const { client, done } of items) done(rows.filter((row) => row.client === client));
  }

  #reserveParameters(
    tubes: readonly LocalTube[],
    clients: number[],
    room: Map<string, number>,
  ): string[] {
    return [
      names(tubes.map(({ name }) => name)),
      numbers(tubes.map(({ name }) => Math.min(clients.length, room.get(name) ?? Infinity))),
      numbers(clients),
      String(this.daemon),
    ];
  }

  /** How many more jobs of some tubes may run; nobody else starts one before the transaction ends. */
  async #lockRoom(
    sql: postgres.ISql,
    tubes: readonly LocalTube[],
  ): Promise<Map<string, number>> {
    const list = names(tubes.map(({ name }) => name).sort());
    await query(
      sql,
      `INSERT INTO quartet.task_tubes (name) SELECT unnest($1::text::text[])
        ON CONFLICT (name) DO NOTHING`,
      [list],
    );
    await query(
      sql,
      `SELECT FROM quartet.task_tubes WHERE name = ANY ($1::text::text[])
        ORDER BY name FOR UPDATE`,
      [list],
    );
    const counts = await query<{ tube: string; count: number }>(
      sql,
      `SELECT tube, count(*) AS count FROM quartet.task_jobs
        WHERE state = ${STATE.reserved} AND tube = ANY ($1::text::text[]) GROUP BY tube`,
      [list],
    );
    const reserved = new Map(counts.map(({ tube, count }) => [tube, count]));
    return new Map(
      tubes.map(({ name, rules }) => [
        name,
        Math.max(0, rules.maxReserved - (reserved.get(name) ?? 0)),
      ]),
    );
  }

  /** Whether another job of a tube may be reserved by its id; see `reserveJob`. */
  async hasRoom(sql: postgres.ISql, name: string): Promise<boolean> {
    const rules = this.options.rulesOf(name);
    if (rules.maxReserved === 0) return true;
    const room = await this.#lockRoom(sql, [new LocalTube(name, rules)]);
    return room.get(name)! > 0;
  }

  async #executeDeletes(items: DeleteItem[]): Promise<void> {
    items.sort((a, b) => a.id - b.id);
    const rows = await this.ask((sql) =>
      query<{ id: JobId; tube: string }>(sql, DELETE, [
        numbers(items.map(({ id }) => id)),
        numbers(items.map(({ client }) => client)),
        String(this.daemon),
      ])
    );
    const deleted = new Map(rows.map(({ id, tube }) => [id, tube]));
    for (const { id, done } of items) {
      const name = deleted.get(id);
      // If two clients delete one job, it was the first that did.
      deleted.delete(id);
      if (name !== undefined) {
        const tube = this.tubes.get(name);
        if (tube !== undefined) tube.deletes++;
        this.#freed(name);
        this.#tell(id, "deleted", "");
      }
      done(name !== undefined);
    }
  }

  async #executeWorks(items: WorkItem[]): Promise<void> {
    const { jobs, tell } = await this.ask((sql) =>
      sql.begin(async (sql) => {
        const ids = numbers([...new Set(items.map(({ id }) => id))]);
        const rows = await query<LockedRow>(sql, LOCK, [ids]);
        const jobs = new Map(rows.map((row) => [row.id, new LockedJob(row)]));
        const tell = items.map(({ id, run }) => {
          const job = jobs.get(id);
          return run(job === undefined || job.removed ? null : job);
        });
        await this.#write(sql, [...jobs.values()]);
        return { jobs: [...jobs.values()], tell };
      }) as Promise<{ jobs: LockedJob[]; tell: (() => void)[] }>
    );
    for (const done of tell) done();
    this.#written(jobs);
  }

  /** Writes what was decided about jobs. */
  async #write(sql: postgres.ISql, jobs: readonly LockedJob[]): Promise<void> {
    const removed = jobs.filter((job) => job.removed);
    const changed = jobs.filter((job) => job.changed && !job.removed);
    const kept = removed.filter((job) => job.result !== undefined);
    const bodies = joinValues(kept.map(({ result }) => result!));
    await Promise.all([
      changed.length > 0 && query(sql, UPDATE, packUpdates(changed)),
      removed.length > 0 && query(sql, REMOVE, [numbers(removed.map(({ row }) => row.id))]),
      kept.length > 0 && query(sql, KEEP, [
        numbers(kept.map(({ row }) => row.id)),
        bodies.starts,
        bodies.lengths,
        bodies.bytes,
        String(this.options.limits.resultTtlMs),
      ]),
    ]);
  }

  /** Tells everybody who has to know what was decided about jobs, once it is durable. */
  #written(jobs: readonly LockedJob[]): void {
    for (const job of jobs) {
      const { id, tube, state, due_at, now } = job.row;
      if (job.removed) this.#tell(id, "done", job.result ?? "");
      else if (!job.changed) continue;
      else if (state === STATE.ready) this.tellReady(tube, 1);
      else if (state === STATE.buried) this.#tell(id, "buried", job.reason);
      else if (due_at !== null) this.#pollIn(due_at - now);
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

  #pollIn(ms: number): void {
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
    } catch (error) {
      if (!(error instanceof StorageUnavailableError) && !isPostgresError(error)) throw error;
      this.#log.debug("Cannot look for jobs that are due", { error: String(error) });
    }
    this.#pollIn(nextMs);
  }

  #expire(): Promise<number> {
    return this.workOn(EXPIRED, [String(EXPIRED_STEP)], (job) => {
      if (job.row.state === STATE.delayed) return job.enqueue(0);
      this.#timeouts++;
      job.row.timeouts++;
      job.giveBack(this.options.rulesOf(job.row.tube), "the time to run was over", 0);
    });
  }

  async #countAll(): Promise<QueueFigures> {
    const client = this.connect();
    try {
      const total = await client.stats();
      const tubes = [];
      for (const name of (await client.listTubes()).slice(0, 100)) {
        const stats = await client.statsTube(name);
        if (stats !== null) tubes.push(stats);
      }
      return { total, tubes };
    } finally {
      client.close();
    }
  }

  async #orFail<T extends { fail(error: unknown): void }>(
    items: T[],
    execute: () => Promise<void>,
  ): Promise<void> {
    try {
      await execute();
    } catch (error) {
      const failure = error instanceof StorageUnavailableError
        ? error
        : new StorageUnavailableError(`storage unavailable: ${error}`, { cause: error });
      for (const item of items) item.fail(failure);
    }
  }

  async #retry<T>(run: () => Promise<T>): Promise<T> {
    for (let tries = 1;; tries++) {
      try {
        return await run();
      } catch (error) {
        const { code } = error as { code?: string };
        if (tries === MAX_TRIES || code === undefined || !CONFLICTS.has(code)) throw error;
      }
    }
  }
}

function isPostgresError(error: unknown): boolean {
  return error instanceof Error && error.name === "PostgresError";
}
