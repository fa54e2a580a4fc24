/**
 * A queue whose clients never learn that the storage failed: refused calls are repeated.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type MaybePromise, StorageUnavailableError } from "../../lib/storage/store.ts";
import type { Value } from "../../lib/storage/value.ts";
import type {
  GivenBack,
  JobBody,
  JobId,
  JobPage,
  JobSpec,
  JobStats,
  ListedJob,
  NoJob,
  Outcome,
  PutJob,
  Queue,
  QueueClient,
  QueueMetrics,
  QueueOptions,
  QueueStats,
  Refusal,
  SweptState,
  TubeStats,
} from "../../lib/task/queue.ts";
import type { Peer, Workers } from "../../lib/task/workers.ts";
import { until } from "../support/within.ts";

/** The jobs that clients were told of, as far as they must survive a crash. */
export class AcknowledgedJobs {
  readonly #present = new Set<JobId>();
  readonly #ended = new Set<JobId>();
  /** How many calls were refused. */
  refusals = 0;

  /** A put was acknowledged. */
  put(id: JobId): void {
    assert.ok(!this.#present.has(id) && !this.#ended.has(id), `id ${id} is used twice`);
    this.#present.add(id);
  }

  /** The end of a job was acknowledged. */
  ended(id: JobId): void {
    this.#present.delete(id);
    this.#ended.add(id);
  }

  /** The jobs that must be there. */
  present(): JobId[] {
    return [...this.#present];
  }

  /** Compares them with a queue, and puts one more job into it. */
  async assertIn(queue: Queue): Promise<void> {
    const client = queue.connect();
    for (const id of this.#present) assert.ok(await client.statsJob(id), `job ${id} is lost`);
    for (const id of this.#ended) {
      assert.equal(await client.statsJob(id), null, `job ${id} is back`);
    }
    const id = await client.put({ priority: 0, delayMs: 0, ttrMs: 1000, body: "" });
    assert.ok(typeof id === "number" && id > Math.max(0, ...this.#present, ...this.#ended));
    await client.settled();
  }
}

/** What was acknowledged, and whether the last write failed, so that no job is handed out. */
export interface QueueStorage {
  readonly jobs: AcknowledgedJobs;
  failing(): boolean;
}

/** Wraps the clients of a queue. */
export class RepeatingQueue implements Queue {
  readonly #queue: Queue;
  readonly #storage: QueueStorage;

  constructor(queue: Queue, storage: QueueStorage) {
    this.#queue = queue;
    this.#storage = storage;
  }

  connect(peer?: Peer): QueueClient {
    return new RepeatingClient(this.#queue.connect(peer), this.#storage);
  }

  get workers(): Workers {
    return this.#queue.workers;
  }

  setOptions(options: QueueOptions): void {
    this.#queue.setOptions(options);
  }

  refusePuts(): void {
    this.#queue.refusePuts();
  }

  drain(): void {
    this.#queue.drain();
  }

  get draining(): boolean {
    return this.#queue.draining;
  }

  idle(): Promise<void> {
    return this.#queue.idle();
  }

  problem(): string | undefined {
    return this.#queue.problem();
  }

  metrics(): QueueMetrics {
    return this.#queue.metrics();
  }

  close(): Promise<void> {
    return this.#queue.close();
  }
}

/**
 * A client that awaits that each answer is durable. If it is not, a put or an end of a job was taken
 * back, and is repeated. A change of the state of a job stays and is written later, so its answer is
 * given once that has happened.
 */
class RepeatingClient implements QueueClient {
  readonly #client: QueueClient;
  readonly #jobs: AcknowledgedJobs;
  readonly #storage: QueueStorage;

  constructor(client: QueueClient, storage: QueueStorage) {
    this.#client = client;
    this.#jobs = storage.jobs;
    this.#storage = storage;
  }

  get used(): string {
    return this.#client.used;
  }

  get watched(): string[] {
    return this.#client.watched;
  }

  use(tube: string): boolean {
    return this.#client.use(tube);
  }

  watch(tube: string): boolean {
    return this.#client.watch(tube);
  }

  ignore(tube: string): boolean {
    return this.#client.ignore(tube);
  }

  async put(spec: JobSpec): Promise<JobId | Refusal> {
    const answer = await this.#repeat(() => this.#client.put(spec));
    if (typeof answer === "number") this.#jobs.put(answer);
    return answer;
  }

  async putBatch(specs: readonly JobSpec[]): Promise<JobId[] | Refusal> {
    const answer = await this.#repeat(() => this.#client.putBatch(specs));
    if (Array.isArray(answer)) { for (const id of answer) this.#jobs.put(id); }
    return answer;
  }

  async putJob(spec: JobSpec): Promise<PutJob | Refusal> {
    const answer = await this.#repeat(() => this.#client.putJob(spec));
    if (typeof answer === "object" && !answer.existed) this.#jobs.put(answer.id);
    return answer;
  }

  reserve(timeoutMs: number): Promise<JobBody | NoJob> {
    return this.#hold(
      () => this.#client.reserve(timeoutMs),
      (answer) => typeof answer === "string" ? [] : [answer],
    );
  }

  reserveBatch(max: number, timeoutMs: number): Promise<JobBody[] | NoJob> {
    return this.#hold(
      () => this.#client.reserveBatch(max, timeoutMs),
      (answer) => typeof answer === "string" ? [] : answer,
    );
  }

  reserveJob(id: JobId): Promise<JobBody | null> {
    return this.#hold(
      () => this.#client.reserveJob(id),
      (answer) => answer === null ? [] : [answer],
    );
  }

  async delete(id: JobId): Promise<boolean> {
    const answer = await this.#repeat(() => this.#client.delete(id));
    if (answer) this.#jobs.ended(id);
    return answer;
  }

  async cancelJob(id: JobId): Promise<boolean> {
    const answer = await this.#repeat(() => this.#client.cancelJob(id));
    if (answer) this.#jobs.ended(id);
    return answer;
  }

  async done(id: JobId, result: Value): Promise<boolean | "OUT_OF_MEMORY"> {
    let refused = false;
    const answer = await this.#repeat(async () => {
      // It is not reserved any more.
      if (refused) await this.#client.reserveJob(id);
      refused = true;
      return await this.#client.done(id, result);
    });
    if (answer === true) this.#jobs.ended(id);
    return answer;
  }

  release(id: JobId, priority: number, delayMs: number): Promise<GivenBack> {
    return this.#insist(() => this.#client.release(id, priority, delayMs));
  }

  fail(id: JobId, reason: Value): Promise<GivenBack> {
    return this.#insist(() => this.#client.fail(id, reason));
  }

  bury(id: JobId, priority: number, reason?: string): Promise<boolean> {
    return this.#insist(() => this.#client.bury(id, priority, reason));
  }

  touch(id: JobId, progress?: Value): Promise<boolean> {
    return this.#insist(() => this.#client.touch(id, progress));
  }

  kick(bound: number): Promise<number> {
    return this.#insist(() => this.#client.kick(bound));
  }

  kickJob(id: JobId): Promise<boolean> {
    return this.#insist(() => this.#client.kickJob(id));
  }

  releaseHeld(id: JobId): Promise<boolean> {
    return this.#insist(() => this.#client.releaseHeld(id));
  }

  peek(id: JobId): Promise<JobBody | null> {
    return this.#repeat(() => this.#client.peek(id));
  }

  peekState(state: "ready" | "delayed" | "buried"): Promise<JobBody | null> {
    return this.#repeat(() => this.#client.peekState(state));
  }

  pauseTube(tube: string, pauseMs: number): Promise<boolean> {
    return this.#insist(() => this.#client.pauseTube(tube, pauseMs));
  }

  async flushTube(tube: string, state?: SweptState): Promise<number | null> {
    const answer = await this.#repeat(() => this.#client.flushTube(tube, state));
    for (const id of this.#jobs.present()) {
      if (await this.#client.statsJob(id) === null) this.#jobs.ended(id);
    }
    return answer;
  }

  moveTube(tube: string, to: string): Promise<number | null | "OUT_OF_MEMORY"> {
    return this.#insist(() => this.#client.moveTube(tube, to));
  }

  moveJob(id: JobId, to: string): Promise<boolean | "OUT_OF_MEMORY"> {
    return this.#insist(() => this.#client.moveJob(id, to));
  }

  result(id: JobId): Promise<Outcome | null> {
    return this.#repeat(() => this.#client.result(id));
  }

  wait(
    id: JobId,
    timeoutMs: number,
    options?: { progress?: boolean },
  ): Promise<Outcome | "TIMED_OUT" | null> {
    return this.#repeat(() => this.#client.wait(id, timeoutMs, options));
  }

  statsJob(id: JobId): Promise<JobStats | null> {
    return this.#repeat(() => this.#client.statsJob(id));
  }

  listJobs(page: JobPage): Promise<ListedJob[] | null> {
    return this.#repeat(() => this.#client.listJobs(page));
  }

  statsTube(tube: string): Promise<TubeStats | null> {
    return this.#repeat(() => this.#client.statsTube(tube));
  }

  listTubes(): Promise<string[]> {
    return this.#repeat(() => this.#client.listTubes());
  }

  stats(): Promise<QueueStats> {
    return this.#repeat(() => this.#client.stats());
  }

  settled(): Promise<void> | undefined {
    return this.#client.settled();
  }

  cancel(): void {
    this.#client.cancel();
  }

  close(): void {
    this.#client.close();
  }

  /** Runs a call until its answer is durable. */
  async #repeat<T>(call: () => MaybePromise<T>): Promise<T> {
    for (;;) {
      if (this.#storage.failing()) await this.#works();
      const pending = call();
      const answer = pending instanceof Promise ? await pending : pending;
      if (await this.#isSettled()) return answer;
    }
  }

  /** Reserves jobs. Only new ones are taken back if the answer is not durable; others stay reserved. */
  async #hold<T>(call: () => MaybePromise<T>, jobsOf: (answer: T) => JobBody[]): Promise<T> {
    for (;;) {
      if (this.#storage.failing()) await this.#works();
      const answer = await call();
      let refused = false;
      while (!await this.#isSettled()) refused = true;
      if (!refused) return answer;
      const jobs = jobsOf(answer);
      const held = await Promise.all(jobs.map(({ id }) => this.#client.touch(id)));
      if (jobs.length > 0 && held.every((isHeld) => isHeld)) return answer;
      assert.ok(held.every((isHeld) => !isHeld), "some of the jobs were taken back");
    }
  }

  /** Runs a call once, and waits until its answer is durable. */
  async #insist<T>(call: () => MaybePromise<T>): Promise<T> {
    if (this.#storage.failing()) await this.#works();
    const answer = await call();
    while (!await this.#isSettled());
    if (this.#storage.failing()) await this.#works();
    return answer;
  }

  /** Waits until jobs are handed out. A call must begin at once, so ask before whether it has to wait. */
  async #works(): Promise<void> {
    await until("it works", () => !this.#storage.failing());
  }

  async #isSettled(): Promise<boolean> {
    try {
      await this.#client.settled();
      return true;
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error;
      this.#jobs.refusals++;
      return false;
    }
  }
}
