/**
 * Connections to PostgreSQL that come back by themselves after they were lost.
 *
 * When the outcome of a statement is not known, because the connection broke or no answer came in
 * time, it is not sent again, so that nothing is ever done twice: it fails, and its server process
 * may still be at it. Hence the rule on the way back: all connections get a new name, and before
 * the first of them is used, the server is told to end what is left of those with the old name.
 * Nothing that was given up can be done after something that was acknowledged later.
 *
 * @module
 */

import postgres from "postgres";
import type { Log } from "../../log.ts";
import type { DatabaseMetrics } from "../database_metrics.ts";
import { storageUnavailable, type StorageUnavailableError } from "../store.ts";

/** The first pause before trying to connect again; each one after it is twice as long. */
const MIN_BACKOFF_MS = 50;

/** The longest pause before trying to connect again. */
const MAX_BACKOFF_MS = 1_000;

/** How long the server may take to end the processes of lost connections. */
const FENCE_TIMEOUT_MS = 5_000;

/** The states of an error after which the connection, or the server, is not what it was. */
const LOST_STATES = /^(08|57P|53300|25P03|XX)/;

/** What a client needs to know. */
export interface PostgresClientOptions {
  /** What the connections are for. */
  name: string;
  /** How many connections there are. */
  connections: number;
  /** Makes connections with a name; `onClose` is called when one of them has been closed. */
  connect(name: string, connections: number, onClose?: () => void): postgres.Sql;
  /** The message of an error, fit for a log. */
  describe(error: unknown): string;
  /** How long some work on the database may take in all. */
  deadlineMs: number;
  log: Log;
}

/** Connections to a database. */
export class PostgresClient {
  readonly #options: PostgresClientOptions;
  readonly #id = crypto.randomUUID().slice(0, 8);
  #generation = 1;
  #sql: postgres.Sql;
  /** Rejects when the connections of now are lost, for all who use them. */
  #lost = newLoss();
  /** Resolves when all connections are there; `undefined` from then on. */
  #opening: Promise<unknown> | undefined;
  #problem: string | undefined;
  readonly #counts = { losses: 0, reconnects: 0, errors: 0 };
  #closed = false;
  #recovery: Promise<void> = Promise.resolve();
  #wakeUp: () => void = () => {};

  constructor(options: PostgresClientOptions) {
    this.#options = options;
    this.#sql = this.#connect();
    this.#opening = openAll(this.#sql, options.connections).catch((error) => {
      throw new LostError(options.describe(error));
    });
    this.#opening.then(() => this.#opening = undefined, () => {
      // Whoever uses it first gets the error.
    });
  }

  /**
   * Does some work on the database.
   *
   * @param work It uses the connections that it is given and no others, and no longer than it runs.
   * @param deadlineMs How long it may take. @default {that of the client}
   * @throws {StorageUnavailableError} If the database is gone. The outcome of the work is then not
   * known; it is not done after this.
   * @throws What the work throws, a `postgres.PostgresError` when the server refused a statement.
   */
  async run<T>(
    work: (sql: postgres.Sql) => Promise<T>,
    deadlineMs: number = this.#options.deadlineMs,
  ): Promise<T> {
    if (this.#closed) throw storageUnavailable("it is closed");
    if (this.#problem !== undefined) throw this.#unavailable();
    const sql = this.#sql;
    const { promise: lost } = this.#lost;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new LateError(`no answer within ${deadlineMs} ms`)),
      deadlineMs,
    );
    try {
      const done = this.#opening === undefined ? work(sql) : this.#opening.then(() => work(sql));
      return await Promise.race([done, late.promise, lost]);
    } catch (error) {
      if (!isLost(error)) {
        if (error instanceof postgres.PostgresError) this.#counts.errors++;
        throw error;
      }
      if (sql === this.#sql && this.#problem === undefined && !this.#closed) this.#lose(error);
      throw this.#unavailable(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Why the database cannot be used at the moment; `undefined` when it can. */
  problem(): string | undefined {
    return this.#problem;
  }

  /** What it has been through so far. */
  metrics(): DatabaseMetrics {
    return { up: this.#problem === undefined, ...this.#counts };
  }

  /** Lets what is under way end, and closes all connections. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wakeUp();
    await this.#recovery;
    await this.#sql.end({ timeout: 5 });
  }

  #connect(): postgres.Sql {
    const { connections } = this.#options;
    const sql = this.#options.connect(this.#name(), connections, () => {
      if (this.#closed || this.#problem !== undefined) return;
      // If somebody used it, the error that he gets says more, and he gets it first.
      setTimeout(() => this.#miss(sql), 0);
    });
    return sql;
  }

  /** Gives all connections up because one of them has been closed. */
  #miss(sql: postgres.Sql): void {
    if (sql !== this.#sql || this.#problem !== undefined || this.#closed) return;
    this.#lose(new LostError("the server has closed a connection"));
  }

  #name(): string {
    return `${this.#options.name} ${this.#id}.${this.#generation}`;
  }

  #unavailable(cause?: unknown): StorageUnavailableError {
    const reason = cause === undefined ? this.#problem! : this.#options.describe(cause);
    return storageUnavailable(reason, { cause });
  }

  #lose(error: unknown): void {
    this.#counts.losses++;
    this.#problem = this.#options.describe(error);
    this.#options.log.error("Database lost", { error: this.#problem });
    this.#lost.reject(new LostError(this.#problem));
    this.#recovery = this.#recover(this.#sql);
  }

  async #recover(lost: postgres.Sql): Promise<void> {
    await lost.end({ timeout: 0 });
    const lostName = this.#name();
    for (let backoffMs = MIN_BACKOFF_MS; !this.#closed; backoffMs *= 2) {
      await this.#sleep(Math.min(backoffMs, MAX_BACKOFF_MS) * (0.75 + Math.random() / 2));
      if (this.#closed) return;
      try {
        await this.#fence(lostName);
        this.#generation++;
        this.#sql = this.#connect();
        this.#opening = undefined;
        await this.#inTime(openAll(this.#sql, this.#options.connections));
        this.#lost = newLoss();
        this.#problem = undefined;
        this.#counts.reconnects++;
        this.#options.log.info("Database works again");
        return;
      } catch (error) {
        this.#problem = this.#options.describe(error);
        await this.#sql.end({ timeout: 0 });
      }
    }
  }

  /** What comes of something, if it does so before the deadline. */
  async #inTime<T>(promise: Promise<T>): Promise<T> {
    const { deadlineMs } = this.#options;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new LateError(`no answer within ${deadlineMs} ms`)),
      deadlineMs,
    );
    try {
      return await Promise.race([promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends what the server still does for connections of a name. */
  async #fence(name: string): Promise<void> {
    const sql = this.#options.connect("recovery", 1);
    const timer = setTimeout(() => sql.end({ timeout: 0 }), this.#options.deadlineMs);
    try {
      const left = await sql`SELECT pg_terminate_backend(pid, ${FENCE_TIMEOUT_MS}) AS ended
        FROM pg_stat_activity WHERE application_name = ${`quartet ${name}`}`;
      if (left.some(({ ended }) => ended !== true)) {
        throw new Error("the server is still busy with statements that were given up");
      }
    } finally {
      clearTimeout(timer);
      await sql.end({ timeout: 1 });
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/**
 * Opens all connections at once. A connection that is opened for `reserve` is never handed out
 * (postgres 3.4.9, unless it fetches types, and then an error is nobody's); so none ever is.
 */
async function openAll(sql: postgres.Sql, connections: number): Promise<void> {
  await Promise.all(Array.from({ length: connections }, () => sql.unsafe("SELECT")));
}

/** Thrown when no answer came in time. */
class LateError extends Error {
  override name = "LateError";
}

/** Thrown to all who use the connections when one of them has found that they are lost. */
class LostError extends Error {
  override name = "LostError";
}

function newLoss(): PromiseWithResolvers<never> {
  const loss = Promise.withResolvers<never>();
  loss.promise.catch(() => {
    // Those who use the connections at that moment hear of it; there may be none.
  });
  return loss;
}

/** Whether an error means that the connection is gone, and with it the outcome of the work. */
export function isLost(error: unknown): boolean {
  if (error instanceof LateError || error instanceof LostError) return true;
  if (error instanceof postgres.PostgresError) return LOST_STATES.test(error.code);
  // What is neither an answer of the server nor thrown by the work has a code of the system.
  const { code } = error as { code?: unknown };
  return error instanceof Error && typeof code === "string" && /^[A-Z][A-Z_]+$/.test(code);
}
