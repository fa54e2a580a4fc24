/**
 * The table of the key-value store in PostgreSQL and the operations on it. Each takes one or two
 * round trips, for any number of rows.
 *
 * @module
 */

import postgres from "postgres";
import type { Log } from "../../log.ts";
import { CommitCounter } from "../commit_metrics.ts";
import { isLost, type PostgresClient } from "./postgres_client.ts";
import type { PostgresDatabase } from "./postgres_database.ts";
import { isRejected } from "./rejection.ts";
import { GroupTransaction } from "./group_transaction.ts";
import {
  CLOCK,
  comparePlaces,
  entryOf,
  KV_MIGRATIONS,
  KV_TUNING,
  LOCK_ROWS,
  packPlaces,
  packRows,
  type Parameter,
  READ_ROWS,
  readParameters,
  REMOVE_EXPIRED,
  type Row,
  type StoredRow,
  VERSION_BLOCK,
  WRITE_ROWS,
} from "./rows.ts";
import { PostgresSpaceTransaction, readPage } from "./space_transaction.ts";
import type { DatabaseMetrics } from "../database_metrics.ts";
import {
  type Entry,
  type Key,
  type Place,
  type ScanRange,
  type SpaceTransaction,
  storageUnavailable,
} from "../store.ts";

/** How often to try work that the server aborts to resolve a conflict. */
const MAX_TRIES = 5;

/** SQLSTATEs after which a retry can succeed: serialization failure and deadlock. */
const CONFLICTS: ReadonlySet<string> = new Set(["40001", "40P01"]);

/** Limit on the time of a statement on whole spaces. */
const SPACES_STATEMENT_TIMEOUT_MS = 60_000;

/** Limit on the time of a transaction over spaces. */
const SPACES_DEADLINE_MS = 65_000;

/** The result of a read. */
export interface ReadRows {
  /** The time by the clock of the database. */
  nowMs: number;
  /** The row at each place. */
  rows: (StoredRow | undefined)[];
}

/** The table of the key-value store. */
export class PostgresTable {
  /** Counts transactions that wrote, and their rows. */
  readonly commits = new CommitCounter();
  readonly #client: PostgresClient;
  readonly #log: Log;
  /** How far the clock of the database is ahead of the local one. */
  #clockAheadMs = 0;
  #hasEstimates = true;
  #version = 0;
  #lastVersion = -1;

  private constructor(client: PostgresClient, log: Log) {
    this.#client = client;
    this.#log = log;
  }

  /**
   * Opens the table in a database and creates it if necessary.
   *
   * @throws {Error} If it cannot; the message says why.
   */
  static async open(
    database: PostgresDatabase,
    { log, connections }: { log: Log; connections: number },
  ): Promise<PostgresTable> {
    await database.migrate("kv", KV_MIGRATIONS, KV_TUNING);
    const client = database.connect({
      name: "kv",
      connections,
      // A statement reads few keys out of many, so the primary key is always the right index, whatever
      // the statistics say. One plan does for all: planning costs three times as much as a read.
      settings: {
        enable_hashjoin: "off",
        enable_mergejoin: "off",
        enable_seqscan: "off",
        plan_cache_mode: "force_generic_plan",
      },
    });
    const table = new PostgresTable(client, log);
    try {
      await table.#takeVersions();
    } catch (error) {
      await client.close();
      throw error;
    }
    return table;
  }

  /** The approximate time by the clock of the database. */
  get nowMs(): number {
    return Date.now() + this.#clockAheadMs;
  }

  /** A version that was never used before. */
  nextVersion(): number {
    const version = this.#version++;
    if (version === this.#lastVersion - VERSION_BLOCK / 2) {
      this.#takeVersions().catch((error) => {
        this.#log.error("Cannot get versions", { error: String(error) });
      });
    }
    return version;
  }

  /** Why the database cannot be used at the moment; `undefined` when it can. */
  problem(): string | undefined {
    return this.#client.problem();
  }

  /** Metrics of its connections. */
  metrics(): DatabaseMetrics {
    return this.#client.metrics();
  }

  /**
   * Estimates the number of rows from PostgreSQL's statistics. It includes expired rows not removed
   * yet, and starts at zero after a crash of the server.
   *
   * @returns The number; `undefined` if the server has no such statistics.
   */
  async estimateRows(): Promise<number | undefined> {
    if (!this.#hasEstimates) return undefined;
    try {
      const [row] = await this.#client.run((sql) =>
        sql`SELECT pg_stat_get_live_tuples('quartet.kv'::regclass) AS rows`
      );
      return Number(row!.rows);
    } catch (error) {
      if (!isRejected(error)) throw error;
      this.#hasEstimates = false;
      this.#log.info("Database does not estimate the number of keys", { error: String(error) });
      return undefined;
    }
  }

  /**
   * Reads places in one snapshot.
   *
   * @param options `alone`: long values too; see {@linkcode readParameters}.
   */
  async read(places: readonly Place[], { alone }: { alone: boolean }): Promise<ReadRows> {
    const parameters = readParameters(packPlaces(places), { alone });
    return this.#placed(
      await this.#run((sql) => query(sql, READ_ROWS, parameters)),
      places.length,
    );
  }

  /** Writes rows, replacing any others. They must be in order, without duplicates. */
  async write(rows: readonly Row[]): Promise<void> {
    const parameters = packRows(rows);
    const startMs = performance.now();
    await this.#run((sql) => query(sql, WRITE_ROWS, parameters));
    this.commits.count(rows.length, startMs);
  }

  /**
   * Locks places, reads them, and writes the changes of a function. The places must be in order,
   * without duplicates.
   *
   * @param run The function; it may run more than once.
   * @param options As those of {@linkcode read}.
   */
  transact<T>(
    places: readonly Place[],
    run: (group: GroupTransaction) => T,
    { alone }: { alone: boolean },
  ): Promise<T> {
    const parameters = packPlaces(places);
    return this.#inTransaction(async (connection) => {
      const startMs = performance.now();
      const [, , stored] = await Promise.all([
        connection.unsafe("BEGIN"),
        query(connection, LOCK_ROWS, [...parameters, `${this.nextVersion()}`]),
        query(connection, READ_ROWS, readParameters(parameters, { alone })),
      ]);
      const { nowMs, rows } = this.#placed(stored, places.length);
      const group = new GroupTransaction(nowMs, () => this.nextVersion());
      places.forEach((place, index) => {
        const row = rows[index];
        group.add(place, row && entryOf(row, nowMs));
      });
      const result = run(group);
      const changed = group.changed().sort(comparePlaces);
      if (changed.length === 0) {
        await connection.unsafe("ROLLBACK");
      } else {
        await Promise.all([
          query(connection, WRITE_ROWS, packRows(changed)),
          connection.unsafe("COMMIT"),
        ]);
        this.commits.count(changed.length, startMs);
      }
      return result;
    });
  }

  /**
   * Runs a function on whole spaces and keeps others from writing meanwhile.
   *
   * @param run The function; it may run more than once.
   * @param options `readOnly`: it reads a snapshot, and others may write as soon as `onSnapshot` is
   * called.
   */
  transactSpaces<T>(
    run: (transaction: SpaceTransaction) => Promise<T>,
    { readOnly, onSnapshot }: { readOnly: boolean; onSnapshot: () => void },
  ): Promise<T> {
    const level = readOnly ? "REPEATABLE READ READ ONLY" : "READ COMMITTED";
    const lock = "LOCK TABLE quartet.kv IN SHARE ROW EXCLUSIVE MODE";
    return this.#inTransaction(async (connection) => {
      const startMs = performance.now();
      const [, , , [clock]] = await Promise.all([
        connection.unsafe(`BEGIN ISOLATION LEVEL ${level}`),
        connection.unsafe(`SET LOCAL statement_timeout = ${SPACES_STATEMENT_TIMEOUT_MS};
          SET LOCAL enable_seqscan = on`),
        connection.unsafe(readOnly ? "SELECT" : lock),
        connection.unsafe(`SELECT ${CLOCK} AS now`),
      ]);
      if (readOnly) onSnapshot();
      const nowMs = Number(clock!.now);
      const transaction = new PostgresSpaceTransaction(
        connection,
        nowMs,
        () => this.nextVersion(),
      );
      const result = await run(transaction);
      await connection.unsafe("COMMIT");
      if (transaction.writes > 0) this.commits.count(transaction.writes, startMs);
      return result;
    }, SPACES_DEADLINE_MS);
  }

  /** Reads a page of a space. */
  page(space: number, range: ScanRange): Promise<[Key, Entry][]> {
    return this.#run((sql) => readPage(sql, space, range));
  }

  /** Removes up to `limit` expired rows, skipping locked ones; returns how many. */
  async removeExpired(limit: number): Promise<number> {
    const { count } = await this.#run((sql) =>
      sql.unsafe(REMOVE_EXPIRED, [`${limit}`], { prepare: true })
    );
    return count;
  }

  /** Waits for work under way, and closes all connections. */
  close(): Promise<void> {
    return this.#client.close();
  }

  /** Runs work that begins and commits a transaction, on a reserved connection. */
  #inTransaction<T>(
    work: (connection: postgres.ReservedSql) => Promise<T>,
    deadlineMs?: number,
  ): Promise<T> {
    return this.#run(async (sql) => {
      const connection = await sql.reserve();
      try {
        return await work(connection);
      } catch (error) {
        // If the connection is lost, the server rolls back by itself.
        if (!isLost(error)) await connection.unsafe("ROLLBACK");
        throw error;
      } finally {
        connection.release();
      }
    }, deadlineMs);
  }

  /**
   * Runs work on the database. If the server aborts it because of a conflict, it had no effect and is
   * tried again. Any other refusal goes to the client, which need not know that it came from SQL.
   */
  async #run<T>(work: (sql: postgres.Sql) => Promise<T>, deadlineMs?: number): Promise<T> {
    for (let tries = 1;; tries++) {
      try {
        return await this.#client.run(work, deadlineMs);
      } catch (error) {
        if (!(error instanceof postgres.PostgresError)) throw error;
        if (CONFLICTS.has(error.code) && tries < MAX_TRIES) continue;
        const { code: state, message } = error;
        this.#log.warn("Database refused a statement", { state, error: message });
        throw storageUnavailable(message, { cause: error });
      }
    }
  }

  #placed(stored: readonly StoredRow[], places: number): ReadRows {
    const rows = new Array<StoredRow | undefined>(places).fill(undefined);
    for (let index = 1; index < stored.length; index++) {
      rows[stored[index]!.i - 1] = stored[index];
    }
    const nowMs = stored[0]!.version;
    this.#clockAheadMs = nowMs - Date.now();
    return { nowMs, rows };
  }

  async #takeVersions(): Promise<void> {
    const [row] = await this.#run((sql) =>
      sql`SELECT nextval('quartet.kv_version_blocks') AS block, ${sql.unsafe(CLOCK)} AS now`
    );
    this.#version = Number(row!.block) * VERSION_BLOCK;
    this.#lastVersion = this.#version + VERSION_BLOCK - 1;
    this.#clockAheadMs = Number(row!.now) - Date.now();
  }
}

function query(
  sql: postgres.Sql,
  statement: string,
  parameters: Parameter[],
): Promise<StoredRow[]> {
  return sql.unsafe<StoredRow[]>(statement, parameters, { prepare: true });
}
