/**
 * Batches of puts and deletes. Those of single jobs share one statement, since one commit costs half
 * as much as two.
 *
 * @module
 */

import type postgres from "postgres";
import type { CommitCounter } from "../../storage/commit_metrics.ts";
import type { JobId } from "../queue.ts";
import { answerDeletes, type DeletedRow, deleteParameters } from "./delete_jobs.ts";
import { answerPuts, putParameters } from "./put_jobs.ts";
import { type DeleteRequest, executeOrFail, type PutRequest } from "./requests.ts";
import { asUnavailable, isRefusal, retry } from "./retry.ts";
import { DELETE, PUT, PUT_AND_DELETE, query, type SqlParameter } from "./statements.ts";

/** A put or a delete. */
export type JobWrite =
  | { readonly kind: "put"; readonly request: PutRequest }
  | { readonly kind: "delete"; readonly request: DeleteRequest };

/** A row that {@linkcode PUT_AND_DELETE} returns. */
type WrittenRow =
  /** A job that was put. */
  | { id: JobId; tube: null }
  /** A job that was deleted. */
  | DeletedRow;

/** What {@linkcode JobWrites} needs. */
export interface JobWritesOptions {
  /** The number of this daemon. */
  daemon: number;
  /** Runs work on the database, and passes on its errors as they are. */
  run<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T>;
  /** Counts what was made durable. */
  commits: CommitCounter;
}

/** Executes batches of puts and deletes, and answers them. */
export class JobWrites {
  readonly #options: JobWritesOptions;

  constructor(options: JobWritesOptions) {
    this.#options = options;
  }

  /** Executes puts. Never rejects. */
  put(requests: readonly PutRequest[]): Promise<void> {
    return this.#orFail(requests, async () => {
      answerPuts(requests, await this.#write<{ id: JobId }>(PUT, putParameters(requests)));
    });
  }

  /** Executes deletes. Never rejects. */
  delete(requests: readonly DeleteRequest[]): Promise<void> {
    return this.#orFail(requests, async () => {
      const parameters = deleteParameters(requests, this.#options.daemon);
      answerDeletes(requests, await this.#write<DeletedRow>(DELETE, parameters));
    });
  }

  /**
   * Executes puts and deletes in one statement. If the server refuses it, which undoes all of it, each
   * kind is tried alone: on a full disk, for example, jobs can still be deleted. Never rejects.
   */
  async execute(writes: readonly JobWrite[]): Promise<void> {
    const puts = writes.flatMap(({ kind, request }) => kind === "put" ? [request] : []);
    const deletes = writes.flatMap(({ kind, request }) => kind === "delete" ? [request] : []);
    if (deletes.length === 0) return await this.put(puts);
    if (puts.length === 0) return await this.delete(deletes);
    let refused = false;
    await this.#orFail([...puts, ...deletes], async () => {
      const parameters = [
        ...putParameters(puts),
        ...deleteParameters(deletes, this.#options.daemon),
      ];
      try {
        const rows = await this.#write<WrittenRow>(PUT_AND_DELETE, parameters);
        answerPuts(puts, rows.filter(({ tube }) => tube === null));
        answerDeletes(deletes, rows.filter((row) => row.tube !== null));
      } catch (error) {
        if (!isRefusal(error)) throw error;
        refused = true;
      }
    });
    if (refused) await Promise.all([this.put(puts), this.delete(deletes)]);
  }

  #orFail(
    requests: readonly { fail(error: unknown): void }[],
    execute: () => Promise<void>,
  ): Promise<void> {
    return executeOrFail(requests, async () => {
      try {
        await execute();
      } catch (error) {
        throw asUnavailable(error);
      }
    }, this.#options.commits);
  }

  async #write<Row extends object>(
    statement: string,
    parameters: SqlParameter[],
  ): Promise<Row[]> {
    const { run, commits } = this.#options;
    const startMs = performance.now();
    const rows = await retry(() => run((sql) => query<Row>(sql, statement, parameters)));
    if (rows.length > 0) commits.count(rows.length, startMs);
    return rows;
  }
}
