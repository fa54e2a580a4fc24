/**
 * A commit log that keeps nothing.
 *
 * @module
 */

import type { CommitLog, LogRecord, LogTable } from "../commit_log.ts";
import type { CommitMetrics } from "../commit_metrics.ts";

/** The log of `memory:`, which drops every write and calls it flushed. */
export class MemoryLog implements CommitLog {
  readonly durable = false;
  readonly gathering = 0;
  readonly gatheringBytes = 0;
  readonly committed = 0;
  #tables = 0;

  openTable(name: string): Promise<LogTable> {
    return Promise.resolve({ name, id: this.#tables++ });
  }

  async *load(): AsyncIterable<LogRecord[]> {}

  put(): void {}
  delete(): void {}
  clear(): void {}
  swap(): void {}

  flushed(): Promise<void> {
    return Promise.resolve();
  }

  listen(): () => void {
    return () => {};
  }

  problem(): undefined {
    return undefined;
  }

  metrics(): CommitMetrics {
    return { commitGroups: 0, committedWrites: 0, commitFailures: 0 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
