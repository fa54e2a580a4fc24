/**
 * The store in PostgreSQL, which several daemons may share.
 *
 * Concurrent operations go to the database together. There are three kinds:
 *
 * - reads: one statement for all keys, which sees one snapshot;
 * - blind writes: one upsert of all rows, without reading them;
 * - everything else: one transaction for many operations. It locks and reads all their rows, runs
 *   the functions one after another, each on the changes of those before it, writes the changed rows
 *   and commits. That takes two round trips for any number of operations, and never a retry because
 *   of a conflict.
 *
 * A transaction over spaces locks the table against writes.
 *
 * @module
 */

import { CachedValue } from "../../cached_value.ts";
import type { Log } from "../../log.ts";
import { type AddOperation, KeyScheduler, type Operation } from "./key_scheduler.ts";
import type { PostgresDatabase } from "./postgres_database.ts";
import { GroupTransaction } from "./group_transaction.ts";
import {
  checkKey,
  comparePlaces,
  entryOf,
  LongValueError,
  MAX_KEY_BYTES,
  type Row,
} from "./rows.ts";
import { PostgresTable } from "./postgres_table.ts";
import {
  type Entry,
  type Key,
  type Place,
  type ScanRange,
  type SpaceTransaction,
  type Store,
  type StoreMetrics,
  type Transaction,
} from "../store.ts";
import type { Value } from "../value.ts";

/** Limits on batches in flight, by kind. */
const FLYING = { reads: 2, writes: 2, work: 2 } as const;

/** One for each batch, and two for scans, transactions over spaces and the removal of expired rows. */
const CONNECTIONS = FLYING.reads + FLYING.writes + FLYING.work + 2;

/** Limit on operations in a batch. */
const MAX_BATCH_OPERATIONS = 2_000;

/** A batch with this many bytes of keys and values takes no more operations. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** How often to remove expired rows. */
const EXPIRY_INTERVAL_MS = 1_000;

/** Maximum age of the estimated number of keys. */
const ESTIMATE_MAX_AGE_MS = 10_000;

/** Expired rows to remove at once. */
const EXPIRY_STEP_ROWS = 500;

/** A read. */
interface Read extends Operation {
  finish(entries: readonly (Entry | undefined)[], nowMs: number): void;
  fail(error: unknown): void;
}

/** A blind write. Its places are its rows. */
interface Write extends Operation {
  readonly places: readonly Row[];
  finish(): void;
  fail(error: unknown): void;
}

/** An operation that reads and writes. */
interface Work extends Operation {
  /** Runs it; the returned function settles its promise. */
  run(transaction: GroupTransaction): () => void;
  fail(error: unknown): void;
}

/** A store in PostgreSQL. */
export class PostgresStore implements Store {
  readonly maxKeyBytes = MAX_KEY_BYTES;
  readonly #table: PostgresTable;
  readonly #scheduler = new KeyScheduler();
  readonly #read: AddOperation<Read>;
  readonly #write: AddOperation<Write>;
  readonly #work: AddOperation<Work>;
  readonly #estimate: CachedValue<number | undefined>;
  /** Set while a transaction over spaces starts or runs; resolves when others may go on. */
  #gate: Promise<void> | undefined;
  #expiryTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  private constructor(table: PostgresTable) {
    this.#table = table;
    this.#estimate = new CachedValue({
      load: () => this.#table.estimateRows(),
      maxAgeMs: ESTIMATE_MAX_AGE_MS,
      // The client has logged it, or reports it as `problem`.
      onError: () => {},
    });
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
   * Opens the store in a database and creates its table if necessary.
   *
   * @throws {Error} If it cannot; the message says why.
   */
  static async open(database: PostgresDatabase, options: { log: Log }): Promise<PostgresStore> {
    const { log } = options;
    const store = new PostgresStore(
      await PostgresTable.open(database, { log, connections: CONNECTIONS }),
    );
    store.#expireLater();
    return store;
  }

  get(space: number, key: Key): Promise<Entry | undefined> {
    return this.#afterGate(() => this.#readEntries([{ space, key }], ([entry]) => entry));
  }

  put(space: number, key: Key, value: Value, expiresAtMs: number): Promise<void> {
    checkKey(key);
    return this.#afterGate(() =>
      this.#writeRows([{ space, key, value, expiresAtMs, version: this.#table.nextVersion() }])
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
        const group = new GroupTransaction(nowMs, () => this.#table.nextVersion());
        places.forEach((place, index) => group.add(place, entries[index]));
        const result = run(group);
        if (group.changed().length === 0) return result;
        throw new TypeError("Cannot write in a transaction declared as read-only");
      });
    });
  }

  async transactSpaces<T>(
    run: (transaction: SpaceTransaction) => Promise<T>,
    { readOnly = false } = {},
  ): Promise<T> {
    const open = await this.#closeGate();
    try {
      return await this.#table.transactSpaces(run, { readOnly, onSnapshot: open });
    } finally {
      open();
    }
  }

  scan(space: number, range: ScanRange): Promise<[Key, Entry][]> {
    return this.#afterGate(async () => {
      await this.#scheduler.settled();
      return await this.#table.page(space, range);
    });
  }

  problem(): string | undefined {
    return this.#table.problem();
  }

  metrics(): StoreMetrics {
    return {
      maxBytes: Infinity,
      estimatedKeys: this.#estimate.value,
      database: this.#table.metrics(),
      ...this.#table.commits.metrics(),
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#expiryTimer);
    await this.#gate;
    await this.#scheduler.settled();
    await this.#table.close();
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
      nowMs: this.#table.nowMs,
      get: () => undefined,
      put: (space, key, value, expiresAtMs) => {
        rows.push({ space, key, value, expiresAtMs, version: this.#table.nextVersion() });
      },
      delete: (space, key) => {
        rows.push({
          space,
          key,
          value: undefined,
          expiresAtMs: 0,
          version: this.#table.nextVersion(),
        });
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
      const { nowMs, rows } = await this.#table.read(places, { alone: reads.length === 1 });
      const long: Read[] = [];
      let first = 0;
      for (const read of reads) {
        const mine = rows.slice(first, first += read.places.length);
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
      await this.#table.write(lastOfEach(writes.flatMap(({ places }) => places)));
      for (const write of writes) write.finish();
    } catch (error) {
      this.#table.commits.fail();
      for (const write of writes) write.fail(error);
    }
  }

  async #executeWorks(works: Work[]): Promise<void> {
    try {
      const places = lastOfEach(works.flatMap(({ places }) => places));
      const tell = await this.#table.transact(
        places,
        (group) => works.map((work) => work.run(group)),
        { alone: works.length === 1 },
      );
      for (const done of tell) done();
    } catch (error) {
      if (error instanceof LongValueError) {
        for (const work of works) await this.#executeWorks([work]);
      } else {
        this.#table.commits.fail();
        for (const work of works) work.fail(error);
      }
    }
  }

  #afterGate<T>(work: () => Promise<T>): Promise<T> {
    return this.#gate === undefined ? work() : this.#gate.then(() => this.#afterGate(work));
  }

  /** Waits for its turn and for all earlier operations; later ones wait until the release. */
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

  async #expire(): Promise<number> {
    if (this.problem() !== undefined) return 0;
    try {
      return await this.#table.removeExpired(EXPIRY_STEP_ROWS);
    } catch {
      // The client has logged it, or reports it as `problem`. The next step tries again.
      return 0;
    }
  }
}

/** Sorts places in key order and keeps the last one of each. */
function lastOfEach<P extends Place>(places: P[]): P[] {
  // The sort is stable.
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
    // The caller of the operation gets the error.
  }
}
