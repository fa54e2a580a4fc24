import type { MaybePromise } from "../../storage/store.ts";
import { type Value, valueFrom } from "../../storage/value.ts";
import {
  backoffDelayMs,
  DEFAULT_TUBE,
  FAILURE_BACKOFF_MS,
  type GivenBack,
  type JobBody,
  type JobId,
  type JobSpec,
  type JobStats,
  type NoJob,
  type Outcome,
  type QueueClient,
  type QueueStats,
  type Refusal,
  SAFETY_MARGIN_MS,
  type TubeStats,
} from "../queue.ts";
import { countJobs, countTube } from "./counts.ts";
import type { ReservedRow } from "./lanes.ts";
import type { LocalTube, Waiter } from "./local_tube.ts";
import type { LockedJob } from "./locked_job.ts";
import type { PostgresQueue } from "./queue.ts";
import {
  findKey,
  hasJobs,
  putUnlessThere,
  readFirst,
  readJob,
  readJobStats,
  readOutcome,
  readTubes,
  reserveOne,
  writePause,
} from "./single.ts";
import { KICKABLE, STATE } from "./statements.ts";

/** How many jobs are kicked in one transaction. */
const KICK_STEP = 1000;

/** How many of those who wait are told when a pause ends. */
const MAX_WOKEN = 1000;

/** A client of a {@linkcode PostgresQueue}. */
export class SharedClient implements QueueClient, Waiter {
  /** Resolves when it has left, and what it had reserved is given back. */
  gone: Promise<void> = Promise.resolve();
  readonly #queue: PostgresQueue;
  readonly #number: number;
  readonly #watches: LocalTube[];
  #used: LocalTube;
  /** When the time to run of each reserved job is over, as far as this daemon can tell. */
  readonly #deadlines = new Map<JobId, number>();
  #endWait: ((how: "woken" | "late") => void) | null = null;
  #outcome: Outcome | null = null;
  #cancelled = false;
  #closed = false;

  constructor(queue: PostgresQueue, number: number) {
    this.#queue = queue;
    this.#number = number;
    this.#used = queue.openTube(DEFAULT_TUBE)!;
    this.#used.using++;
    this.#used.watching++;
    this.#watches = [this.#used];
  }

  /** How many jobs it has reserved, as far as this daemon can tell. */
  get reserved(): number {
    const now = performance.now();
    for (const [id, deadline] of this.#deadlines) {
      if (deadline <= now) this.#deadlines.delete(id);
    }
    return this.#deadlines.size;
  }

  // Tubes

  get used(): string {
    return this.#used.name;
  }

  get watched(): string[] {
    return this.#watches.map(({ name }) => name);
  }

  use(name: string): boolean {
    const before = this.#used;
    if (name === before.name) return true;
    before.using--;
    this.#queue.leaveTube(before);
    const tube = this.#queue.openTube(name);
    this.#used = tube ?? this.#queue.openTube(before.name)!;
    this.#used.using++;
    return tube !== undefined;
  }

  watch(name: string): boolean {
    const tube = this.#queue.openTube(name);
    if (tube === undefined) return false;
    if (this.#watches.includes(tube)) return true;
    tube.watching++;
    this.#watches.push(tube);
    return true;
  }

  ignore(name: string): boolean {
    const place = this.#watches.findIndex((tube) => tube.name === name);
    if (place === -1) return true;
    if (this.#watches.length === 1) return false;
    const [tube] = this.#watches.splice(place, 1);
    tube!.watching--;
    this.#queue.leaveTube(tube!);
    return true;
  }

  async pauseTube(name: string, pauseMs: number): Promise<boolean> {
    if (!await this.#tubeExists(name)) return false;
    await this.#queue.ask((sql) => writePause(sql, name, pauseMs));
    const tube = this.#queue.tubes.get(name);
    if (tube !== undefined) tube.pauses++;
    if (pauseMs === 0) this.#queue.tellReady(name, MAX_WOKEN);
    else this.#queue.lookIn(pauseMs);
    return true;
  }

  // Producing

  async put(spec: JobSpec): Promise<JobId | Refusal> {
    const refusal = this.#queue.refusal();
    if (refusal !== undefined) return refusal;
    const [id] = await this.#queue.put(this.#used, [spec]);
    return id!;
  }

  putBatch(specs: readonly JobSpec[]): Promise<JobId[]> | Refusal {
    return this.#queue.refusal() ?? this.#queue.put(this.#used, specs);
  }

  async putUnique(
    key: string,
    spec: JobSpec,
  ): Promise<{ id: JobId; existed: boolean } | Refusal> {
    const tube = this.#used;
    const refusal = this.#queue.refusal();
    if (refusal !== undefined) {
      const id = await this.#queue.ask((sql) => findKey(sql, tube.name, key));
      return id === null ? refusal : { id, existed: true };
    }
    const put = await this.#queue.ask((sql) => putUnlessThere(sql, tube.name, { key, spec }));
    if (!put.existed) this.#queue.counted(tube, [spec]);
    return put;
  }

  // Consuming

  async reserve(timeoutMs: number): Promise<JobBody | NoJob> {
    const jobs = await this.reserveBatch(1, timeoutMs);
    return typeof jobs === "string" ? jobs : jobs[0]!;
  }

  async reserveBatch(max: number, timeoutMs: number): Promise<JobBody[] | NoJob> {
    this.#cancelled = false;
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const { events } = this.#queue;
      const jobs = await this.#reserveNow(max);
      if (jobs.length > 0) return jobs;
      const now = performance.now();
      const soonMs = this.#deadlineAt() - SAFETY_MARGIN_MS - now;
      if (soonMs <= 0) return "DEADLINE_SOON";
      if (this.#cancelled || endMs <= now) return "TIMED_OUT";
      if (this.#watches.some(({ wakes }) => wakes > events)) continue;
      const how = await this.#waitFor(this.#watches, Math.min(endMs - now, soonMs));
      if (how === "woken" && !this.#cancelled) continue;
      // Which of the two it waited for is what it says; a timer may be a little early.
      return how === "late" && soonMs < endMs - now ? "DEADLINE_SOON" : "TIMED_OUT";
    }
  }

  async reserveJob(id: JobId): Promise<JobBody | null> {
    if (this.#queue.draining || !isId(id)) return null;
    const holder = { daemon: this.#queue.daemon, client: this.#number };
    const row = await this.#queue.ask((sql) =>
      reserveOne(sql, id, { ...holder, rulesOf: this.#queue.options.rulesOf })
    );
    if (row === null) return null;
    this.#queue.lookIn(row.ttr_ms);
    return this.#gained(row);
  }

  async delete(id: JobId): Promise<boolean> {
    const found = isId(id) && await this.#queue.delete(this.#number, id);
    if (found) this.#deadlines.delete(id);
    return found;
  }

  async done(id: JobId, result: Value): Promise<boolean> {
    const done = await this.#workOnOwn(id, (job) => {
      job.complete(result);
      return true;
    });
    return done ?? false;
  }

  async release(id: JobId, priority: number, delayMs: number): Promise<GivenBack> {
    const became = await this.#workOnOwn(id, (job) => {
      job.row.priority = priority;
      job.row.delay_ms = delayMs;
      job.row.releases++;
      return job.giveBack(this.#queue.options.rulesOf(job.row.tube), "released", delayMs);
    });
    return became ?? "NOT_FOUND";
  }

  async fail(id: JobId, reason: Value): Promise<GivenBack> {
    const became = await this.#workOnOwn(id, (job) => {
      const rules = this.#queue.options.rulesOf(job.row.tube);
      const backoffMs = rules.backoffMs || FAILURE_BACKOFF_MS;
      job.row.releases++;
      const delayMs = backoffDelayMs(backoffMs, rules.maxBackoffMs, job.row.attempts + 1);
      return job.giveBack(rules, reason, delayMs);
    });
    return became ?? "NOT_FOUND";
  }

  async bury(id: JobId, priority: number, reason = "buried by its worker"): Promise<boolean> {
    const buried = await this.#workOnOwn(id, (job) => {
      job.row.priority = priority;
      job.bury(reason);
      return true;
    });
    return buried ?? false;
  }

  async touch(id: JobId): Promise<boolean> {
    if (!this.#deadlines.has(id)) return false;
    const ttrMs = await this.#queue.work(id, (job) => {
      if (job === null || !job.isReservedBy(this.#queue.daemon, this.#number)) return null;
      job.touch();
      return job.row.ttr_ms;
    });
    if (ttrMs === null) return false;
    this.#deadlines.set(id, performance.now() + ttrMs);
    return true;
  }

  // Looking after

  async kick(bound: number): Promise<number> {
    for (const state of ["buried", "delayed"] as const) {
      let kicked = 0;
      for (let count = KICK_STEP; count === KICK_STEP && kicked < bound; kicked += count) {
        const step = Math.min(bound - kicked, KICK_STEP);
        const parameters = [this.#used.name, String(step)];
        count = await this.#queue.workOn(KICKABLE[state], parameters, (job) => job.kick());
      }
      if (kicked > 0) return kicked;
    }
    return 0;
  }

  async kickJob(id: JobId): Promise<boolean> {
    if (!isId(id)) return false;
    return await this.#queue.work(id, (job) => {
      if (job === null) return false;
      if (job.row.state !== STATE.buried && job.row.state !== STATE.delayed) return false;
      job.kick();
      return true;
    });
  }

  peek(id: JobId): MaybePromise<JobBody | null> {
    return isId(id) ? this.#queue.ask((sql) => readJob(sql, id)) : null;
  }

  peekState(state: "ready" | "delayed" | "buried"): Promise<JobBody | null> {
    return this.#queue.ask((sql) => readFirst(sql, this.#used.name, state));
  }

  result(id: JobId): MaybePromise<Outcome | null> {
    return isId(id) ? this.#queue.ask((sql) => readOutcome(sql, id)) : null;
  }

  async wait(id: JobId, timeoutMs: number): Promise<Outcome | "TIMED_OUT" | null> {
    this.#cancelled = false;
    this.#outcome = null;
    const endMs = performance.now() + timeoutMs;
    this.#queue.watchJob(id, this);
    try {
      for (let known = false;;) {
        const outcome = await this.result(id);
        if (this.#outcome !== null) return this.#outcome;
        if (outcome === null) return known ? { state: "deleted", body: "" } : null;
        if (outcome.state === "done" || outcome.state === "buried") return outcome;
        known = true;
        const now = performance.now();
        if (this.#cancelled || endMs <= now) return "TIMED_OUT";
        await this.#waitFor([], endMs - now);
        if (this.#outcome !== null) return this.#outcome;
      }
    } finally {
      this.#queue.unwatchJob(id, this);
    }
  }

  statsJob(id: JobId): MaybePromise<JobStats | null> {
    return isId(id) ? this.#queue.ask((sql) => readJobStats(sql, id)) : null;
  }

  async statsTube(name: string): Promise<TubeStats | null> {
    if (!await this.#tubeExists(name)) return null;
    return await this.#queue.ask((sql) => countTube(sql, name, this.#queue.tubes.get(name)));
  }

  async listTubes(): Promise<string[]> {
    const tubes = await this.#queue.ask((sql) => readTubes(sql));
    return [...new Set([...this.#queue.tubes.keys(), ...tubes])];
  }

  async stats(): Promise<QueueStats> {
    const counts = await this.#queue.ask((sql) => countJobs(sql));
    return { ...this.#queue.localStats(), ...counts };
  }

  settled(): undefined {
    return undefined;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#endWait?.("woken");
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.cancel();
    this.#used.using--;
    this.#queue.leaveTube(this.#used);
    for (const tube of this.#watches) {
      tube.watching--;
      this.#queue.leaveTube(tube);
    }
    this.gone = this.#giveAllBack().finally(() => this.#queue.leave(this.#number));
  }

  // Called by the queue

  wake(): void {
    this.#endWait?.("woken");
  }

  /** The job that it waits for is finished. */
  finished(outcome: Outcome): void {
    this.#outcome = outcome;
    this.#endWait?.("woken");
  }

  /** Some job is finished, perhaps the one that it waits for. */
  askAgain(): void {
    this.#endWait?.("woken");
  }

  // What several of the above need

  async #reserveNow(max: number): Promise<JobBody[]> {
    if (this.#queue.draining || this.#closed) return [];
    const rows = await this.#queue.reserve(this.#number, [...this.#watches], max);
    const jobs = rows.map((row) => this.#gained(row));
    if (!this.#closed) return jobs;
    await this.#giveAllBack();
    return [];
  }

  #gained({ id, ttr_ms, body }: ReservedRow): JobBody {
    this.#deadlines.set(id, performance.now() + ttr_ms);
    return { id, body: valueFrom(body) };
  }

  /** Decides about a job that this client has reserved; `null` if it has not, or no longer. */
  async #workOnOwn<T>(id: JobId, decide: (job: LockedJob) => T): Promise<T | null> {
    if (!this.#deadlines.has(id)) return null;
    const answer = await this.#queue.work(id, (job) => {
      const own = job !== null && job.isReservedBy(this.#queue.daemon, this.#number);
      return own ? decide(job) : null;
    });
    this.#deadlines.delete(id);
    return answer;
  }

  async #giveAllBack(): Promise<void> {
    const { draining } = this.#queue;
    await Promise.allSettled([...this.#deadlines.keys()].map((id) =>
      this.#workOnOwn(id, (job) => {
        // A daemon that stops sends its workers away: that is no fault of theirs.
        if (draining) return job.enqueue(0);
        job.giveBack(this.#queue.options.rulesOf(job.row.tube), "the worker was lost", 0);
      })
    ));
  }

  #deadlineAt(): number {
    let first = Infinity;
    for (const deadline of this.#deadlines.values()) first = Math.min(first, deadline);
    return first;
  }

  #waitFor(tubes: readonly LocalTube[], ms: number): Promise<"woken" | "late"> {
    return new Promise((resolve) => {
      const timer = ms < 2 ** 31
        ? setTimeout(() => this.#endWait?.("late"), Math.ceil(ms))
        : undefined;
      for (const tube of tubes) tube.waiting.add(this);
      if (tubes.length > 0) this.#queue.waiting++;
      this.#endWait = (how) => {
        this.#endWait = null;
        clearTimeout(timer);
        for (const tube of tubes) tube.waiting.delete(this);
        if (tubes.length > 0) this.#queue.waiting--;
        resolve(how);
      };
    });
  }

  async #tubeExists(name: string): Promise<boolean> {
    return this.#queue.tubes.has(name) || await this.#queue.ask((sql) => hasJobs(sql, name));
  }
}

/** Whether a job can have this id; what is larger does not fit into the table. */
function isId(id: JobId): boolean {
  return Number.isSafeInteger(id);
}
