/**
 * A PostgreSQL database in which services keep their data, all of it in the schema `quartet`.
 *
 * @module
 */

import postgres from "postgres";
import type { Log } from "../../log.ts";
import { PostgresClient } from "./postgres_client.ts";
import { redactUrl } from "../url.ts";

/** The advisory lock under which the schema is made and migrated: "quartet" in ASCII. */
const MIGRATION_LOCK = 0x71756172;

/** How long a migration may take. */
const MIGRATION_TIMEOUT_MS = 10 * 60_000;

/** Limits on how long the database may take. */
export interface PostgresTimeouts {
  /** Until a connection is there. @default {5000} */
  connectMs?: number;
  /** Until a statement is done; the server gives it up then. @default {5000} */
  statementMs?: number;
}

/** Options for {@linkcode PostgresDatabase.open}. */
export interface PostgresDatabaseOptions extends PostgresTimeouts {
  log: Log;
}

/** Options for {@linkcode PostgresDatabase.connect}. */
export interface ConnectOptions {
  /** What the connections are for; PostgreSQL shows it as their `application_name`. */
  name: string;
  /** How many connections there are at most. */
  connections: number;
  /** Settings of the sessions. */
  settings?: Record<string, string>;
}

/** A database. */
export class PostgresDatabase {
  readonly #url: string;
  readonly #log: Log;
  readonly #timeouts: Required<PostgresTimeouts>;

  private constructor(url: string, log: Log, timeouts: Required<PostgresTimeouts>) {
    this.#url = url;
    this.#log = log;
    this.#timeouts = timeouts;
  }

  /**
   * Opens a database, and makes the schema in it where there is none.
   *
   * @throws {Error} If it cannot be reached or used; the message says why, without the password.
   */
  static async open(url: string, options: PostgresDatabaseOptions): Promise<PostgresDatabase> {
    const { log, connectMs = 5_000, statementMs = 5_000 } = options;
    const database = new PostgresDatabase(url, log, { connectMs, statementMs });
    await database.migrate("schema", []);
    return database;
  }

  /**
   * Brings the tables of a part of the program up to date, once for all daemons.
   *
   * @param part The name of the part.
   * @param steps SQL that makes version 1 of its tables, then version 2 of version 1, and so on.
   * What has been released is never changed, only added to.
   * @throws {Error} If the tables are of a newer version than there are steps, or a step fails.
   */
  async migrate(part: string, steps: readonly string[]): Promise<void> {
    const sql = this.#connect({
      name: "migration",
      connections: 1,
      settings: { statement_timeout: `${MIGRATION_TIMEOUT_MS}` },
    });
    try {
      await sql.begin(async (sql) => {
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
      });
    } catch (error) {
      const reason = this.#describe(error);
      throw new Error(`Cannot open "${redactUrl(this.#url)}" as storage: ${reason}`, {
        cause: error,
      });
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  /** Connects to it; see {@linkcode PostgresClient}. */
  connect(options: ConnectOptions): PostgresClient {
    return new PostgresClient({
      name: options.name,
      connections: options.connections,
      connect: (name, connections, onClose) =>
        this.#connect({ ...options, name, connections }, onClose),
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
        // What is acknowledged is durable, whatever the default of the server is.
        synchronous_commit: "on",
        jit: "off",
        ...settings,
      },
    }) as unknown as postgres.Sql;
  }

  /** What went wrong, without the password. */
  #describe(error: unknown): string {
    const message = error instanceof Error ? error.message || String(error) : String(error);
    const password = URL.canParse(this.#url) ? new URL(this.#url).password : "";
    if (password === "") return message;
    return message.replaceAll(password, "***").replaceAll(decodeURIComponent(password), "***");
  }
}
