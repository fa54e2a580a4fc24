/**
 * The journal of a queue in a commit log. It has seven tables:
 *
 * - `task_jobs`: one record per job, written when it is put and removed when it is gone;
 * - `task_moves`: the present state of each job that has changed since, without the body;
 * - `task_results`: the results kept;
 * - `task_schedules`: what is remembered of each schedule;
 * - `task_keys`: the unique keys that are held for a fixed time;
 * - `task_lost`: the jobs that were deleted without being done, while others are held for them;
 * - `task_meta`: the end of the claimed ids.
 *
 * Reservations are not written: after a restart no worker holds a job. The ticket of a write is its
 * version in the log.
 *
 * @module
 */

import type { CommitMetrics } from "../../storage/commit_metrics.ts";
import type { CommitLog, LogTable } from "../../storage/commit_log.ts";
import { Turn } from "../../turn.ts";
import type { JobId } from "../queue.ts";
import type { ScheduleRecord } from "../schedule/book.ts";
import { encodeKey, LOST_RECORD } from "./condition_records.ts";
import type { Job } from "./job.ts";
import type { Journal } from "./journal.ts";
import { JournalTables } from "./journal_tables.ts";
import { encodeId, encodeJobHead, encodeMove, encodeResultHead, idKey } from "./records.ts";
import type { Result } from "./results.ts";
import { encodeSchedule, ScheduleTable } from "./schedule_table.ts";
import type { Scheduler } from "./scheduler.ts";
import type { TimedKey } from "./unique_keys.ts";

/** The key of the record with the end of the claimed ids. */
export const NEXT_ID = "next_id";

/** How often a long loop over jobs looks at the time. */
const JOBS_PER_LOOK = 64;

/** The tables of a journal. */
interface Tables {
  jobs: LogTable;
  moves: LogTable;
  results: LogTable;
  schedules: LogTable;
  keys: LogTable;
  lost: LogTable;
  meta: LogTable;
}

/** A write that is not durable yet, with what is needed to undo it. */
type Pending =
  | { version: number; kind: "put" | "move"; job: Job }
  /** `unwritten`: whether its last move was in a group that failed. */
  | { version: number; kind: "remove"; job: Job; unwritten: boolean }
  | { version: number; kind: "keep"; result: Result }
  | { version: number; kind: "mark"; undo: () => void };

/** A journal in a commit log. */
export class LogJournal implements Journal {
  last = 0;
  failing = false;
  readonly #log: CommitLog;
  readonly #owners: JournalTables;
  #schedules!: ScheduleTable;
  #tables!: Tables;
  readonly #stopListening: () => void;
  #scheduler: Scheduler | null = null;
  #pending: Pending[] = [];
  /** Jobs whose last move was in a group that failed. */
  readonly #unwritten = new Set<Job>();

  /** Creates the journal of a log. Call {@linkcode LogJournal.load} before anything else. */
  constructor(log: CommitLog) {
    this.#log = log;
    this.#owners = new JournalTables({
      jobs: () => this.#scheduler!.jobs,
      result: (id) => this.#scheduler!.results.get(id),
      key: (id) => this.#scheduler!.conditions.keys.timed(id),
      isLost: (id) => this.#scheduler!.conditions.dependencies.isLost(id),
      tube: (name) => this.#scheduler!.tubes.open(name, { anyway: true })!,
      memory: () => this.#scheduler!.memory,
    });
    this.#stopListening = log.listen({
      committed: (version) => this.#committed(version),
      failed: () => this.#failed(),
    });
  }

  /**
   * Loads the log into the empty scheduler that this journal belongs to.
   *
   * @param records Where to load what is remembered of schedules.
   * @throws {StorageUnavailableError}
   */
  async load(scheduler: Scheduler, records: Map<string, ScheduleRecord>): Promise<void> {
    this.#scheduler = scheduler;
    this.#schedules = new ScheduleTable(records);
    const owners = this.#owners;
    const [jobs, moves, results, schedules, keys, lost, meta] = await this.#log.openTables(
      owners.byName(this.#schedules),
    );
    this.#tables = {
      jobs: jobs!,
      moves: moves!,
      results: results!,
      schedules: schedules!,
      keys: keys!,
      lost: lost!,
      meta: meta!,
    };
    const { keys: uniqueKeys, dependencies } = scheduler.conditions;
    for (const id of owners.loadedLost) dependencies.restoreLost(id);
    const turn = new Turn();
    const buried: Job[] = [];
    const held: Job[] = [];
    for (const job of scheduler.jobs.values()) {
      if (job.state === "buried") buried.push(job);
      else if (job.state === "held") held.push(job);
      else scheduler.restore(job);
      if (job.id % JOBS_PER_LOOK === 0 && turn.over) await turn.next();
    }
    buried.sort((a, b) => a.dueAt - b.dueAt);
    for (const job of buried) scheduler.restore(job);
    // Whether a job is still held depends on the others.
    for (const job of held) {
      scheduler.restore(job);
      if (job.id % JOBS_PER_LOOK === 0 && turn.over) await turn.next();
    }
    dependencies.tidyAll();
    for (const { id, ...fields } of owners.loadedKeys.values()) {
      scheduler.conditions.restoreKey(uniqueKeys.make(id, fields));
    }
    const kept = [...owners.loadedResults.values()].sort((a, b) => a.expiresAt - b.expiresAt);
    for (const result of kept) scheduler.restoreResult(result);
    // The last jobs of some were deleted after they were put.
    for (const tube of scheduler.tubes.all()) scheduler.tubes.leave(tube);
    owners.loaded();
    if (owners.nextId > 0) scheduler.ids.startAt(owners.nextId);
  }

  useIds(upTo: JobId): void {
    this.#owners.claim(upTo + 1, this.#log.nextVersion);
    this.#log.put(this.#tables.meta, NEXT_ID, encodeId(upTo + 1));
  }

  put(job: Job): number {
    const version = this.#changeJob(job.id);
    this.#log.put(this.#tables.jobs, idKey(job.id), job.body, encodeJobHead(job));
    return this.#wrote({ version, kind: "put", job });
  }

  move(job: Job): number {
    job.moved = true;
    this.#unwritten.delete(job);
    const version = this.#changeJob(job.id);
    this.#log.put(this.#tables.moves, idKey(job.id), job.reason, encodeMove(job));
    return this.#wrote({ version, kind: "move", job });
  }

  remove(job: Job): number {
    const unwritten = this.#unwritten.delete(job);
    const version = this.#changeJob(job.id);
    this.#log.delete(this.#tables.jobs, idKey(job.id));
    return this.#wrote({ version, kind: "remove", job, unwritten });
  }

  keep(result: Result): number {
    const version = this.#changeResult(result.id);
    const head = encodeResultHead(result);
    this.#log.put(this.#tables.results, idKey(result.id), result.body, head);
    return this.#wrote({ version, kind: "keep", result });
  }

  forget(result: Result): void {
    this.#changeResult(result.id);
    this.#log.delete(this.#tables.results, idKey(result.id));
  }

  mark(name: string, record: ScheduleRecord | undefined, undo: () => void): number {
    const version = this.#log.nextVersion;
    this.#schedules.change(version);
    if (record === undefined) this.#log.delete(this.#tables.schedules, name);
    else this.#log.put(this.#tables.schedules, name, encodeSchedule(record));
    return this.#wrote({ version, kind: "mark", undo });
  }

  keepKey(key: TimedKey): void {
    this.#owners.keys.change(key.id, this.#log.nextVersion);
    this.#log.put(this.#tables.keys, idKey(key.id), encodeKey(key));
  }

  forgetKey({ id }: TimedKey): void {
    this.#owners.keys.change(id, this.#log.nextVersion);
    this.#log.delete(this.#tables.keys, idKey(id));
  }

  keepLost(id: JobId): void {
    this.#owners.lost.change(id, this.#log.nextVersion);
    this.#log.put(this.#tables.lost, idKey(id), LOST_RECORD);
  }

  forgetLost(id: JobId): void {
    this.#owners.lost.change(id, this.#log.nextVersion);
    this.#log.delete(this.#tables.lost, idKey(id));
  }

  settled(ticket: number): Promise<void> | undefined {
    return ticket <= this.#log.committedVersion ? undefined : this.#log.flushed(ticket);
  }

  problem(): string | undefined {
    return this.#log.problem();
  }

  get full(): boolean {
    return this.#log.putProblem() !== undefined;
  }

  commits(): CommitMetrics {
    return this.#log.metrics();
  }

  async close(): Promise<void> {
    await this.#log.flushed();
    this.#stopListening();
  }

  #wrote(pending: Pending): number {
    this.#pending.push(pending);
    return this.last = pending.version;
  }

  #changeJob(id: JobId): number {
    const version = this.#log.nextVersion;
    this.#owners.jobs.change(id, version);
    return version;
  }

  #changeResult(id: JobId): number {
    const version = this.#log.nextVersion;
    this.#owners.results.change(id, version);
    return version;
  }

  #committed(committed: number): void {
    let count = 0;
    for (const write of this.#pending) {
      if (write.version > committed) break;
      if (write.kind === "remove") write.job.free();
      count++;
    }
    this.#pending.splice(0, count);
    if (this.#unwritten.size > 0) {
      for (const job of this.#unwritten) job.ticket = this.move(job);
    } else if (this.failing) {
      this.failing = false;
      this.#scheduler!.resume();
    }
  }

  /**
   * Undoes the writes of a failed group, newest first: new jobs are removed, deleted ones come back.
   * Jobs that moved keep their new state, since that loses nothing; they are written when the log
   * works again, and until then no job is handed out. Clients that await any of these writes get the
   * error from `settled`.
   */
  #failed(): void {
    this.failing = true;
    const pending = this.#pending;
    this.#pending = [];
    for (const write of pending.reverse()) {
      if (write.kind === "mark") write.undo();
      else if (write.kind === "keep") this.#scheduler!.results.takeBack(write.result);
      else if (write.kind === "put") this.#scheduler!.takeBack(write.job);
      else if (write.kind === "remove") {
        this.#scheduler!.putBack(write.job);
        if (write.unwritten) this.#unwritten.add(write.job);
      } else this.#unwritten.add(write.job);
      if (write.kind === "put") this.#unwritten.delete(write.job);
    }
    this.#scheduler!.ids.reclaim();
    this.last = this.#log.committedVersion;
  }
}
