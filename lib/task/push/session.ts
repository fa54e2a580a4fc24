import type { Log } from "../../log.ts";
import type { Histogram } from "../../metrics.ts";
import type { ClientDescription, Connection } from "../../net/connection.ts";
import type { LineReader } from "../../net/line_reader.ts";
import { copyValue, latin1From } from "../../storage/value.ts";
import type { JobBody, Queue, QueueClient } from "../queue.ts";

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** A worker's line; `null` if it was too long to be kept. */
type Answer = string | null;

/** A worker's answer to a number. */
export interface Square {
  number: number;
  answer: string;
  tookMs: number;
}

/** What the sessions of a server share. */
export interface PushContext {
  readonly queue: Queue;
  /** The tube whose jobs are pushed. */
  readonly tube: string;
  readonly log: Log;
  /** The time that workers took to answer jobs and numbers, in seconds. */
  readonly answerSeconds: { readonly job: Histogram; readonly number: Histogram };
  /** Called when a worker has answered a number. */
  tellSquare(worker: string, square: Square): void;
  /** Called when a worker has not answered a number before the next one. */
  tellLate(worker: string, number: number): void;
}

/** A number of the generator, sent to a worker. */
interface Assignment {
  number: number;
  sentMs: number;
  late: boolean;
}

/**
 * The session of one worker. It is sent one task at a time, as a line, and must answer with one
 * line: the result. Until then it is sent nothing else, even if its time to run has ended and the
 * task has gone to another worker.
 */
export class PushSession {
  readonly #connection: Connection;
  readonly #reader: LineReader;
  readonly #context: PushContext;
  readonly #client: QueueClient;
  /** The number to send when the worker is next idle. */
  #nextNumber: number | null = null;
  #assignment: Assignment | null = null;
  #answered: ((answer: Answer | undefined) => void) | null = null;
  #ended = false;

  constructor(connection: Connection, reader: LineReader, context: PushContext) {
    this.#connection = connection;
    connection.client = this;
    this.#reader = reader;
    this.#context = context;
    this.#client = context.queue.connect({ address: connection.remote, port: "push" });
    this.#client.watch(context.tube);
    if (context.tube !== "default") this.#client.ignore("default");
  }

  /** Describes the worker, for lists of connections. */
  describe(): ClientDescription {
    return { protocol: "push", state: this.#answered === null ? "waits for a job" : "has a job" };
  }

  /** The worker's address. */
  get worker(): string {
    return this.#connection.remote;
  }

  /** Serves the worker until it disconnects. */
  async serve(): Promise<void> {
    const reading = this.#readAnswers();
    try {
      while (!this.#ended) {
        if (this.#nextNumber !== null) {
          await this.#doNumber(this.#nextNumber);
          continue;
        }
        const job = await this.#client.reserve(Infinity);
        if (typeof job !== "string") await this.#doJob(job);
      }
    } finally {
      this.#client.close();
      this.#connection.endInput();
      await reading;
    }
  }

  /**
   * Asks the worker to square a number as soon as it is idle. A worker that still owes the previous
   * answer is late and gets no new number.
   */
  assign(number: number): void {
    if (this.#assignment !== null) {
      if (!this.#assignment.late) this.#context.tellLate(this.worker, this.#assignment.number);
      this.#assignment.late = true;
      return;
    }
    this.#nextNumber = number;
    this.#client.cancel();
  }

  async #doNumber(number: number): Promise<void> {
    const assignment = this.#assignment = { number, sentMs: performance.now(), late: false };
    this.#nextNumber = null;
    const answer = await this.#ask(String(number));
    this.#assignment = null;
    if (answer === undefined) return;
    const tookMs = performance.now() - assignment.sentMs;
    this.#context.answerSeconds.number.observe(tookMs / 1000);
    this.#context.tellSquare(this.worker, { number, answer: answer ?? "", tookMs });
  }

  async #doJob(job: JobBody): Promise<void> {
    // It is gone once the job is, which can be soon after its time to run has ended.
    const { body } = job;
    if (hasLineEnd(body)) {
      await this.#client.bury(job.id, BURIED_PRIORITY, "the body is not a single line");
      return;
    }
    const settled = this.#client.settled();
    if (settled !== undefined) await settled;
    const startMs = performance.now();
    const answer = await this.#ask(body);
    const tookMs = performance.now() - startMs;
    const about = { worker: this.worker, job: job.id, ms: Math.round(tookMs) };
    if (answer === undefined) return;
    this.#context.answerSeconds.job.observe(tookMs / 1000);
    if (answer === null) {
      await this.#client.fail(job.id, "the answer was longer than max_line");
      this.#context.log.warn("Worker sent too long an answer", about);
      return;
    }
    const done = await this.#client.done(job.id, answer);
    if (done === true) {
      this.#context.log.debug("Worker finished a task", about);
    } else if (done === "OUT_OF_MEMORY") {
      await this.#client.fail(job.id, "there was no room for the result");
      this.#context.log.error("No room for a result", about);
    } else {
      // Its time to run has ended, so the task belongs to another worker now.
      this.#context.log.warn("Worker answered too late", about);
    }
  }

  /** Sends a line and waits for the answer; `undefined` if the worker disconnects instead. */
  async #ask(line: JobBody["body"]): Promise<Answer | undefined> {
    if (this.#ended) return undefined;
    const answered = new Promise<Answer | undefined>((resolve) => this.#answered = resolve);
    const bytes = new Uint8Array(line.length + 1);
    copyValue(line, bytes, 0);
    bytes[line.length] = NEWLINE;
    await this.#connection.write(bytes);
    return await answered;
  }

  async #readAnswers(): Promise<void> {
    for (let batch; (batch = await this.#reader.read()) !== null;) {
      for (let index = 0; index < batch.count; index++) {
        const answered = this.#answered;
        this.#answered = null;
        if (answered === null) {
          // It must not count as the answer to the next question.
          this.#context.log.debug("Worker sent a line without a task", { worker: this.worker });
        } else {
          answered(batch.isTooLong(index) ? null : latin1From(batch.line(index)));
        }
      }
    }
    this.#ended = true;
    this.#client.cancel();
    this.#answered?.(undefined);
  }
}

/** The priority of a job that is buried because it cannot be sent as a line. */
const BURIED_PRIORITY = 0;

function hasLineEnd(body: JobBody["body"]): boolean {
  if (typeof body === "string") return /[\r\n]/.test(body);
  return body.includes(NEWLINE) || body.includes(CARRIAGE_RETURN);
}
