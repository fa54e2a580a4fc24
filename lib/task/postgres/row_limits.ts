import type postgres from "postgres";
import { CachedValue } from "../../cached_value.ts";
import type { Log } from "../../log.ts";
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

/** Drops the oldest of the results beyond a number ($1), at most $2 of them. */
const DROP = `
  DELETE FROM quartet.task_results WHERE id IN (
    SELECT id FROM quartet.task_results ORDER BY expires_at DESC
    OFFSET $1::text::int8 LIMIT $2::text::int8
  ) RETURNING 1`;

/** Options for {@linkcode RowLimits}. */
export interface RowLimitsOptions {
  maxJobs: number;
  maxResults: number;
  /** Runs a query. */
  ask<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T>;
  log: Log;
}

/**
 * Keeps the tables of a queue roughly within their limits. Counting the rows at each put would cost
 * more than the put, so this uses estimates. A limit therefore takes effect some seconds late, and
 * after a crash of PostgreSQL, which resets its statistics, only once they have caught up.
 */
export class RowLimits {
  readonly #options: RowLimitsOptions;
  readonly #rows: CachedValue<{ jobs: number; results: number }>;
  #droppedMs = -Infinity;

  constructor(options: RowLimitsOptions) {
    this.#options = options;
    this.#rows = new CachedValue({
      load: async () => {
        const [row] = await options.ask((sql) =>
          query<{ jobs: number; results: number }>(sql, ESTIMATE, [])
        );
        return row!;
      },
      maxAgeMs: ESTIMATE_MAX_AGE_MS,
      onError: (error) => options.log.debug("Cannot estimate jobs", { error: String(error) }),
    });
  }

  /** Whether the number of jobs is at the limit. */
  get full(): boolean {
    return (this.#rows.value?.jobs ?? 0) >= this.#options.maxJobs;
  }

  /** Drops the oldest results beyond the limit. Call it from time to time. */
  async dropResults(): Promise<void> {
    const { maxResults, ask } = this.#options;
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
