/**
 * The store in PostgreSQL, which several daemons may share.
 *
 * What clients ask for at the same moment goes to the database together. There are three kinds:
 *
 * - what only reads: one statement for all keys, which sees one moment;
 * - blind writes: one upsert for all rows, without a look at what was there;
 * - everything else: one transaction for many. It locks the rows of all of them, reads them, runs
 *   the functions one after another, each on what the ones before it left, writes what has changed
 *   and commits: two round trips, however many they are, and never a conflict to start over for.
 *
 * A transaction over spaces keeps everybody from writing, by a lock of the table.
 *
 * @module
 */

import postgres from "postgres";
import type { Log } from "../log.ts";
import { type AddOperation, KeyScheduler, type Operation } from "./key_scheduler.ts";
import { isLost, type PostgresClient } from "./postgres_client.ts";
import type { PostgresDatabase } from "./postgres_database.ts";
import {
  CLOCK,
  comparePlaces,
  entryOf,
  KV_MIGRATIONS,
  LOCK_ROWS,
  LongValueError,
  MAX_KEY_BYTES,
  packPlaces,
  packRows,
  type Parameter,
  READ_ROWS,
  readParameters,
  type Row,
  type StoredRow,
  WRITE_ROWS,
} from "./postgres_rows.ts";
import { PostgresSpaceTransaction, readPage } from "./postgres_spaces.ts";
import { GroupTransaction } from "./postgres_group.ts";
import {
  type Entry,
  type Key,
  type Place,
  type ScanRange,
  type SpaceTransaction,
  StorageUnavailableError,
  type Store,
  type StoreStats,
  type Transaction,
} from "./store.ts";
import type { Value } from "./value.ts";

/** Batches of each kind that may be on their way at once. */
const FLYING = { reads: 2, writes: 2, work: 2 } as const;

/** Connections: those, and two for scans, transactions over spaces and the removal of what expired. */
const CONNECTIONS = FLYING.reads + FLYING.writes + FLYING.work + 2;

/** A batch leaves at the latest with so many operations. */
const MAX_BATCH_OPERATIONS = 2_000;

/** No operation is added to a batch with so many bytes of keys and values. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** How often a batch is tried that the server has broken off to solve a conflict. */
const MAX_TRIES = 5;

/** How long a transaction over spaces may take. */
const SPACES_TIMEOUT_MS = 60_000;

/** How often expired rows are removed. */
const EXPIRY_INTERVAL_MS = 1_000;

/** How many expired rows are removed at once. */
const EXPIRY_STEP_ROWS = 500;

/** How many versions a daemon takes at once. */
const VERSION_BLOCK = 2 ** 30;

/** The states of errors after which a transaction has only to be tried again. */
const CONFLICTS = new Set(["40001", "40P01"]);

/** Something that reads, as an operation. */
interface Read extends Operation {
  finish(entries: readonly (Entry | undefined)[], nowMs: number): void;
  fail(error: unknown): void;
}

/** A blind write, as an operation: its places are its rows. */
interface Write extends Operation {
  readonly places: readonly Row[];
  finish(): void;
  fail(error: unknown): void;
}

/** Something that reads and writes, as an operation. */
interface Work extends Operation {
  /** Runs it; what is returned tells its owner. */
  run(transaction: GroupTransaction): () => void;
  fail(error: unknown): void;
}

/** A store in PostgreSQL. */
export class PostgresStore implements Store {
  readonly maxKeyBytes = MAX_KEY_BYTES;
  readonly #client: PostgresClient;
  readonly #log: Log;
  readonly #scheduler = new KeyScheduler();
  readonly #read: AddOperation<Read>;
  readonly #write: AddOperation<Write>;
  readonly #work: AddOperation<Work>;
  /** Set while a transaction over spaces begins or runs; resolves when others may go on. */
  #gate: Promise<void> | undefined;
  /** How far the clock of the database is ahead of ours. */
  #clockAheadMs = 0;
  #version = 0;
  #lastVersion = -1;
  #expiryTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #commitGroups = 0;
  #committedWrites = 0;

  private constructor(client: PostgresClient, log: Log) {
    this.#client = client;
    this.#log = log;
    const limits = { maxOperations: MAX_BATCH_OPERATIONS, maxBytes: MAX_BATCH_BYTES };
    this.#read = this.#scheduler.addLane<Read>({
      ...limits,
      reads: true,
      maxFlying: FLYING.reads,
      execute: (reads) => this.#executeReads(reads),
    });
    this.#write = this.#scheduler.addLane<Write>({
      ...limits,
      reads: false,
      maxFlying: FLYING.writes,
      execute: (writes) => this.#executeWrites(writes),
    });
    this.#work = this.#scheduler.addLane<Work>({
      ...limits,
      reads: false,
      maxFlying: FLYING.work,
      execute: (works) => this.#executeWorks(works),
    });
  }

  /**
   * Opens the store of a database, and makes its table where there is none.
   *
   * @throws {Error} If it cannot; the message says why.
   */
  static async open(database: PostgresDatabase, options: { log: Log }): Promise<PostgresStore> {
    await database.migrate("kv", KV_MIGRATIONS);
    const client = database.connect({
      name: "kv",
      connections: CONNECTIONS,
      // Few keys out of many: the index of the key is right, whatever the statistics say, and so is
      // the first plan; planning costs three times as much as reading a key.
      settings: {
        enable_hashjoin: "off",
        enable_mergejoin: "off",
        enable_seqscan: "off",
        plan_cache_mode: "force_generic_plan",
      },
    });
    const store = new PostgresStore(client, options.log);
    try {
      await store.#takeVersions();
    } catch (error) {
      await client.close();
      throw error;
    }
    store.#expireLater();
    return store;
  }

  get(space: number, key: Key): Promise<Entry | undefined> {
    return this.#afterGate(() => this.#readEntries([{ space, key }], ([entry]) => entry));
  }

  put(space: number, key: Key, value: Value, expiresAtMs: number): Promise<void> {
    checkKey(key);
    return this.#afterGate(() =>
      this.#writeRows([{ space, key, value, expiresAtMs, version: this.#nextVersion() }])
    );
  }

  transact<T>(
    places: readonly Place[],
    run: (transaction: Transaction) => T,
    { blind = false, readOnly = false } = {},
  ): Promise<T> {
    if (!readOnly) { for (const { key } of places) checkKey(key); }
    return this.#afterGate(() => {
      if (blind) return this.#transactBlindly(run);
      if (!readOnly) return this.#transactLocked(places, run);
      return this.#readEntries(places, (entries, nowMs) => {
        const group = new GroupTransaction(nowMs, () => this.#nextVersion());
        places.forEach((place, index) => group.add(place, entries[index]));
        const result = run(group);
        if (group.changed().length === 0) return result;
        throw new TypeError("Cannot write in a transaction that was said to only read");
      });
    });
  }

  async transactSpaces<T>(
    run: (transaction: SpaceTransaction) => Promise<T>,
    { readOnly = false } = {},
  ): Promise<T> {
    const open = await this.#closeGate();
    try {
      return await this.#run(async (sql) => {
        const connection = await sql.reserve();
        try {
          const level = readOnly ? "REPEATABLE READ READ ONLY" : "READ COMMITTED";
          const lock = "LOCK TABLE quartet.kv IN SHARE ROW EXCLUSIVE MODE";
          const [, , , [clock]] = await Promise.all([
            connection.unsafe(`BEGIN ISOLATION LEVEL ${level}`),
            connection.unsafe(
              `SET LOCAL statement_timeout = ${SPACES_TIMEOUT_MS}; SET LOCAL enable_seqscan = on`,
            ),
            connection.unsafe(readOnly ? "SELECT" : lock),
            connection.unsafe(`SELECT ${CLOCK} AS now`),
          ]);
          // Now that it sees one moment, what comes later does not matter any more.
          if (readOnly) open();
          const transaction = new PostgresSpaceTransaction(
            connection,
            Number(clock!.now),
            () => this.#nextVersion(),
          );
          const result = await run(transaction);
          await connection.unsafe("COMMIT");
          if (transaction.writes > 0) this.#count(transaction.writes);
          return result;
        } catch (error) {
          await rollBack(connection, error);
          throw error;
        } finally {
          connection.release();
        }
      }, SPACES_TIMEOUT_MS + EXPIRY_INTERVAL_MS);
    } finally {
      open();
    }
  }

  scan(space: number, range: ScanRange): Promise<[Key, Entry][]> {
    return this.#afterGate(async () => {
      await this.#scheduler.settled();
      return await this.#run((sql) => readPage(sql, space, range));
    });
  }

  problem(): string | undefined {
    return this.#client.problem();
  }

  stats(): StoreStats {
    return {
      maxBytes: Infinity,
      commitGroups: this.#commitGroups,
      committedWrites: this.#committedWrites,
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#expiryTimer);
    await this.#gate;
    await this.#scheduler.settled();
    await this.#client.close();
  }

  #readEntries<T>(
    places: readonly Place[],
    finish: (entries: readonly (Entry | undefined)[], nowMs: number) => T,
  ): Promise<T> {
    const outcome = Promise.withResolvers<T>();
    this.#read({
      places,
      bytes: bytesOf(places),
      ended: ended(outcome.promise),
      finish: (entries, nowMs) => {
        try {
          outcome.resolve(finish(entries, nowMs));
        } catch (error) {
          outcome.reject(error);
        }
      },
      fail: outcome.reject,
    });
    return outcome.promise;
  }

  #writeRows(rows: readonly Row[]): Promise<void> {
    const outcome = Promise.withResolvers<void>();
    this.#write({
      places: rows,
      bytes: bytesOf(rows),
      ended: ended(outcome.promise),
      finish: outcome.resolve,
      fail: outcome.reject,
    });
    return outcome.promise;
  }

  async #transactBlindly<T>(run: (transaction: Transaction) => T): Promise<T> {
    const rows: Row[] = [];
    const result = run({
      nowMs: this.#nowMs(),
      get: () => undefined,
      put: (space, key, value, expiresAtMs) => {
        rows.push({ space, key, value, expiresAtMs, version: this.#nextVersion() });
      },
      delete: (space, key) => {
        rows.push({ space, key, value: undefined, expiresAtMs: 0, version: this.#nextVersion() });
        return false;
      },
    });
    if (rows.length > 0) await this.#writeRows(rows);
    return result;
  }

  #transactLocked<T>(
    places: readonly Place[],
    run: (transaction: Transaction) => T,
  ): Promise<T> {
    const outcome = Promise.withResolvers<T>();
    this.#work({
      places,
      bytes: bytesOf(places),
      ended: ended(outcome.promise),
      run: (group) => {
        try {
          const result = group.attempt(() => run(group));
          return () => outcome.resolve(result);
        } catch (error) {
          return () => outcome.reject(error);
        }
      },
      fail: outcome.reject,
    });
    return outcome.promise;
  }

  async #executeReads(reads: Read[]): Promise<void> {
    try {
      const places = reads.length === 1 ? reads[0]!.places : reads.flatMap(({ places }) => places);
      const parameters = readParameters(packPlaces(places), { alone: reads.length === 1 });
      const rows = await this.#run((sql) => query(sql, READ_ROWS, parameters));
      const nowMs = this.#clockOf(rows);
      const stored = new Array<StoredRow | undefined>(places.length).fill(undefined);
      for (let index = 1; index < rows.length; index++) stored[rows[index]!.i - 1] = rows[index];
      const long: Read[] = [];
      let first = 0;
      for (const read of reads) {
        const mine = stored.slice(first, first += read.places.length);
        if (mine.some((row) => row?.value === null)) long.push(read);
        else read.finish(mine.map((row) => row && entryOf(row, nowMs)), nowMs);
      }
      for (const read of long) await this.#executeReads([read]);
    } catch (error) {
      for (const read of reads) read.fail(error);
    }
  }

  async #executeWrites(writes: Write[]): Promise<void> {
    try {
      const rows = lastOfEach(writes.flatMap(({ places }) => places));
      const parameters = packRows(rows);
      await this.#retry(() => this.#run((sql) => query(sql, WRITE_ROWS, parameters)));
      this.#count(rows.length);
      for (const write of writes) write.finish();
    } catch (error) {
      for (const write of writes) write.fail(error);
    }
  }

  async #executeWorks(works: Work[]): Promise<void> {
    try {
      const places = lastOfEach(works.flatMap(({ places }) => places));
      const tell = await this.#retry(() => this.#run((sql) => this.#runGroup(sql, works, places)));
      for (const done of tell) done();
    } catch (error) {
      if (error instanceof LongValueError) {
        for (const work of works) await this.#executeWorks([work]);
      } else {
        for (const work of works) work.fail(error);
      }
    }
  }

  /** Does works in one transaction; what is returned tells their owners. */
  async #runGroup(sql: postgres.Sql, works: Work[], places: Place[]): Promise<(() => void)[]> {
    const connection = await sql.reserve();
    try {
      const parameters = packPlaces(places);
      const [, , rows] = await Promise.all([
        connection.unsafe("BEGIN"),
        query(connection, LOCK_ROWS, [...parameters, `${this.#nextVersion()}`]),
        query(connection, READ_ROWS, readParameters(parameters, { alone: works.length === 1 })),
      ]);
      const group = new GroupTransaction(this.#clockOf(rows), () => this.#nextVersion());
      for (const place of places) group.add(place, undefined);
      for (const row of rows.slice(1)) group.add(places[row.i - 1]!, entryOf(row, group.nowMs));
      const tell = works.map((work) => work.run(group));
      const changed = group.changed().sort(comparePlaces);
      if (changed.length === 0) {
        await connection.unsafe("ROLLBACK");
      } else {
        await Promise.all([
          query(connection, WRITE_ROWS, packRows(changed)),
          connection.unsafe("COMMIT"),
        ]);
        this.#count(changed.length);
      }
      return tell;
    } catch (error) {
      await rollBack(connection, error);
      throw error;
    } finally {
      connection.release();
    }
  }

  /** The clock of the database, which is the first row of those that were read. */
  #clockOf(rows: readonly StoredRow[]): number {
    const nowMs = rows[0]!.version;
    this.#clockAheadMs = nowMs - Date.now();
    return nowMs;
  }

  /** Uses the database; what it refuses is the client's to know, not that it was SQL. */
  async #run<T>(work: (sql: postgres.Sql) => Promise<T>, deadlineMs?: number): Promise<T> {
    try {
      return await this.#client.run(work, deadlineMs);
    } catch (error) {
      if (!(error instanceof postgres.PostgresError) || CONFLICTS.has(error.code)) throw error;
      this.#log.warn("Database refuses a statement", { state: error.code, error: error.message });
      throw new StorageUnavailableError(`storage unavailable: ${error.message}`, { cause: error });
    }
  }

  /** Does something again that the server has broken off, which has then not been done. */
  async #retry<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1;; tries++) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof postgres.PostgresError)) throw error;
        if (tries < MAX_TRIES) continue;
        throw new StorageUnavailableError(`storage unavailable: ${error.message}`, {
          cause: error,
        });
      }
    }
  }

  #count(writes: number): void {
    this.#commitGroups++;
    this.#committedWrites += writes;
  }

  #nowMs(): number {
    return Date.now() + this.#clockAheadMs;
  }

  #nextVersion(): number {
    const version = this.#version++;
    if (version === this.#lastVersion - VERSION_BLOCK / 2) {
      this.#takeVersions().catch((error) => {
        this.#log.error("Cannot get versions", { error: String(error) });
      });
    }
    return version;
  }

  async #takeVersions(): Promise<void> {
    const [row] = await this.#run((sql) =>
      sql`SELECT nextval('quartet.kv_version_blocks') AS block, ${sql.unsafe(CLOCK)} AS now`
    );
    this.#version = Number(row!.block) * VERSION_BLOCK;
    this.#lastVersion = this.#version + VERSION_BLOCK - 1;
    this.#clockAheadMs = Number(row!.now) - Date.now();
  }

  #afterGate<T>(work: () => Promise<T>): Promise<T> {
    return this.#gate === undefined ? work() : this.#gate.then(() => this.#afterGate(work));
  }

  /** Waits for its turn and until all that was called before is done; holds back what comes. */
  async #closeGate(): Promise<() => void> {
    while (this.#gate !== undefined) await this.#gate;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    await this.#scheduler.settled();
    return () => {
      if (this.#gate === promise) this.#gate = undefined;
      resolve();
    };
  }

  #expireLater(delayMs = EXPIRY_INTERVAL_MS): void {
    if (this.#closed) return;
    this.#expiryTimer = setTimeout(async () => {
      const removed = await this.#expire();
      this.#expireLater(removed === EXPIRY_STEP_ROWS ? 0 : EXPIRY_INTERVAL_MS);
    }, delayMs);
    Deno.unrefTimer(this.#expiryTimer);
  }

  /** Removes some expired rows; how many it were. It waits for nobody's lock. */
  async #expire(): Promise<number> {
    if (this.problem() !== undefined) return 0;
    try {
      const rows = await this.#run((sql) =>
        sql`DELETE FROM quartet.kv WHERE ctid = ANY (ARRAY (
          SELECT ctid FROM quartet.kv WHERE expires_at <= ${sql.unsafe(CLOCK)}
          ORDER BY expires_at LIMIT ${EXPIRY_STEP_ROWS} FOR UPDATE SKIP LOCKED))`
      );
      return rows.count;
    } catch {
      // Whoever has reported it has said so; the next step tries again.
      return 0;
    }
  }
}

function query(
  sql: postgres.Sql,
  statement: string,
  parameters: Parameter[],
): Promise<StoredRow[]> {
  return sql.unsafe<StoredRow[]>(statement, parameters, { prepare: true });
}

/** Ends a transaction that has failed; if the connection is lost, the server does it by itself. */
async function rollBack(connection: postgres.ReservedSql, error: unknown): Promise<void> {
  if (!isLost(error)) await connection.unsafe("ROLLBACK");
}

/** In key order, of each place the last one. */
function lastOfEach<P extends Place>(places: P[]): P[] {
  // The sort keeps what is equal in its order.
  const sorted = places.sort(comparePlaces);
  return sorted.filter((place, index) => {
    const next = sorted[index + 1];
    return next === undefined || comparePlaces(place, next) !== 0;
  });
}

function bytesOf(places: readonly (Place & { value?: Value | undefined })[]): number {
  let bytes = 0;
  for (const { key, value } of places) bytes += key.length + (value?.length ?? 0);
  return bytes;
}

async function ended(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch {
    // Whoever asked for it gets the error.
  }
}

function checkKey(key: Key): void {
  if (key.length <= MAX_KEY_BYTES) return;
  throw new StorageUnavailableError(
    `a key of ${key.length} bytes is too long for PostgreSQL, which takes ${MAX_KEY_BYTES}`,
  );
}
