import type postgres from "postgres";
import type { PostgresClient } from "../../storage/postgres/postgres_client.ts";
import { SYSTEM_CLOCK } from "../clock.ts";

const CHANNEL = "quartet_task";

/** Hints are gathered for so long: a NOTIFY costs all daemons a lock. */
const GATHER_MS = 10;

/** The longest payload of a NOTIFY, in bytes, a little less than PostgreSQL's limit. */
const MAX_PAYLOAD_BYTES = 7_900;

/** What a daemon hears from others. */
export interface HintListener {
  /** So many jobs of a tube may be available. */
  ready(tube: string, count: number): void;
  /** Some jobs are finished. */
  finished(): void;
}

/**
 * Tells other daemons that there may be something for their clients, and hears it from them. A
 * hint is "<daemon>" and then, after blanks, "<tube>=<count>" for each tube with new ready jobs
 * and "*" if jobs are finished. What gets lost costs somebody a moment, nothing else.
 */
export class Hints {
  readonly #database: PostgresClient;
  readonly #daemon: number;
  readonly #listener: HintListener;
  readonly #ready = new Map<string, number>();
  #finished = false;
  #stopTimer: (() => void) | null = null;
  #sending: Promise<void> = Promise.resolve();
  /** The connections that listen; they are others after they were lost. */
  #listening: postgres.Sql | undefined;
  #closed = false;

  constructor(database: PostgresClient, daemon: number, listener: HintListener) {
    this.#database = database;
    this.#daemon = daemon;
    this.#listener = listener;
  }

  /** Sees to it that hints are heard; call it from time to time. */
  async listen(): Promise<void> {
    await this.#database.run(async (sql) => {
      if (sql === this.#listening) return;
      this.#listening = sql;
      try {
        await sql.listen(CHANNEL, (payload) => this.#hear(payload));
      } catch (error) {
        this.#listening = undefined;
        throw error;
      }
    });
  }

  /** So many jobs of a tube may be available. */
  ready(tube: string, count: number): void {
    this.#ready.set(tube, (this.#ready.get(tube) ?? 0) + count);
    this.#sendSoon();
  }

  /** A job is finished. */
  finished(): void {
    this.#finished = true;
    this.#sendSoon();
  }

  /** Sends no more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopTimer?.();
    await this.#sending;
  }

  #sendSoon(): void {
    if (this.#stopTimer !== null || this.#closed) return;
    this.#stopTimer = SYSTEM_CLOCK.after(GATHER_MS, () => {
      this.#sending = this.#send();
    });
  }

  async #send(): Promise<void> {
    const words = [...this.#ready].map(([tube, count]) => `${tube}=${count}`);
    if (this.#finished) words.unshift("*");
    this.#ready.clear();
    this.#finished = false;
    const payload = [this.#daemon, ...words].join(" ").slice(0, MAX_PAYLOAD_BYTES);
    try {
      await this.#database.run(async (sql) => await sql`SELECT pg_notify(${CHANNEL}, ${payload})`);
    } catch {
      // Whatever it was, it only cost a hint: who misses it looks by itself.
    }
    this.#stopTimer = null;
    if (this.#ready.size > 0 || this.#finished) this.#sendSoon();
  }

  #hear(payload: string): void {
    const [daemon, ...words] = payload.split(" ");
    if (Number(daemon) === this.#daemon) return;
    for (const word of words) {
      if (word === "*") {
        this.#listener.finished();
        continue;
      }
      const [tube, count] = word.split("=");
      this.#listener.ready(tube!, Number(count) || 1);
    }
  }
}
