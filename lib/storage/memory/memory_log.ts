/**
 * A commit log that keeps nothing.
 *
 * @module
 */

import type { CommitLog, LogTable, TableOwner } from "../commit_log.ts";
import type { CommitMetrics } from "../commit_metrics.ts";

/** The log of `memory:`, which drops every change and calls it flushed. */
export class MemoryLog implements CommitLog {
  readonly durable: boolean = false;
  readonly nextVersion: number = 0;
  readonly committedVersion: number = 0;
  readonly gatheringBytes = 0;

  openTables(owners: Readonly<Record<string, TableOwner>>): Promise<LogTable[]> {
    return Promise.resolve(Object.keys(owners).map((_, id) => ({ id })));
  }

  put(): void {}
  delete(): void {}
  putRange(): void {}
  deleteRange(): void {}

  clear(table: LogTable): LogTable {
    return table;
  }

  swap(): void {}

  flushed(): Promise<void> {
    return Promise.resolve();
  }

  listen(): () => void {
    return () => {};
  }

  snapshot(): Promise<void> {
    return Promise.resolve();
  }

  problem(): undefined {
    return undefined;
  }

  putProblem(): undefined {
    return undefined;
  }

  metrics(): CommitMetrics {
    return { commitGroups: 0, committedWrites: 0, commitFailures: 0 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
