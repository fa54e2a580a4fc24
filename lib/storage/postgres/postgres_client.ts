/**
 * Connections to PostgreSQL that are restored after a loss.
 *
 * When the outcome of a statement is unknown, because the connection broke or no reply came in time,
 * the client does not send it again, so that nothing is executed twice. The statement fails, but its
 * server process may still be executing it. Therefore each generation of connections has its own
 * name, and before a new generation is used, the server must end the processes of the old one. So an
 * abandoned statement can never take effect after one that was acknowledged later.
 *
 * @module
 */

import postgres from "postgres";
import type { Log } from "../../log.ts";
import type { DatabaseMetrics } from "../database_metrics.ts";
import { storageUnavailable, type StorageUnavailableError } from "../store.ts";
import { AnswerWatch } from "./answer_watch.ts";

/** The pause before the first attempt to reconnect; it doubles with each further attempt. */
const MIN_BACKOFF_MS = 50;

/** The longest pause between attempts to reconnect. */
const MAX_BACKOFF_MS = 1_000;

/** How long to wait for the server to end the processes of lost connections. */
const FENCE_TIMEOUT_MS = 5_000;

/** A statement that any database can answer. */
const QUESTION = "SELECT NULL";

/** SQLSTATEs of errors after which the connections cannot be used any more. */
const LOST_STATES = /^(08|57P|53300|25P03|XX)/;

/** Options for a {@linkcode PostgresClient}. */
export interface PostgresClientOptions {
  /** The purpose of the connections. */
  name: string;
  /** Number of connections. */
  connections: number;
  /** Creates connections with a name; calls `onClose` when one of them is closed. */
  connect(name: string, connections: number, onClose?: () => void): postgres.Sql;
  /** The message of an error, without secrets. */
  describe(error: unknown): string;
  /** Limit on the time of one piece of work on the database. */
  deadlineMs: number;
  /** How often to look whether the database answers; see {@linkcode AnswerWatch}. */
  checkMs?: number | undefined;
  log: Log;
}

/** Connections to a database. */
export class PostgresClient {
  readonly #options: PostgresClientOptions;
  readonly #id = crypto.randomUUID().slice(0, 8);
  #generation = 1;
  #sql: postgres.Sql;
  /** Rejects when the current connections are lost, for all work that uses them. */
  #lost = newLoss();
  /** Resolves when the first connections are open; `undefined` from then on. */
  #opening: Promise<unknown> | undefined;
  #problem: string | undefined;
  readonly #watch: AnswerWatch;
  readonly #counts = { losses: 0, reconnects: 0, errors: 0 };
  #closed = false;
  #recovery: Promise<void> = Promise.resolve();
  #wakeUp: () => void = () => {};

  constructor(options: PostgresClientOptions) {
    this.#options = options;
    this.#sql = this.#connect();
    this.#watch = new AnswerWatch({
      ask: () => this.run((sql) => sql.unsafe(QUESTION)),
      onChange: (silent) => {
        if (silent) options.log.error("Database does not answer");
        else options.log.info("Database answers again");
      },
      checkMs: options.checkMs,
    });
    this.#opening = openAll(this.#sql, options.connections).catch((error) => {
      throw new LostError(options.describe(error));
    });
    this.#opening.then(() => this.#opening = undefined, () => {
      // The first piece of work gets the error.
    });
  }

  /**
   * Runs work on the database.
   *
   * @param work Uses only the connections it is given, and only while it runs.
   * @param deadlineMs Limit on its time. @default {that of the client}
   * @throws {StorageUnavailableError} If the database is lost. Then the outcome of the work is
   * unknown, but it will not take effect later.
   * @throws Errors of the work; a `postgres.PostgresError` if the server refused a statement.
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
      const result = await Promise.race([done, late.promise, lost]);
      this.#watch.answered();
      return result;
    } catch (error) {
      if (!isLost(error)) {
        this.#watch.answered();
        if (error instanceof postgres.PostgresError) this.#counts.errors++;
        throw error;
      }
      if (sql === this.#sql && this.#problem === undefined && !this.#closed) this.#lose(error);
      throw this.#unavailable(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Why the database cannot be used at the moment; `undefined` if it can. */
  problem(): string | undefined {
    return this.#problem ?? (this.#watch.silent ? "the database does not answer" : undefined);
  }

  /** Metrics of the connections. */
  metrics(): DatabaseMetrics {
    return { up: this.problem() === undefined, ...this.#counts };
  }

  /** Waits for work under way, and closes all connections. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#watch[Symbol.dispose]();
    this.#wakeUp();
    await this.#recovery;
    await this.#sql.end({ timeout: 5 });
  }

  #connect(): postgres.Sql {
    const { connections } = this.#options;
    const sql = this.#options.connect(this.#name(), connections, () => {
      if (this.#closed || this.#problem !== undefined) return;
      // If work was using the connection, its error says more; let that come first.
      setTimeout(() => this.#miss(sql), 0);
    });
    return sql;
  }

  /** Abandons all connections because one was closed. */
  #miss(sql: postgres.Sql): void {
    if (sql !== this.#sql || this.#problem !== undefined || this.#closed) return;
    this.#lose(new LostError("the server closed a connection"));
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

  /** Awaits a promise with the deadline of the client. */
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

  /** Ends the server processes of the connections with a name. */
  async #fence(name: string): Promise<void> {
    const sql = this.#options.connect("recovery", 1);
    const timer = setTimeout(() => sql.end({ timeout: 0 }), this.#options.deadlineMs);
    try {
      const left = await sql`SELECT pg_terminate_backend(pid, ${FENCE_TIMEOUT_MS}) AS ended
        FROM pg_stat_activity WHERE application_name = ${`quartet ${name}`}`;
      if (left.some(({ ended }) => ended !== true)) {
        throw new Error("the server is still executing abandoned statements");
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
 * Opens all connections at once. postgres 3.4.9 never hands out a connection that it opens for
 * `reserve` (unless it fetches types, and then errors cannot be caught), so open them all before.
 */
async function openAll(sql: postgres.Sql, connections: number): Promise<void> {
  await Promise.all(Array.from({ length: connections }, () => sql.unsafe("SELECT")));
}

/** Thrown when no reply came in time. */
class LateError extends Error {
  override name = "LateError";
}

/** Thrown to all work under way when the connections are lost. */
class LostError extends Error {
  override name = "LostError";
}

function newLoss(): PromiseWithResolvers<never> {
  const loss = Promise.withResolvers<never>();
  loss.promise.catch(() => {
    // Work under way gets the error; there may be none.
  });
  return loss;
}

/** Whether an error means that the connection is lost, and the outcome of the work unknown. */
export function isLost(error: unknown): boolean {
  if (error instanceof LateError || error instanceof LostError) return true;
  if (error instanceof postgres.PostgresError) return LOST_STATES.test(error.code);
  // Errors of the driver and the system have a code in capitals, such as ECONNRESET.
  const { code } = error as { code?: unknown };
  return error instanceof Error && typeof code === "string" && /^[A-Z][A-Z_]+$/.test(code);
}
