import { latin1From, type Value } from "../../storage/value.ts";
import {
  backoffDelayMs,
  type GivenBack,
  type JobId,
  reasonText,
  type TubeRules,
} from "../queue.ts";
import { joinValues } from "../../storage/postgres/rows.ts";
import { numbers, type Parameter, STATE } from "./statements.ts";

/** The row of a job that this daemon has locked, as the database gives it. */
export interface LockedRow {
  id: JobId;
  tube: string;
  state: number;
  priority: number;
  due_at: number | null;
  daemon: number | null;
  client: number | null;
  delay_ms: number;
  ttr_ms: number;
  reserves: number;
  timeouts: number;
  releases: number;
  buries: number;
  kicks: number;
  attempts: number;
  reason: Uint8Array;
  now: number;
}

/** A job that this daemon has locked, to decide what becomes of it. */
export class LockedJob {
  readonly row: LockedRow;
  /** Whether the row is to be written. */
  changed = false;
  /** Whether the row is to be deleted. */
  removed = false;
  /** The result to keep when it is removed. */
  result: Value | undefined;
  #reason: Value | undefined;

  constructor(row: LockedRow) {
    this.row = row;
  }

  /** Why its last run came to nothing, or why it is buried. */
  get reason(): Value {
    return this.#reason ?? latin1From(this.row.reason);
  }

  /** Whether a client of a daemon has it reserved. */
  isReservedBy(daemon: number, client: number): boolean {
    const { row } = this;
    return !this.removed && row.state === STATE.reserved && row.daemon === daemon &&
      row.client === client;
  }

  /** Makes it ready, at once or after a delay. */
  enqueue(delayMs: number): void {
    this.#moveTo(delayMs > 0 ? STATE.delayed : STATE.ready);
    if (delayMs > 0) this.row.due_at = this.row.now + Math.ceil(delayMs);
  }

  /** Buries it. */
  bury(reason?: Value): void {
    if (reason !== undefined) this.#reason = reasonText(reason);
    this.#moveTo(STATE.buried);
    this.row.buries++;
    this.row.due_at = this.row.now;
  }

  /** Reserves it. */
  reserveFor(daemon: number, client: number): void {
    this.#moveTo(STATE.reserved);
    this.row.reserves++;
    this.row.daemon = daemon;
    this.row.client = client;
    this.touch();
  }

  /** Puts the end of its time to run off. */
  touch(): void {
    this.changed = true;
    this.row.due_at = this.row.now + this.row.ttr_ms;
  }

  /** Kicks it. */
  kick(): void {
    this.row.kicks++;
    this.enqueue(0);
  }

  /** Takes it from its worker, after a run that came to nothing. */
  giveBack(rules: TubeRules, reason: Value, delayMs: number): GivenBack {
    const attempts = ++this.row.attempts;
    if (rules.maxAttempts > 0 && attempts >= rules.maxAttempts) {
      this.bury(reason);
      return "BURIED";
    }
    this.#reason = reasonText(reason);
    const backoffMs = backoffDelayMs(rules.backoffMs, rules.maxBackoffMs, attempts);
    this.enqueue(Math.max(delayMs, backoffMs));
    return "RELEASED";
  }

  /** Removes it, and keeps its result. */
  complete(result: Value): void {
    this.removed = true;
    this.result = result;
  }

  #moveTo(state: number): void {
    this.changed = true;
    this.row.state = state;
    this.row.due_at = this.row.daemon = this.row.client = null;
  }
}

/** The parameters of `UPDATE` for some jobs. */
export function packUpdates(jobs: readonly LockedJob[]): Parameter[] {
  const rows = jobs.map(({ row }) => row);
  const reasons = joinValues(jobs.map(({ reason }) => reason));
  const column = (name: Exclude<keyof LockedRow, "tube" | "reason">) =>
    numbers(rows.map((row) => row[name]));
  return [
    column("id"),
    column("state"),
    column("priority"),
    column("due_at"),
    column("daemon"),
    column("client"),
    column("delay_ms"),
    column("reserves"),
    column("timeouts"),
    column("releases"),
    column("buries"),
    column("kicks"),
    column("attempts"),
    reasons.starts,
    reasons.lengths,
    reasons.bytes,
  ];
}
