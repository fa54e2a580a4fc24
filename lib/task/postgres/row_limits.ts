import type postgres from "postgres";
import { CachedValue } from "../../cached_value.ts";
import type { Log } from "../../log.ts";
import { query } from "./statements.ts";

/** How old the estimates may be; those of PostgreSQL themselves are some seconds behind. */
const ESTIMATE_MAX_AGE_MS = 1000;

/** How often results beyond their number are dropped, at most: to find them is to read an index. */
const DROP_INTERVAL_MS = 5000;

/** How many results are dropped in one statement. */
const DROP_STEP = 20_000;

/** How many rows there are, as PostgreSQL's own statistics have it: it counts nothing for that. */
const ESTIMATE = `
  SELECT pg_stat_get_live_tuples('quartet.task_jobs'::regclass) AS jobs,
    pg_stat_get_live_tuples('quartet.task_results'::regclass) AS results`;

/** Drops the oldest results, so many ($2) of those beyond a number ($1). */
const DROP = `
  DELETE FROM quartet.task_results WHERE id IN (
    SELECT id FROM quartet.task_results ORDER BY expires_at DESC
    OFFSET $1::text::int8 LIMIT $2::text::int8
  ) RETURNING 1`;

/** Options for {@linkcode RowLimits}. */
export interface RowLimitsOptions {
  maxJobs: number;
  maxResults: number;
  /** Asks the database something. */
  ask<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T>;
  log: Log;
}

/**
 * Keeps the tables of a queue about within their limits. To count them for each put would cost more
 * than the put, so it goes by estimates: a limit is noticed some seconds late, and after a crash of
 * PostgreSQL, which then begins its statistics anew, only when they have caught up.
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

  /** Whether there are about as many jobs as there may be. */
  get full(): boolean {
    return (this.#rows.value?.jobs ?? 0) >= this.#options.maxJobs;
  }

  /** Drops the oldest results if there are about too many; call it from time to time. */
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
