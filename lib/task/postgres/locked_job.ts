import { joinValues } from "../../storage/postgres/packed_values.ts";
import { latin1From, type Value } from "../../storage/value.ts";
import { decodeOptions, keyOptions, ownRules, type StoredOptions } from "../job_options.ts";
import { applyEvent, hasDied, isPossible, type JobEvent, type JobFacts } from "../life_cycle.ts";
import type { JobDeath, JobId, JobState, KeptState, TubeRules } from "../queue.ts";
import { reportsOf } from "../event_reports.ts";
import type { JobReport } from "../reports.ts";
import { names, numbers, type SqlParameter, STATE, STATES } from "./statements.ts";

/** The row of a locked job, as the database returns it. */
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
  timeouts: number;
  releases: number;
  buries: number;
  kicks: number;
  attempts: number;
  reason: Uint8Array;
  key: string | null;
  options: string | null;
  followed: boolean;
  dead_tube: string | null;
  dead_attempts: number | null;
  dead_reason: Uint8Array | null;
  /** The clock of the database. */
  now: number;
}

/** An outcome that is kept after its job is gone. */
export interface KeptOutcome {
  readonly state: KeptState;
  readonly body: Value;
}

/** The options in a row. */
export function rowOptions(
  { key, options }: { key: string | null; options: string | null },
): StoredOptions | null {
  return options === null ? keyOptions(key ?? "") : decodeOptions(options);
}

/** How the job in a row became a dead letter. */
export function rowDeath(
  row: Pick<LockedRow, "dead_tube" | "dead_attempts" | "dead_reason">,
): JobDeath | null {
  const { dead_tube: tube, dead_attempts: attempts, dead_reason: reason } = row;
  return tube === null ? null : { tube, attempts: attempts!, reason: latin1From(reason!) };
}

/** A client of a daemon, as the database knows it. */
export interface Holder {
  readonly daemon: number;
  readonly client: number;
}

/**
 * A job whose row this daemon has locked. Events change it here; {@linkcode packUpdates} and the
 * transaction that locked it write the outcome.
 */
export class LockedJob {
  readonly id: JobId;
  /** The tube it was in when the row was locked. */
  readonly from: string;
  /** When the row was locked, by the clock of the database. */
  readonly now: number;
  /** Whether other jobs are held until this one is done. */
  readonly followed: boolean;
  readonly #wasHeld: boolean;
  readonly #rules: TubeRules;
  #facts: JobFacts;
  #tube: string;
  #died = false;
  #moved = false;
  #holder: Holder | null;
  #changed = false;
  #ended: "done" | "lost" | undefined;
  #outcome: KeptOutcome | undefined;
  /** What its worker says now about its progress. */
  progress: string | undefined;
  /** What has happened to it. */
  readonly reports: JobReport[] = [];

  /** @param rules The rules of its tube. */
  constructor(row: LockedRow, rules: TubeRules) {
    this.id = row.id;
    this.from = this.#tube = row.tube;
    this.now = row.now;
    this.followed = row.followed;
    this.#wasHeld = row.state === STATE.held;
    this.#rules = ownRules(rules, rowOptions(row));
    this.#facts = {
      state: STATES[row.state]!,
      priority: row.priority,
      delayMs: row.delay_ms,
      ttrMs: row.ttr_ms,
      dueAt: row.due_at ?? 0,
      timeouts: row.timeouts,
      releases: row.releases,
      buries: row.buries,
      kicks: row.kicks,
      attempts: row.attempts,
      reason: latin1From(row.reason),
      death: rowDeath(row),
    };
    const { daemon, client } = row;
    this.#holder = daemon === null || client === null ? null : { daemon, client };
  }

  /** The tube it is in. */
  get tube(): string {
    return this.#tube;
  }

  /** Whether it has become a dead letter, or was moved, which may have been to its own tube. */
  get moved(): boolean {
    return this.#moved;
  }

  /** Whether it has become a dead letter. */
  get died(): boolean {
    return this.#died;
  }

  /** What is known of it, all events included. */
  get facts(): JobFacts {
    return this.#facts;
  }

  /** The client that has it reserved. */
  get holder(): Holder | null {
    return this.#holder;
  }

  /** Whether the row must be written. */
  get changed(): boolean {
    return this.#changed;
  }

  /** Whether the row must be deleted. */
  get removed(): boolean {
    return this.#ended !== undefined;
  }

  /** How it ended, for the jobs that are held until it is done; lost if it was deleted or cancelled. */
  get ended(): "done" | "lost" | undefined {
    return this.#ended;
  }

  /** Whether it was held, and is not any more. */
  get unheld(): boolean {
    return this.#wasHeld && (this.removed || this.#facts.state !== "held");
  }

  /** The outcome to keep when the row is deleted. */
  get outcome(): KeptOutcome | undefined {
    return this.#outcome;
  }

  /** Whether this client has it reserved. */
  isHeldBy({ daemon, client }: Holder): boolean {
    return !this.removed && this.#facts.state === "reserved" &&
      this.#holder?.daemon === daemon && this.#holder.client === client;
  }

  /**
   * Applies an event.
   *
   * @returns The state of the job after it, or `dead` if it has become a dead letter.
   * @throws {Error} If the event cannot happen in the job's state.
   */
  apply(event: JobEvent): JobState | "dead" {
    const { id, tube, now } = this;
    const { death } = this.#facts;
    this.#facts = applyEvent(this.#facts, event, { rules: this.#rules, tube, now });
    this.#changed = true;
    const died = hasDied(death, this.#facts);
    this.reports.push(...reportsOf(event, { id, tube, after: this.#facts, died }));
    if (died) this.#tube = this.#rules.deadLetter;
    if (event.kind === "move") this.#tube = event.tube;
    this.#died ||= died;
    this.#moved ||= died || event.kind === "move";
    if (this.#facts.state !== "reserved") this.#holder = null;
    return died ? "dead" : this.#facts.state;
  }

  /**
   * Finishes it with a result.
   *
   * @throws {Error} If it is not reserved.
   */
  complete(result: Value): void {
    if (!isPossible("done", this.#facts.state)) {
      throw new Error(`Cannot complete a job: its state is "${this.#facts.state}"`);
    }
    this.#end({ state: "done", body: result });
  }

  /** Removes it, even if another client has it reserved. */
  cancel(): void {
    this.#end({ state: "cancelled", body: "" });
  }

  #end(outcome: KeptOutcome): void {
    this.#ended = outcome.state === "done" ? "done" : "lost";
    this.#outcome = outcome;
    this.reports.push({ kind: outcome.state, tube: this.tube, id: this.id, reason: "" });
  }

  /** Deletes it. Workers for beanstalkd finish a job by deleting it, so then it counts as done. */
  delete(): void {
    this.#ended = this.#facts.state === "reserved" ? "done" : "lost";
  }
}

/** The parameters of {@linkcode MOVE} for these jobs. */
export function packMoves(jobs: readonly LockedJob[]): SqlParameter[] {
  return [
    numbers(jobs.map(({ id }) => id)),
    names(jobs.map(({ tube }) => tube)),
    numbers(jobs.map(({ facts }) => facts.death?.attempts ?? null)),
  ];
}

/** The parameters of {@linkcode PROGRESS} for these jobs, which all have something to note. */
export function packProgress(jobs: readonly LockedJob[]): SqlParameter[] {
  const { starts, lengths, bytes } = joinValues(jobs.map(({ progress }) => progress!));
  return [numbers(jobs.map(({ id }) => id)), starts, lengths, bytes];
}

/** The parameters of {@linkcode UPDATE} for these jobs. */
export function packUpdates(jobs: readonly LockedJob[]): SqlParameter[] {
  const reasons = joinValues(jobs.map(({ facts }) => facts.reason));
  const fact = (name: Exclude<keyof JobFacts, "state" | "reason" | "death">) =>
    numbers(jobs.map(({ facts }) => Math.ceil(facts[name])));
  return [
    numbers(jobs.map(({ id }) => id)),
    numbers(jobs.map(({ facts }) => STATE[facts.state])),
    fact("priority"),
    numbers(jobs.map(({ facts }) => facts.dueAt === 0 ? null : Math.ceil(facts.dueAt))),
    numbers(jobs.map(({ holder }) => holder?.daemon ?? null)),
    numbers(jobs.map(({ holder }) => holder?.client ?? null)),
    fact("delayMs"),
    fact("timeouts"),
    fact("releases"),
    fact("buries"),
    fact("kicks"),
    fact("attempts"),
    reasons.starts,
    reasons.lengths,
    reasons.bytes,
  ];
}
