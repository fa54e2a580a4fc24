import { CachedValue } from "../../cached_value.ts";
import type { Log } from "../../log.ts";
import type { PostgresDatabase } from "../../storage/postgres/postgres_database.ts";
import { SYSTEM_CLOCK } from "../clock.ts";
import { boundTubes, OTHER_TUBES } from "../tube_metrics.ts";
import { sameRules } from "../tube_rules.ts";
import type {
  JobsByState,
  QueueClient,
  QueueMetrics,
  QueueOptions,
  QueueStats,
  TubeMetrics,
} from "../queue.ts";
import type { ScheduledQueue } from "../schedule/book.ts";
import { type Peer, Workers } from "../workers.ts";
import { SharedClient } from "./client.ts";
import { countTubes } from "./count_jobs.ts";
import { SharedScheduleBook } from "./schedule_book.ts";
import { SharedScheduler } from "./scheduler.ts";

/** How old the counts may be. Counting all jobs takes the database a while. */
const COUNT_MAX_AGE_MS = 5000;

/** The counts of a tube that are summed up. */
const COUNTED = ["urgent", "ready", "reserved", "delayed", "buried", "held", "tubes"] as const;

const NO_JOBS: JobsByState = { urgent: 0, ready: 0, reserved: 0, delayed: 0, buried: 0, held: 0 };

/** A queue in PostgreSQL that several daemons can share. */
export class PostgresQueue implements ScheduledQueue {
  readonly schedules: SharedScheduleBook;
  readonly workers = new Workers();
  readonly #scheduler: SharedScheduler;
  readonly #clients = new Set<SharedClient>();
  #lastClient = 0;
  #closed = false;
  readonly #counted: CachedValue<{ total: Partial<QueueStats>; tubes: TubeMetrics[] }>;

  private constructor(scheduler: SharedScheduler, log: Log) {
    this.#scheduler = scheduler;
    this.schedules = new SharedScheduleBook(scheduler);
    this.#counted = new CachedValue({
      load: () => this.#countAll(),
      maxAgeMs: COUNT_MAX_AGE_MS,
      onError: (error) => log.debug("Cannot count jobs", { error: String(error) }),
    });
  }

  /**
   * Opens the queue in a database.
   *
   * @throws {Error} If the database cannot be used.
   */
  static async open(
    database: PostgresDatabase,
    options: { options: QueueOptions; log: Log },
  ): Promise<PostgresQueue> {
    return new PostgresQueue(await SharedScheduler.open(database, options), options.log);
  }

  connect(peer?: Peer): QueueClient {
    const client = new SharedClient(this.#scheduler, {
      number: ++this.#lastClient,
      left: () => this.#clients.delete(client),
      join: peer && this.workers.joinerFor(peer),
    });
    this.#clients.add(client);
    return client;
  }

  setOptions(options: QueueOptions): void {
    const scheduler = this.#scheduler;
    Object.assign(scheduler.options, options);
    for (const tube of scheduler.tubes.values()) {
      const rules = options.rulesOf(tube.name);
      if (sameRules(rules, tube.rules)) continue;
      tube.rules = rules;
      scheduler.rulesChanged(tube);
    }
  }

  refusePuts(): void {
    this.#scheduler.refusesPuts = true;
  }

  drain(): void {
    this.#scheduler.draining = true;
  }

  get draining(): boolean {
    return this.#scheduler.refusesPuts || this.#scheduler.draining;
  }

  async idle(): Promise<void> {
    while ([...this.#clients].some((client) => client.reserved > 0)) {
      await new Promise<void>((resolve) => SYSTEM_CLOCK.after(20, resolve));
    }
  }

  problem(): string | undefined {
    return this.#scheduler.lanes.problem();
  }

  async close(): Promise<void> {
    // Clients that have left may still be giving jobs back.
    await Promise.allSettled([...this.#clients].map((client) => client.gone));
    this.#closed = true;
    await this.#scheduler.close();
  }

  metrics(): QueueMetrics {
    const { lanes } = this.#scheduler;
    const counted = this.#closed ? undefined : this.#counted.value;
    return {
      total: { ...this.#scheduler.localStats(), ...counted?.total },
      tubes: counted?.tubes ?? [],
      commits: lanes.commits.metrics(),
      database: lanes.metrics(),
    };
  }

  async #countAll(): Promise<{ total: Partial<QueueStats>; tubes: TubeMetrics[] }> {
    const { tubes: rows, results } = await this.#scheduler.lanes.ask((sql) => countTubes(sql));
    const total = { ...NO_JOBS, tubes: 0, results };
    for (const row of rows) {
      for (const count of COUNTED) {
        total[count] += row[count];
      }
    }
    const names = new Set(rows.map(({ name }) => name));
    if (names.has(OTHER_TUBES)) return { total, tubes: rows };
    // Show empty tubes that clients of this daemon use, as far as the limit allows.
    const empty = [...this.#scheduler.tubes.keys()].filter((name) => !names.has(name))
      .map((name) => ({ ...NO_JOBS, name, oldestReadyMs: 0 }));
    return { total, tubes: boundTubes([...rows, ...empty]) };
  }
}
