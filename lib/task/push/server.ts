import { Episodes } from "../../episodes.ts";
import { Histogram } from "../../metrics.ts";
import type { Log } from "../../log.ts";
import type { Connection } from "../../net/connection.ts";
import { loginByLine } from "../../net/line_login.ts";
import { LineReader } from "../../net/line_reader.ts";
import { beginLogin, type LoginGuard } from "../../net/login.ts";
import type { Refusals } from "../../refusals.ts";
import type { Queue } from "../queue.ts";
import { type PushContext, PushSession, type Square } from "./session.ts";

/** Options for {@linkcode PushServer}. */
export interface PushServerOptions {
  /** The tube whose jobs are pushed. */
  tube: string;
  /** The longest answer, without its line end. */
  maxLineBytes: number;
  log: Log;
  /** The guard of the service's token, if it has one. Called for each connection. */
  guard?: () => LoginGuard | undefined;
  /** Where it is noted what clients are refused for lack of rights. */
  refusals?: Refusals;
}

/** Upper bounds of the histograms of working time, in seconds: 1 ms to an hour. */
const WORK_BOUNDS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600];

/** The reply to a worker that must not work on the tube. */
const NO_RIGHT = new TextEncoder().encode("ERR no right to work on this tube\n");

/** Serves the push protocol: each worker is sent one line per task and answers with one line. */
export class PushServer implements PushContext {
  readonly queue: Queue;
  readonly tube: string;
  /** See {@linkcode PushServerOptions}; it may be changed. */
  maxLineBytes: number;
  readonly log: Log;
  /** How workers answered the generator's numbers. */
  readonly answers = { right: 0, wrong: 0, late: 0 };
  readonly answerSeconds = {
    job: new Histogram(WORK_BOUNDS_S),
    number: new Histogram(WORK_BOUNDS_S),
  };
  readonly #guard: () => LoginGuard | undefined;
  readonly #refusals: Refusals | undefined;
  readonly #sessions = new Set<PushSession>();
  /** When the workers were last late, and when they were last wrong. */
  readonly #episodes = new Episodes();

  constructor(queue: Queue, options: PushServerOptions) {
    this.queue = queue;
    this.tube = options.tube;
    this.maxLineBytes = options.maxLineBytes;
    this.log = options.log;
    this.#guard = options.guard ?? (() => undefined);
    this.#refusals = options.refusals;
  }

  /** How many workers are connected. */
  get workers(): number {
    return this.#sessions.size;
  }

  /** Serves a worker until it disconnects. */
  async serve(connection: Connection): Promise<void> {
    const reader = new LineReader(connection, this);
    const context = { guard: this.#guard, log: this.log, refusals: this.#refusals };
    using login = beginLogin(connection, context);
    if (login !== undefined && !await loginByLine(connection, reader, login)) return;
    if (login !== undefined && login.rights?.allows("work", this.tube) === false) {
      login.refuse("work", this.tube);
      return await connection.write(NO_RIGHT);
    }
    const session = new PushSession(connection, reader, this);
    this.#sessions.add(session);
    this.log.debug("Worker connected", { worker: session.worker, tube: this.tube });
    try {
      await session.serve();
    } finally {
      this.#sessions.delete(session);
      this.log.debug("Worker left", { worker: session.worker });
    }
  }

  /** Asks every connected worker to square a number. */
  assign(number: number): void {
    for (const session of this.#sessions) session.assign(number);
  }

  tellSquare(worker: string, { number, answer, tookMs }: Square): void {
    const fields = { worker, number, result: answer.slice(0, 100), ms: Math.round(tookMs) };
    if (/^\s*\d+\s*$/.test(answer) && Number(answer) === number * number) {
      this.answers.right++;
      this.log.debug("Worker answered", fields);
    } else {
      this.answers.wrong++;
      const about = { ...fields, expected: number * number };
      // A worker that cannot square may still do its jobs well, and is asked every few seconds.
      if (this.#episodes.begins(`wrong ${worker}`)) this.log.warn("Worker answered wrong", about);
      else this.log.debug("Worker answered wrong", about);
    }
  }

  tellLate(worker: string, number: number): void {
    this.answers.late++;
    const about = { worker, number };
    if (this.#episodes.begins(`late ${worker}`)) this.log.warn("Worker is late", about);
    else this.log.debug("Worker is late", about);
  }
}
