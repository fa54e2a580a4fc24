import type postgres from "postgres";
import { storageUnavailable, StorageUnavailableError } from "../../storage/store.ts";
import type { JobId, Refusal } from "../queue.ts";
import {
  decideRun,
  type DueRun,
  recordAfter,
  type RunOutcome,
  type ScheduleBook,
  type ScheduleRecord,
} from "../schedule/book.ts";
import { putInTransaction } from "./put_job.ts";
import type { SharedScheduler } from "./scheduler.ts";
import { query, STATE } from "./statements.ts";

/** A row of the table of schedules. */
interface ScheduleRow {
  name: string;
  timing: string;
  handled_at: number;
  ran_at: number;
  job: JobId;
}

/**
 * Adds schedules ($1, in JSON), and starts those anew whose timing has changed. The others stay as
 * they are: another daemon may have them.
 */
const OPEN = `
  INSERT INTO quartet.task_schedules AS s (name, timing, handled_at)
  SELECT g.name, g.timing, $2::text::int8
  FROM json_to_recordset($1::text::json) AS g (name text, timing text)
  ON CONFLICT (name) DO UPDATE
  SET timing = excluded.timing, handled_at = greatest(s.handled_at, excluded.handled_at)
  WHERE s.timing <> excluded.timing`;

/** The schedules with these names ($1, in JSON). */
const READ = `
  SELECT s.name, s.timing, s.handled_at, s.ran_at, s.job
  FROM json_array_elements_text($1::text::json) WITH ORDINALITY AS g (name, n)
  JOIN quartet.task_schedules AS s USING (name) ORDER BY g.n`;

/** Locks a schedule, which is added if it is not there. $1: its name, $2: its timing. */
const LOCK_SCHEDULE = `
  INSERT INTO quartet.task_schedules AS s (name, timing, handled_at)
  VALUES ($1::text, $2::text, 0)
  ON CONFLICT (name) DO UPDATE SET name = excluded.name
  RETURNING s.name, s.timing, s.handled_at, s.ran_at, s.job`;

/** Whether a job ($1) is in a tube ($2) and not buried. */
const IS_UNFINISHED = `
  SELECT FROM quartet.task_jobs
  WHERE id = $1::text::int8 AND tube = $2::text AND state <> ${STATE.buried}`;

const WRITE = `
  UPDATE quartet.task_schedules
  SET timing = $2::text, handled_at = $3::text::int8, ran_at = $4::text::int8,
    job = $5::text::int8
  WHERE name = $1::text`;

/** The memory of schedules in the database, which several daemons share. */
export class SharedScheduleBook implements ScheduleBook {
  readonly #scheduler: SharedScheduler;

  constructor(scheduler: SharedScheduler) {
    this.#scheduler = scheduler;
  }

  get paused(): boolean {
    return this.#scheduler.refusesPuts || this.#scheduler.draining;
  }

  open(
    schedules: readonly { name: string; timing: string }[],
    now: number,
  ): Promise<ScheduleRecord[]> {
    return this.#ask(async (sql) => {
      // All daemons lock rows in the same order, so that no deadlock can occur.
      const sorted = schedules.toSorted((a, b) => a.name < b.name ? -1 : 1);
      await query(sql, OPEN, [JSON.stringify(sorted), String(Math.floor(now))]);
      const names = JSON.stringify(schedules.map(({ name }) => name));
      return (await query<ScheduleRow>(sql, READ, [names])).map(recordOf);
    });
  }

  async run(run: DueRun): Promise<{ outcome: RunOutcome; record: ScheduleRecord } | Refusal> {
    const refusal = run.job === null ? undefined : this.#scheduler.refusal();
    if (refusal !== undefined) return refusal;
    const made = await this.#ask((sql) =>
      sql.begin((sql) => makeRun(sql, run)) as Promise<
        { outcome: RunOutcome; record: ScheduleRecord }
      >
    );
    if (made.outcome === "put") this.#scheduler.putElsewhere(run.job!.tube, made.record.job);
    return made;
  }

  async #ask<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    try {
      return await this.#scheduler.ask(work);
    } catch (error) {
      if (error instanceof StorageUnavailableError) throw error;
      throw storageUnavailable(String(error), { cause: error });
    }
  }
}

/** Makes a run in a transaction. */
async function makeRun(
  sql: postgres.TransactionSql,
  run: DueRun,
): Promise<{ outcome: RunOutcome; record: ScheduleRecord }> {
  const { name, timing, job } = run;
  const [row] = await query<ScheduleRow>(sql, LOCK_SCHEDULE, [name, timing]);
  const before = recordOf(row!);
  const unfinished = job === null
    ? []
    : await query(sql, IS_UNFINISHED, [String(before.job), job.tube]);
  const outcome = decideRun(before, run, unfinished.length > 0);
  if (outcome === "handled") return { outcome, record: before };
  const put = outcome === "put" ? await putInTransaction(sql, job!.tube, job!.spec) : undefined;
  // Without a job to run after, there is no other answer.
  const record = recordAfter(before, run, typeof put === "object" ? put.id : 0);
  const { handledAt, ranAt } = record;
  await query(sql, WRITE, [name, timing, String(handledAt), String(ranAt), String(record.job)]);
  return { outcome, record };
}

function recordOf({ timing, handled_at, ran_at, job }: ScheduleRow): ScheduleRecord {
  return { timing, handledAt: handled_at, ranAt: ran_at, job };
}
