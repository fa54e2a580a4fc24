import type postgres from "postgres";
import { CachedValue } from "../../cached_value.ts";
import type { Log } from "../../log.ts";
import { isRejected } from "../../storage/postgres/rejection.ts";
import type { QueueOptions } from "../queue.ts";
import { query } from "./statements.ts";

/** How old the estimates may be. PostgreSQL's own statistics lag some seconds behind anyway. */
const ESTIMATE_MAX_AGE_MS = 1000;

/** The shortest time between two runs that drop results. Finding them reads an index. */
const DROP_INTERVAL_MS = 5000;

/** The most results dropped in one statement. */
const DROP_STEP = 20_000;

/** The number of rows by PostgreSQL's statistics, which takes no counting. */
const ESTIMATE = `
  SELECT pg_stat_get_live_tuples('quartet.task_jobs'::regclass) AS jobs,
    pg_stat_get_live_tuples('quartet.task_results'::regclass) AS results`;

/** The number of rows, counted only as far as the limits ($1 and $2) matter. */
const COUNT = `
  SELECT
    (SELECT count(*) FROM (SELECT 1 FROM quartet.task_jobs LIMIT $1::text::int8) AS j) AS jobs,
    (SELECT count(*) FROM (SELECT 1 FROM quartet.task_results LIMIT $2::text::int8) AS r) AS results`;

/** Drops the oldest of the results beyond a number ($1), at most $2 of them. */
const DROP = `
  DELETE FROM quartet.task_results WHERE id IN (
    SELECT id FROM quartet.task_results ORDER BY expires_at DESC
    OFFSET $1::text::int8 LIMIT $2::text::int8
  ) RETURNING 1`;

/** Options for {@linkcode RowLimits}. */
export interface RowLimitsOptions {
  /** The limits of the queue; they may change. */
  queue: Pick<QueueOptions, "limits">;
  /** Runs a query. */
  ask<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T>;
  log: Log;
}

/** The number of rows of each table. */
interface Rows {
  jobs: number;
  results: number;
}

/**
 * Keeps the tables of a queue roughly within their limits. Counting the rows at each put would cost
 * more than the put, so this uses estimates. A limit therefore takes effect some seconds late, and
 * after a crash of PostgreSQL, which resets its statistics, only once they have caught up. On a server
 * without such statistics it counts after all, in at most a twentieth of the time.
 */
export class RowLimits {
  readonly #options: RowLimitsOptions;
  readonly #rows: CachedValue<Rows>;
  #droppedMs = -Infinity;
  /** Whether the server has statistics. */
  #estimates = true;

  constructor(options: RowLimitsOptions) {
    this.#options = options;
    this.#rows = new CachedValue({
      load: () => this.#load(),
      maxAgeMs: ESTIMATE_MAX_AGE_MS,
      onError: (error) => options.log.debug("Cannot estimate jobs", { error: String(error) }),
    });
  }

  async #load(): Promise<Rows> {
    const { ask, log, queue: { limits: { maxJobs, maxResults } } } = this.#options;
    if (this.#estimates) {
      try {
        const [row] = await ask((sql) => query<Rows>(sql, ESTIMATE, []));
        return row!;
      } catch (error) {
        if (!isRejected(error)) throw error;
        this.#estimates = false;
        log.info("Database does not estimate the number of jobs: counting", {
          error: String(error),
        });
      }
    }
    const [row] = await ask((sql) =>
      query<Rows>(sql, COUNT, [String(maxJobs), String(maxResults + 1)])
    );
    return row!;
  }

  /** Whether the number of jobs is at the limit. */
  get full(): boolean {
    return (this.#rows.value?.jobs ?? 0) >= this.#options.queue.limits.maxJobs;
  }

  /** Drops the oldest results beyond the limit. Call it from time to time. */
  async dropResults(): Promise<void> {
    const { ask, queue: { limits: { maxResults } } } = this.#options;
    const nowMs = performance.now();
    if ((this.#rows.value?.results ?? 0) <= maxResults) return;
    if (nowMs - this.#droppedMs < DROP_INTERVAL_MS) return;
    this.#droppedMs = nowMs;
    const parameters = [String(maxResults), String(DROP_STEP)];
    for (let dropped = DROP_STEP; dropped === DROP_STEP;) {
      dropped = (await ask((sql) => query(sql, DROP, parameters))).length;
    }
  }
}
