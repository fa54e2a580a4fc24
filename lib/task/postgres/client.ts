import type { MaybePromise } from "../../storage/store.ts";
import { type Value, valueFrom } from "../../storage/value.ts";
import { givenBack, isPossible, type JobEvent } from "../life_cycle.ts";
import {
  DEFAULT_TUBE,
  type GivenBack,
  type JobBody,
  type JobId,
  type JobSpec,
  type JobState,
  type JobStats,
  type NoJob,
  type Outcome,
  type QueueClient,
  type QueueStats,
  type Refusal,
  SAFETY_MARGIN_MS,
  type TubeStats,
} from "../queue.ts";
import { countJobs, countTube } from "./count_jobs.ts";
import type { ReservedRow } from "./requests.ts";
import type { LocalTube } from "./local_tube.ts";
import type { Holder, LockedJob } from "./locked_job.ts";
import { SharedWait } from "./wait.ts";
import { SharedReservations } from "./reservations.ts";
import type { SharedScheduler } from "./scheduler.ts";
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
} from "./job_queries.ts";
import { KICKABLE } from "./statements.ts";

/** The most jobs kicked in one transaction. */
const KICK_STEP = 1000;

/** How many waiting clients are woken when a pause ends. */
const MAX_WOKEN = 1000;

/** A client of a queue that several daemons share. */
export class SharedClient implements QueueClient {
  /** After `close`: resolves when all jobs it had reserved are given back. */
  gone: Promise<void> = Promise.resolve();
  readonly #scheduler: SharedScheduler;
  readonly #number: number;
  readonly #left: () => void;
  readonly #watches: LocalTube[];
  #used: LocalTube;
  readonly #reserved = new SharedReservations();
  readonly #wait: SharedWait;
  #closed = false;

  /**
   * @param scheduler The source of the jobs.
   * @param options `number`: its number within this daemon; `left`: called when `gone` resolves.
   */
  constructor(scheduler: SharedScheduler, options: { number: number; left: () => void }) {
    this.#scheduler = scheduler;
    this.#number = options.number;
    this.#left = options.left;
    this.#used = scheduler.openTube(DEFAULT_TUBE)!;
    this.#used.using++;
    this.#used.watching++;
    this.#watches = [this.#used];
    this.#wait = new SharedWait(scheduler);
  }

  /** How many jobs it has reserved, as far as this daemon knows. */
  get reserved(): number {
    return this.#reserved.size;
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
    this.#scheduler.leaveTube(before);
    const tube = this.#scheduler.openTube(name);
    this.#used = tube ?? this.#scheduler.openTube(before.name)!;
    this.#used.using++;
    return tube !== undefined;
  }

  watch(name: string): boolean {
    const tube = this.#scheduler.openTube(name);
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
    this.#scheduler.leaveTube(tube!);
    return true;
  }

  async pauseTube(name: string, pauseMs: number): Promise<boolean> {
    if (!await this.#tubeExists(name)) return false;
    await this.#scheduler.ask((sql) => writePause(sql, name, pauseMs));
    const tube = this.#scheduler.tubes.get(name);
    if (tube !== undefined) tube.pauses++;
    if (pauseMs === 0) this.#scheduler.tellReady(name, MAX_WOKEN);
    else this.#scheduler.lookIn(pauseMs);
    return true;
  }

  // Producing

  async put(spec: JobSpec): Promise<JobId | Refusal> {
    const refusal = this.#scheduler.refusal();
    if (refusal !== undefined) return refusal;
    const [id] = await this.#scheduler.put(this.#used, [spec]);
    return id!;
  }

  putBatch(specs: readonly JobSpec[]): Promise<JobId[]> | Refusal {
    return this.#scheduler.refusal() ?? this.#scheduler.put(this.#used, specs);
  }

  async putUnique(
    key: string,
    spec: JobSpec,
  ): Promise<{ id: JobId; existed: boolean } | Refusal> {
    const tube = this.#used;
    const refusal = this.#scheduler.refusal();
    if (refusal !== undefined) {
      const id = await this.#scheduler.ask((sql) => findKey(sql, tube.name, key));
      return id === null ? refusal : { id, existed: true };
    }
    const put = await this.#scheduler.ask((sql) => putUnlessThere(sql, tube.name, { key, spec }));
    if (!put.existed) {
      this.#scheduler.report("put", tube.name, put.id);
      this.#scheduler.counted(tube, [spec]);
    }
    return put;
  }

  // Consuming

  async reserve(timeoutMs: number): Promise<JobBody | NoJob> {
    const jobs = await this.reserveBatch(1, timeoutMs);
    return typeof jobs === "string" ? jobs : jobs[0]!;
  }

  async reserveBatch(max: number, timeoutMs: number): Promise<JobBody[] | NoJob> {
    this.#wait.begin();
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const { events } = this.#scheduler;
      const jobs = await this.#reserveNow(max);
      if (jobs.length > 0) return jobs;
      const now = performance.now();
      const soonMs = this.#reserved.deadlineAt - SAFETY_MARGIN_MS - now;
      if (soonMs <= 0) return "DEADLINE_SOON";
      if (this.#wait.cancelled || endMs <= now) return "TIMED_OUT";
      if (this.#watches.some(({ wakes }) => wakes > events)) continue;
      const how = await this.#wait.sleep(this.#watches, Math.min(endMs - now, soonMs));
      if (how === "woken" && !this.#wait.cancelled) continue;
      // A timer can fire a little early, so do not compare times again.
      return how === "late" && soonMs < endMs - now ? "DEADLINE_SOON" : "TIMED_OUT";
    }
  }

  async reserveJob(id: JobId): Promise<JobBody | null> {
    if (this.#scheduler.draining || !isId(id)) return null;
    const row = await this.#scheduler.ask((sql) =>
      reserveOne(sql, id, { ...this.#holder, rulesOf: this.#scheduler.options.rulesOf })
    );
    if (row === null) return null;
    this.#scheduler.lookIn(row.ttr_ms);
    this.#scheduler.report("reserved", row.tube, row.id);
    return this.#gained(row);
  }

  async delete(id: JobId): Promise<boolean> {
    const found = isId(id) && await this.#scheduler.delete(this.#number, id);
    if (found) this.#reserved.delete(id);
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
    const state = await this.#applyToOwn(id, { kind: "release", priority, delayMs });
    return state === null ? "NOT_FOUND" : givenBack(state);
  }

  async fail(id: JobId, reason: Value): Promise<GivenBack> {
    const state = await this.#applyToOwn(id, { kind: "fail", reason });
    return state === null ? "NOT_FOUND" : givenBack(state);
  }

  async bury(id: JobId, priority: number, reason?: string): Promise<boolean> {
    return await this.#applyToOwn(id, { kind: "bury", priority, reason }) !== null;
  }

  async touch(id: JobId): Promise<boolean> {
    if (!this.#reserved.has(id)) return false;
    const ttrMs = await this.#scheduler.work(id, (job) => {
      if (!job?.isHeldBy(this.#holder)) return null;
      job.apply({ kind: "touch" });
      return job.facts.ttrMs;
    });
    if (ttrMs === null) return false;
    this.#reserved.set(id, ttrMs);
    return true;
  }

  // Inspecting and repairing

  async kick(bound: number): Promise<number> {
    for (const state of ["buried", "delayed"] as const) {
      let kicked = 0;
      for (let count = KICK_STEP; count === KICK_STEP && kicked < bound; kicked += count) {
        const step = Math.min(bound - kicked, KICK_STEP);
        const parameters = [this.#used.name, String(step)];
        count = await this.#scheduler.workOn(KICKABLE[state], parameters, (job) => {
          job.apply({ kind: "kick" });
        });
      }
      if (kicked > 0) return kicked;
    }
    return 0;
  }

  async kickJob(id: JobId): Promise<boolean> {
    if (!isId(id)) return false;
    return await this.#scheduler.work(id, (job) => {
      if (job === null || !isPossible("kick", job.facts.state)) return false;
      job.apply({ kind: "kick" });
      return true;
    });
  }

  peek(id: JobId): MaybePromise<JobBody | null> {
    return isId(id) ? this.#scheduler.ask((sql) => readJob(sql, id)) : null;
  }

  peekState(state: "ready" | "delayed" | "buried"): Promise<JobBody | null> {
    return this.#scheduler.ask((sql) => readFirst(sql, this.#used.name, state));
  }

  result(id: JobId): MaybePromise<Outcome | null> {
    return isId(id) ? this.#scheduler.ask((sql) => readOutcome(sql, id)) : null;
  }

  async wait(id: JobId, timeoutMs: number): Promise<Outcome | "TIMED_OUT" | null> {
    this.#wait.begin();
    const endMs = performance.now() + timeoutMs;
    this.#scheduler.watchJob(id, this.#wait);
    try {
      for (let known = false;;) {
        const outcome = await this.result(id);
        if (this.#wait.outcome !== null) return this.#wait.outcome;
        if (outcome === null) return known ? { state: "deleted", body: "" } : null;
        if (outcome.state === "done" || outcome.state === "buried") return outcome;
        known = true;
        const now = performance.now();
        if (this.#wait.cancelled || endMs <= now) return "TIMED_OUT";
        await this.#wait.sleep([], endMs - now);
        if (this.#wait.outcome !== null) return this.#wait.outcome;
      }
    } finally {
      this.#scheduler.unwatchJob(id, this.#wait);
    }
  }

  statsJob(id: JobId): MaybePromise<JobStats | null> {
    return isId(id) ? this.#scheduler.ask((sql) => readJobStats(sql, id)) : null;
  }

  async statsTube(name: string): Promise<TubeStats | null> {
    if (!await this.#tubeExists(name)) return null;
    return await this.#scheduler.ask((sql) =>
      countTube(sql, name, this.#scheduler.tubes.get(name))
    );
  }

  async listTubes(): Promise<string[]> {
    const tubes = await this.#scheduler.ask((sql) => readTubes(sql));
    return [...new Set([...this.#scheduler.tubes.keys(), ...tubes])];
  }

  async stats(): Promise<QueueStats> {
    const counts = await this.#scheduler.ask((sql) => countJobs(sql));
    return { ...this.#scheduler.localStats(), ...counts };
  }

  settled(): undefined {
    return undefined;
  }

  cancel(): void {
    this.#wait.cancel();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.cancel();
    this.#used.using--;
    this.#scheduler.leaveTube(this.#used);
    for (const tube of this.#watches) {
      tube.watching--;
      this.#scheduler.leaveTube(tube);
    }
    this.gone = this.#giveAllBack().finally(this.#left);
  }

  // Shared by the above

  async #reserveNow(max: number): Promise<JobBody[]> {
    if (this.#scheduler.draining || this.#closed) return [];
    const rows = await this.#scheduler.reserve(this.#number, [...this.#watches], max);
    const jobs = rows.map((row) => this.#gained(row));
    if (!this.#closed) return jobs;
    await this.#giveAllBack();
    return [];
  }

  #gained({ id, ttr_ms, body }: ReservedRow): JobBody {
    this.#reserved.set(id, ttr_ms);
    return { id, body: valueFrom(body) };
  }

  /** This client, as the database knows it. */
  get #holder(): Holder {
    return { daemon: this.#scheduler.daemon, client: this.#number };
  }

  #applyToOwn(id: JobId, event: JobEvent): Promise<JobState | null> {
    return this.#workOnOwn(id, (job) => job.apply(event));
  }

  /** Works on a job that this client has reserved; `null` if it has not, or not any more. */
  async #workOnOwn<T>(id: JobId, decide: (job: LockedJob) => T): Promise<T | null> {
    if (!this.#reserved.has(id)) return null;
    const answer = await this.#scheduler.work(id, (job) => {
      return job?.isHeldBy(this.#holder) ? decide(job) : null;
    });
    this.#reserved.delete(id);
    return answer;
  }

  async #giveAllBack(): Promise<void> {
    const kind = this.#scheduler.draining ? "worker-dismissed" : "worker-lost";
    await Promise.allSettled(this.#reserved.ids.map((id) => this.#applyToOwn(id, { kind })));
  }

  async #tubeExists(name: string): Promise<boolean> {
    return this.#scheduler.tubes.has(name) ||
      await this.#scheduler.ask((sql) => hasJobs(sql, name));
  }
}

/** Whether this can be the id of a job; a larger number does not fit into the table. */
function isId(id: JobId): boolean {
  return Number.isSafeInteger(id);
}
