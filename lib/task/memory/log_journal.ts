/**
 * The journal of a queue in a commit log. It has four tables:
 *
 * - `task_jobs`: one record per job, written when it is put and removed when it is gone;
 * - `task_moves`: the present state of each job that has changed since, without the body;
 * - `task_results`: the results kept;
 * - `task_meta`: the end of the claimed ids.
 *
 * Reservations are not written: after a restart no worker holds a job.
 *
 * @module
 */

import type { CommitMetrics } from "../../storage/commit_metrics.ts";
import type { CommitLog, LogTable } from "../../storage/commit_log.ts";
import { latin1From } from "../../storage/value.ts";
import type { JobId } from "../queue.ts";
import type { Job } from "./job.ts";
import type { Journal } from "./journal.ts";
import {
  decodeId,
  decodeJob,
  decodeMove,
  decodeResult,
  encodeId,
  encodeJobHead,
  encodeMove,
  encodeResultHead,
  idKey,
} from "./records.ts";
import type { Result } from "./results.ts";
import type { Scheduler } from "./scheduler.ts";

const NEXT_ID = "next_id";

/** The tables of a journal. */
interface Tables {
  jobs: LogTable;
  moves: LogTable;
  results: LogTable;
  meta: LogTable;
}

/** A write that is not durable yet, with what is needed to undo it. */
type Pending =
  | { group: number; kind: "put" | "move" | "remove"; job: Job }
  | { group: number; kind: "keep"; result: Result };

/** A journal in a commit log. */
export class LogJournal implements Journal {
  last = 0;
  readonly #log: CommitLog;
  readonly #tables: Tables;
  readonly #stopListening: () => void;
  #scheduler: Scheduler | null = null;
  #pending: Pending[] = [];
  /** Jobs whose last move was in a group that failed. */
  readonly #unwritten = new Set<Job>();

  private constructor(log: CommitLog, tables: Tables) {
    this.#log = log;
    this.#tables = tables;
    this.#stopListening = log.listen({
      committed: (group) => this.#committed(group),
      failed: () => this.#failed(),
    });
  }

  /**
   * Opens the journal of a log.
   *
   * @throws {StorageUnavailableError}
   */
  static async open(log: CommitLog): Promise<LogJournal> {
    return new LogJournal(log, {
      jobs: await log.openTable("task_jobs"),
      moves: await log.openTable("task_moves"),
      results: await log.openTable("task_results"),
      meta: await log.openTable("task_meta"),
    });
  }

  /** Loads the log into the empty scheduler that this journal belongs to. */
  async load(scheduler: Scheduler): Promise<void> {
    this.#scheduler = scheduler;
    const moves = new Map<JobId, Uint8Array>();
    for await (const page of this.#log.load(this.#tables.moves)) {
      for (const [key, record] of page) moves.set(decodeId(key), record);
    }
    const buried: Job[] = [];
    for await (const page of this.#log.load(this.#tables.jobs)) {
      for (const [key, record] of page) {
        const id = decodeId(key);
        const job = decodeJob(id, record, (tube) => scheduler.openTube(tube, { anyway: true })!);
        const move = moves.get(id);
        if (move !== undefined) decodeMove(job, move);
        if (job.state === "buried") buried.push(job);
        else scheduler.restore(job);
      }
    }
    buried.sort((a, b) => a.dueAt - b.dueAt);
    for (const job of buried) scheduler.restore(job);
    const results: Result[] = [];
    for await (const page of this.#log.load(this.#tables.results)) {
      for (const [key, record] of page) results.push(decodeResult(decodeId(key), record));
    }
    results.sort((a, b) => a.expiresAt - b.expiresAt);
    for (const result of results) scheduler.restoreResult(result);
    for await (const page of this.#log.load(this.#tables.meta)) {
      for (const [key, record] of page) {
        if (key === NEXT_ID) scheduler.startIdsAt(decodeId(latin1From(record)));
      }
    }
  }

  useIds(upTo: JobId): void {
    this.#log.put(this.#tables.meta, NEXT_ID, encodeId(upTo + 1));
  }

  put(job: Job): number {
    this.#log.put(this.#tables.jobs, idKey(job.id), job.body, encodeJobHead(job));
    return this.#wrote({ group: this.#log.gathering, kind: "put", job });
  }

  move(job: Job): number {
    job.moved = true;
    this.#unwritten.delete(job);
    this.#log.put(this.#tables.moves, idKey(job.id), job.reason, encodeMove(job));
    return this.#wrote({ group: this.#log.gathering, kind: "move", job });
  }

  remove(job: Job): number {
    const key = idKey(job.id);
    this.#unwritten.delete(job);
    this.#log.delete(this.#tables.jobs, key);
    if (job.moved) this.#log.delete(this.#tables.moves, key);
    return this.#wrote({ group: this.#log.gathering, kind: "remove", job });
  }

  keep(result: Result): number {
    const head = encodeResultHead(result);
    this.#log.put(this.#tables.results, idKey(result.id), result.body, head);
    return this.#wrote({ group: this.#log.gathering, kind: "keep", result });
  }

  forget(result: Result): void {
    this.#log.delete(this.#tables.results, idKey(result.id));
  }

  settled(ticket: number): Promise<void> | undefined {
    return ticket <= this.#log.committed ? undefined : this.#log.flushed(ticket);
  }

  problem(): string | undefined {
    return this.#log.problem();
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
    return this.last = pending.group;
  }

  #committed(group: number): void {
    const first = this.#pending.findIndex((pending) => pending.group > group);
    this.#pending = first === -1 ? [] : this.#pending.slice(first);
    for (const job of this.#unwritten) job.ticket = this.move(job);
  }

  /**
   * Undoes the writes of a failed group, newest first: new jobs are removed, deleted ones come back.
   * Jobs that moved keep their new state, since that loses nothing; they are written when the log
   * works again. Clients that await any of these writes get the error from `settled`.
   */
  #failed(): void {
    const pending = this.#pending;
    this.#pending = [];
    for (const write of pending.reverse()) {
      if (write.kind === "keep") this.#scheduler!.results.takeBack(write.result);
      else if (write.kind === "remove") this.#scheduler!.putBack(write.job);
      else if (write.kind === "put") this.#scheduler!.takeBack(write.job);
      else this.#unwritten.add(write.job);
      if (write.kind === "put") this.#unwritten.delete(write.job);
    }
    this.#scheduler!.reclaimIds();
    this.last = this.#log.committed;
  }
}
