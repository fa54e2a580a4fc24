import type postgres from "postgres";
import type { Log } from "../../log.ts";
import type { PostgresClient } from "../../storage/postgres/postgres_client.ts";
import { isRejected } from "../../storage/postgres/rejection.ts";
import { SYSTEM_CLOCK } from "../clock.ts";
import type { JobId } from "../queue.ts";

const CHANNEL = "quartet_task";

/** How long hints are collected before one NOTIFY, which takes a lock that all daemons share. */
const GATHER_MS = 10;

/** The longest payload of a NOTIFY. PostgreSQL's limit is 8000 bytes. */
const MAX_PAYLOAD_BYTES = 7_900;

/** The most jobs whose progress one NOTIFY names. */
const MAX_PROGRESSED_JOBS = 300;

/** Receives the hints of other daemons. */
export interface HintListener {
  /** About this many jobs of a tube have become ready. */
  ready(tube: string, count: number): void;
  /** Some jobs are finished. */
  finished(): void;
  /** The worker of a job has said how far it is. */
  progressed(id: JobId): void;
}

/** Options for {@linkcode Hints}. */
export interface HintsOptions {
  database: PostgresClient;
  /** The number of this daemon, whose own hints it ignores. */
  daemon: number;
  listener: HintListener;
  log: Log;
}

/**
 * Exchanges hints with the other daemons, so that their waiting clients look for jobs at once. A
 * hint is "<daemon>" followed by space-separated words: "*" if jobs have finished, "#<id>" for each job
 * with progress, and "<tube>=<count>" for each tube with newly ready jobs. A lost hint only costs time: every daemon
 * also polls. On a server without LISTEN there are no hints at all.
 */
export class Hints {
  readonly #database: PostgresClient;
  readonly #daemon: number;
  readonly #listener: HintListener;
  readonly #log: Log;
  /** Whether the server has LISTEN. */
  #supported = true;
  readonly #ready = new Map<string, number>();
  readonly #progressed = new Set<JobId>();
  #finished = false;
  #stopTimer: (() => void) | null = null;
  #sending: Promise<void> = Promise.resolve();
  /** The connection pool that listens; a new one after the old one was lost. */
  #listening: postgres.Sql | undefined;
  #closed = false;

  constructor({ database, daemon, listener, log }: HintsOptions) {
    this.#database = database;
    this.#daemon = daemon;
    this.#listener = listener;
    this.#log = log;
  }

  /** Starts listening, also on a new pool. Call it from time to time. */
  async listen(): Promise<void> {
    if (!this.#supported) return;
    await this.#database.run(async (sql) => {
      if (sql === this.#listening) return;
      this.#listening = sql;
      try {
        await sql.listen(CHANNEL, (payload) => this.#hear(payload));
      } catch (error) {
        this.#listening = undefined;
        if (!isRejected(error)) throw error;
        this.#supported = false;
        this.#log.info("Database does not send hints: polling", { error: String(error) });
      }
    });
  }

  /** Tells that this many jobs of a tube have become ready. */
  ready(tube: string, count: number): void {
    this.#ready.set(tube, (this.#ready.get(tube) ?? 0) + count);
    this.#sendSoon();
  }

  /** Tells that a job is finished. */
  finished(): void {
    this.#finished = true;
    this.#sendSoon();
  }

  /** Tells that the worker of a job has said how far it is. */
  progressed(id: JobId): void {
    this.#progressed.add(id);
    if (this.#progressed.size > MAX_PROGRESSED_JOBS) {
      // All clients look again: that costs more, but this hint is short.
      this.#progressed.clear();
      this.#finished = true;
    }
    this.#sendSoon();
  }

  /** Stops sending. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopTimer?.();
    await this.#sending;
  }

  #sendSoon(): void {
    if (this.#stopTimer !== null || this.#closed || !this.#supported) return;
    this.#stopTimer = SYSTEM_CLOCK.after(GATHER_MS, () => {
      this.#sending = this.#send();
    });
  }

  async #send(): Promise<void> {
    const words = [
      ...this.#finished ? ["*"] : [],
      ...[...this.#progressed].map((id) => `#${id}`),
      ...[...this.#ready].map(([tube, count]) => `${tube}=${count}`),
    ];
    this.#progressed.clear();
    this.#ready.clear();
    this.#finished = false;
    const payload = [this.#daemon, ...words].join(" ").slice(0, MAX_PAYLOAD_BYTES);
    try {
      await this.#database.run(async (sql) => await sql`SELECT pg_notify(${CHANNEL}, ${payload})`);
    } catch {
      // Only a hint is lost, and the other daemons poll anyway.
    }
    this.#stopTimer = null;
    if (this.#ready.size + this.#progressed.size > 0 || this.#finished) this.#sendSoon();
  }

  #hear(payload: string): void {
    const [daemon, ...words] = payload.split(" ");
    if (Number(daemon) === this.#daemon) return;
    for (const word of words) {
      if (word === "*") {
        this.#listener.finished();
        continue;
      }
      if (word.startsWith("#")) {
        this.#listener.progressed(Number(word.slice(1)));
        continue;
      }
      const [tube, count] = word.split("=");
      this.#listener.ready(tube!, Number(count) || 1);
    }
  }
}
