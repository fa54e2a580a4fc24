/**
 * A PostgreSQL database in which services keep their data, all in the schema `quartet`.
 *
 * @module
 */

import postgres from "postgres";
import type { Log } from "../../log.ts";
import { DatabaseTransaction } from "./database_transaction.ts";
import { PostgresClient } from "./postgres_client.ts";
import { isRejected } from "./rejection.ts";
import { storageUnavailable } from "../store.ts";
import { redactUrl } from "../url.ts";

/** The advisory lock for creating and migrating the schema: "quar" in ASCII. */
const MIGRATION_LOCK = 0x71756172;

/** How long a migration may take. */
const MIGRATION_TIMEOUT_MS = 10 * 60_000;

/** How long a transaction that reads may wait for its client between two statements. */
const MAX_IDLE_MS = 60_000;

/** As above for one that writes: its client reads a backup, or writes another storage. */
const MAX_IDLE_WRITING_MS = 10 * 60_000;

/** Limits on the time of the database. */
export interface PostgresTimeouts {
  /** For opening a connection. @default {5000} */
  connectMs?: number;
  /** For a statement; after that the server cancels it. @default {5000} */
  statementMs?: number;
}

/** Options for {@linkcode PostgresDatabase.open}. */
export interface PostgresDatabaseOptions extends PostgresTimeouts {
  log: Log;
  /** Replaces each pool of connections, so that a test can make statements fail. */
  wrap?: (sql: postgres.Sql) => postgres.Sql;
}

/** Options for {@linkcode PostgresDatabase.connect}. */
export interface ConnectOptions {
  /** The purpose of the connections; PostgreSQL shows it as their `application_name`. */
  name: string;
  /** Number of connections. */
  connections: number;
  /** Settings for the sessions. */
  settings?: Record<string, string>;
}

/** A database. */
export class PostgresDatabase {
  readonly #url: string;
  readonly #log: Log;
  readonly #timeouts: Required<PostgresTimeouts>;
  readonly #wrap: (sql: postgres.Sql) => postgres.Sql;

  private constructor(
    url: string,
    { log, wrap = (sql) => sql }: PostgresDatabaseOptions,
    timeouts: Required<PostgresTimeouts>,
  ) {
    this.#url = url;
    this.#log = log;
    this.#wrap = wrap;
    this.#timeouts = timeouts;
  }

  /**
   * Opens a database and creates the schema if necessary.
   *
   * @throws {Error} If it cannot be reached or used; the message says why, without the password.
   */
  static async open(url: string, options: PostgresDatabaseOptions): Promise<PostgresDatabase> {
    const { connectMs = 5_000, statementMs = 5_000 } = options;
    const database = new PostgresDatabase(url, options, { connectMs, statementMs });
    await database.migrate("schema", []);
    return database;
  }

  /**
   * Migrates the tables of one part of the program; daemons that start together do it only once.
   *
   * @param part The name of the part.
   * @param steps SQL that creates version 1 of the tables, then turns it into version 2, and so on.
   * Never change a released step; add another one.
   * @param tuning Statements that make the tables of the last version faster. They run once, after
   * the steps; a server that rejects one does without it.
   * @throws {Error} If the tables have a newer version than there are steps, or a step fails.
   */
  async migrate(
    part: string,
    steps: readonly string[],
    tuning: readonly string[] = [],
  ): Promise<void> {
    const sql = this.#connect({
      name: "migration",
      connections: 1,
      settings: { statement_timeout: `${MIGRATION_TIMEOUT_MS}` },
    });
    try {
      const migrated = await sql.begin(async (sql) => {
        await sql`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`;
        const schemas = await sql`SELECT FROM pg_namespace WHERE nspname = 'quartet'`;
        if (schemas.length === 0) {
          await sql`CREATE SCHEMA quartet`;
          await sql`CREATE TABLE quartet.parts (name text PRIMARY KEY, version int NOT NULL)`;
        }
        const [row] = await sql`SELECT version FROM quartet.parts WHERE name = ${part}`;
        const version = Number(row?.version ?? 0);
        if (version > steps.length) {
          throw new Error(
            `its tables of "${part}" have version ${version}, and this program knows versions ` +
              `up to ${steps.length}`,
          );
        }
        for (const step of steps.slice(version)) await sql.unsafe(step);
        await sql`INSERT INTO quartet.parts VALUES (${part}, ${steps.length})
          ON CONFLICT (name) DO UPDATE SET version = excluded.version`;
        return version < steps.length;
      });
      if (migrated) { for (const statement of tuning) await this.#tune(sql, statement); }
    } catch (error) {
      const reason = this.#describe(error);
      throw new Error(`Cannot open "${redactUrl(this.#url)}" as storage: ${reason}`, {
        cause: error,
      });
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  /** Runs a statement that only makes the database faster. */
  async #tune(sql: postgres.Sql, statement: string): Promise<void> {
    try {
      await sql.unsafe(statement);
    } catch (error) {
      if (!isRejected(error)) throw error;
      this.#log.info("Database does without a setting", { statement, error: String(error) });
    }
  }

  /**
   * Runs a transaction that may take long on a connection of its own.
   *
   * @param options `readOnly`: it sees what there was at one moment; others may write meanwhile.
   * @throws {StorageUnavailableError} If the database cannot be used.
   */
  async transact<T>(
    work: (transaction: DatabaseTransaction) => Promise<T>,
    { readOnly }: { readOnly: boolean },
  ): Promise<T> {
    const sql = this.#connect({
      name: "backup",
      connections: 1,
      settings: {
        statement_timeout: `${MIGRATION_TIMEOUT_MS}`,
        idle_in_transaction_session_timeout: `${readOnly ? MAX_IDLE_MS : MAX_IDLE_WRITING_MS}`,
      },
    });
    const level = readOnly ? "ISOLATION LEVEL REPEATABLE READ READ ONLY" : "";
    try {
      const run = (sql: postgres.TransactionSql) => work(new DatabaseTransaction(sql));
      return await sql.begin(level, run) as T;
    } catch (error) {
      if ((error as { code?: unknown }).code === undefined) throw error;
      throw storageUnavailable(this.#describe(error), { cause: error });
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  /** Connects to the database; see {@linkcode PostgresClient}. */
  connect(options: ConnectOptions): PostgresClient {
    return new PostgresClient({
      name: options.name,
      connections: options.connections,
      connect: (name, connections, onClose) =>
        this.#wrap(this.#connect({ ...options, name, connections }, onClose)),
      describe: (error) => this.#describe(error),
      deadlineMs: this.#timeouts.connectMs + this.#timeouts.statementMs,
      log: this.#log,
    });
  }

  #connect(
    { name, connections, settings = {} }: ConnectOptions,
    onClose?: () => void,
  ): postgres.Sql {
    return postgres(this.#url, {
      max: connections,
      connect_timeout: this.#timeouts.connectMs / 1000,
      fetch_types: false,
      max_lifetime: null,
      ...(onClose !== undefined && { onclose: onClose }),
      backoff: () => 0,
      onnotice: () => {},
      types: {
        bigint: {
          to: 20,
          from: [20],
          parse: (text: string) => Number(text),
          serialize: (number: number) => `${number}`,
        },
      },
      connection: {
        application_name: `quartet ${name}`,
        statement_timeout: this.#timeouts.statementMs,
        idle_in_transaction_session_timeout: 4 * this.#timeouts.statementMs,
        // Acknowledged writes are durable, whatever the server's default.
        synchronous_commit: "on",
        jit: "off",
        ...settings,
      },
    }) as unknown as postgres.Sql;
  }

  /** The message of an error, without the password. */
  #describe(error: unknown): string {
    const message = error instanceof Error ? error.message || String(error) : String(error);
    const password = URL.canParse(this.#url) ? new URL(this.#url).password : "";
    if (password === "") return message;
    return message.replaceAll(password, "***").replaceAll(decodeURIComponent(password), "***");
  }
}
