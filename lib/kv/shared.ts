/**
 * What all connections of the service share.
 *
 * @module
 */

import type { Histogram } from "../metrics.ts";
import type { Store } from "../storage/store.ts";
import type { CommandTable } from "./commands/table.ts";
import type { CursorTable } from "./commands/cursors.ts";
import type { RespLimits } from "./resp/parser.ts";
import type { Session } from "./session/session.ts";
import type { Settings } from "./commands/settings.ts";
import type { TransactionLimits } from "./session/transaction.ts";

/** The limits on what one client may do, and one more. */
export interface KvLimits extends RespLimits, TransactionLimits {
  /** The longest value. */
  maxValueBytes: number;
  /** The longest line of the text protocol, its end included. */
  maxLineBytes: number;
  maxClients: number;
}

/** One batch in so many is measured; a power of two. */
const BATCHES_PER_SAMPLE = 16;

/** The time at which a batch begins, in milliseconds; 0 if it is not to be measured. */
export function batchStartMs(counts: KvCounts): number {
  return (counts.batches++ & (BATCHES_PER_SAMPLE - 1)) === 0 ? performance.now() : 0;
}

/** Notes how long a batch took, if it is measured. */
export function batchDone(counts: KvCounts, startMs: number, commands: number): void {
  if (startMs === 0 || commands === 0) return;
  const seconds = (performance.now() - startMs) / 1000;
  counts.duration.observe(seconds / commands, commands);
}

/** Counts an error that a client is told of. */
export function countError({ errors }: KvCounts, message: string): void {
  const [code] = /^[A-Z]+/.exec(message) ?? ["ERR"];
  errors.set(code, (errors.get(code) ?? 0) + 1);
}

/** What has been counted. */
export interface KvCounts {
  /** Commands that were run, by their index in the table. */
  readonly calls: Float64Array;
  /** Commands of the text protocol that were run. */
  readonly textCalls: Map<string, number>;
  /** Requests that named no command, or one with a wrong number of arguments. */
  rejected: number;
  /** Errors that clients were told of, by their code: the first word of Redis' errors. */
  readonly errors: Map<string, number>;
  /** Connections that were closed for an error in the protocol. */
  protocolErrors: number;
  /**
   * How long commands took, each one its part of the batch it was in. One batch in
   * {@linkcode BATCHES_PER_SAMPLE} is measured: to ask for the time twice is a tenth of what the
   * whole way of a command through this process costs.
   */
  readonly duration: Histogram;
  /** Batches that were run. */
  batches: number;
}

/** What the connections of one service share. */
export interface KvShared {
  readonly store: Store;
  readonly table: CommandTable;
  readonly cursors: CursorTable;
  readonly limits: KvLimits;
  readonly counts: KvCounts;
  readonly settings: Settings;
  /** The sessions of Redis clients by the number of their connection. */
  readonly sessions: Map<number, Session>;
  /** Where the service listens, for people. */
  readonly address: string;
  readonly startedMs: number;
  /** A name of this run, 40 hexadecimal digits. */
  readonly runId: string;
  /** How many connections there were. */
  accepted(): number;
}
