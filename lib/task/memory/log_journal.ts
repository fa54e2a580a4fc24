/**
 * The journal of a queue in a commit log. Three tables hold what there is to know:
 *
 * - `task_jobs`: a record a job, written when it is put and removed when it is gone;
 * - `task_moves`: where a job is by now, for those that have moved since, without the body;
 * - `task_results`: the results that are kept;
 *
 * and `task_meta` holds up to where ids are used up. That a job is reserved is written nowhere:
 * its worker is gone when the queue starts again.
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

/** A write that is not durable yet, and how to take it back. */
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
  /** Jobs that have moved, which a failed group did not write. */
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
   * Opens the journal in a log.
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

  /** Fills an empty scheduler, whose journal this is, with what is in the log. */
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
   * Takes back what a failed group did not write: new jobs are gone, deleted ones are back. Jobs
   * that moved stay where they are, for nothing is lost with that, and are written when the log
   * works again. Whoever asked for any of it is told that it failed.
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
