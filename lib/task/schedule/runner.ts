import type { Log } from "../../log.ts";
import { Turn } from "../../turn.ts";
import type { Clock } from "../clock.ts";
import type { ScheduleBook, ScheduleRecord } from "./book.ts";
import { afterSetBack, planSchedule } from "./plan.ts";
import type { Schedule } from "./schedule.ts";

/** The longest time between two looks at the clock, which can be set and stands still in sleep. */
export const MAX_SLEEP_MS = 5000;

/** A refused run is tried again after this long; the time doubles up to the longest. */
const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;

/** What became of the runs of a schedule in this daemon. */
export interface RunCounts {
  /** Runs whose job was put. */
  put: number;
  /** Runs skipped because the job of the run before was unfinished. */
  overlap: number;
  /** Runs skipped because they were missed. */
  missed: number;
  /** Attempts that failed: the queue was full, or its storage could not be used. */
  failed: number;
}

/** What is known of a schedule at the moment. Times are milliseconds since the Unix epoch. */
export interface ScheduleState {
  schedule: Schedule;
  readonly counts: RunCounts;
  /** As far as this daemon knows; `undefined` until it has asked the queue. */
  record: ScheduleRecord | undefined;
  /** The next run; `null` if there is none. */
  nextAt: number | null;
  /** When to look at it again. */
  lookAt: number;
  /** The run that could not be made; 0 for none. */
  triedAt: number;
  /** How often that run was tried. */
  tries: number;
}

/**
 * Puts the jobs of schedules when it is their time. It goes by the wall clock, since that is what
 * schedules are written for.
 */
export class ScheduleRunner {
  #states: readonly ScheduleState[];
  /** The schedules that take the place of these at the next look. */
  #next: readonly Schedule[] | undefined;
  #isLooking = false;
  readonly #book: ScheduleBook;
  readonly #clock: Clock;
  readonly #log: Log;
  #opened = false;
  #lookedAt = 0;
  #openTries = 0;
  #stopped = false;
  #stopTimer = () => {};
  #looking = Promise.resolve();

  constructor(
    schedules: readonly Schedule[],
    { book, clock, log }: { book: ScheduleBook; clock: Clock; log: Log },
  ) {
    this.#book = book;
    this.#clock = clock;
    this.#log = log;
    this.#states = schedules.map(newState);
  }

  /** The schedules, in the order of the configuration. */
  get states(): readonly ScheduleState[] {
    return this.#states;
  }

  /** Starts. A storage that cannot be used yet is tried again. */
  start(): void {
    if (this.#states.length > 0) this.#lookIn(0);
  }

  /**
   * Goes on with other schedules, once the runs that have begun are over. One that is there already,
   * by its name, keeps its counts; what the queue remembers of it depends on its timing.
   */
  setSchedules(schedules: readonly Schedule[]): void {
    this.#next = schedules;
    // A look that is in progress sees to it at its end.
    if (this.#isLooking) return;
    this.#stopTimer();
    this.#lookIn(0);
  }

  /** Stops; resolves when the runs that have begun are over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTimer();
    await this.#looking;
  }

  #lookIn(ms: number): void {
    if (this.#stopped) return;
    this.#stopTimer = this.#clock.after(ms, () => {
      this.#looking = this.#look();
    });
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    if (this.#next !== undefined) this.#takeOver(this.#next);
    if (!this.#opened) await this.#open();
    const now = this.#clock.now();
    let lookAt = now + MAX_SLEEP_MS;
    if (this.#opened && !this.#book.paused) {
      await this.#handleDue(now);
      for (const state of this.#states) lookAt = Math.min(lookAt, state.lookAt);
    } else if (!this.#opened) lookAt = now + retryMs(this.#openTries);
    this.#isLooking = false;
    this.#lookIn(this.#next === undefined ? Math.max(0, lookAt - this.#clock.now()) : 0);
  }

  #takeOver(schedules: readonly Schedule[]): void {
    const before = new Map(this.#states.map((state) => [state.schedule.name, state]));
    this.#states = schedules.map((schedule) => {
      const state = before.get(schedule.name);
      if (state === undefined) return newState(schedule);
      const { triedAt, tries } = state.schedule.timing === schedule.timing
        ? state
        : { triedAt: 0, tries: 0 };
      return Object.assign(state, { schedule, nextAt: null, lookAt: 0, triedAt, tries });
    });
    this.#next = undefined;
    this.#opened = false;
    this.#openTries = 0;
  }

  async #open(): Promise<void> {
    const schedules = this.#states.map(({ schedule: { name, timing } }) => ({ name, timing }));
    try {
      const records = await this.#book.open(schedules, this.#clock.now());
      for (const [place, state] of this.#states.entries()) state.record = records[place]!;
      this.#opened = true;
    } catch (error) {
      if (this.#openTries++ > 0) return;
      this.#log.warn("Cannot read schedules: trying again", { error: messageOf(error) });
    }
  }

  async #handleDue(now: number): Promise<void> {
    // After the clock was set back, all that was planned is too late.
    const setBack = now < this.#lookedAt;
    this.#lookedAt = now;
    const turn = new Turn();
    const pending: Promise<void>[] = [];
    for (const state of this.#states) {
      if (state.lookAt > now && !setBack) continue;
      pending.push(this.#handle(state, now));
      if (turn.over) await turn.next();
    }
    await Promise.all(pending);
  }

  /** Makes the run of a schedule that is due, if one is. */
  async #handle(state: ScheduleState, now: number): Promise<void> {
    const { schedule, triedAt } = state;
    const handledAt = afterSetBack(state.record!.handledAt, now);
    state.record = { ...state.record!, handledAt };
    const { due, nextAt } = planSchedule(schedule.timetable, { handledAt, now, triedAt });
    state.nextAt = due?.at ?? nextAt;
    state.lookAt = nextAt ?? Infinity;
    if (due === null) return;
    const refusal = await this.#run(state, due);
    if (refusal === undefined) {
      state.nextAt = nextAt;
      state.triedAt = state.tries = 0;
    } else if (refusal === "DRAINING") state.lookAt = now;
    else this.#retryLater(state, { at: due.at, now, refusal });
  }

  /** Returns why the run could not be made; `undefined` if it was, or need not be. */
  async #run(
    state: ScheduleState,
    due: { at: number; missed: boolean },
  ): Promise<string | undefined> {
    const { schedule, counts, tries } = state;
    const { name, timing, tube, spec } = schedule;
    const skipped = due.missed && schedule.missed === "skip";
    try {
      const answer = await this.#book.run({
        name,
        timing,
        at: due.at,
        job: skipped ? null : { tube, spec: spec() },
        mayOverlap: schedule.overlap === "allow",
      });
      if (typeof answer === "string") return answer;
      const { outcome, record } = answer;
      state.record = record;
      if (outcome === "handled") return;
      counts[outcome]++;
      const run = new Date(due.at).toISOString();
      if (outcome === "overlap") {
        this.#log.warn("Skipped a run: the job of the last one is unfinished", {
          schedule: name,
          run,
          job: record.job,
        });
      } else if (outcome === "missed") {
        this.#log.warn("Missed a run", { schedule: name, run });
      } else if (tries > 0) {
        this.#log.info("Made a run late", { schedule: name, run, job: record.job });
      }
    } catch (error) {
      // No failure of one schedule may stop the others.
      return messageOf(error);
    }
  }

  #retryLater(
    state: ScheduleState,
    { at, now, refusal }: { at: number; now: number; refusal: string },
  ): void {
    if (state.triedAt !== at) state.tries = 0;
    state.triedAt = at;
    state.counts.failed++;
    // The next run takes the place of this one.
    state.lookAt = Math.min(state.lookAt, now + retryMs(state.tries++));
    if (state.tries > 1) return;
    this.#log.warn("Cannot put the job of a schedule: trying again until its next run", {
      schedule: state.schedule.name,
      run: new Date(at).toISOString(),
      error: refusal,
    });
  }
}

function newState(schedule: Schedule): ScheduleState {
  return {
    schedule,
    counts: { put: 0, overlap: 0, missed: 0, failed: 0 },
    record: undefined,
    nextAt: null,
    lookAt: 0,
    triedAt: 0,
    tries: 0,
  };
}

function retryMs(tries: number): number {
  return Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** tries);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
