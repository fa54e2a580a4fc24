import type { Log } from "../../log.ts";
import type { Connection } from "../../net/connection.ts";
import type { Login } from "../../net/login.ts";
import { ReadBuffer } from "../../net/read_buffer.ts";
import { StorageUnavailableError } from "../../storage/store.ts";
import type { MaybePromise } from "../../storage/store.ts";
import type { JobBody, NoJob, Outcome, Queue, QueueClient } from "../queue.ts";
import type { BeanstalkCommand, CommandKind } from "./command.ts";
import { loginByCommand } from "./login.ts";
import { CommandParser } from "./parser.ts";
import { ReplyBuffer } from "./reply_buffer.ts";
import {
  type BeanstalkMetrics,
  formatJobStats,
  formatStats,
  formatTubes,
  formatTubeStats,
  type ProcessFacts,
} from "./stats.ts";
import { MAX_BATCH_BYTES, MAX_LINE_BYTES, type ReplyWord } from "./words.ts";

/** When more than this is waiting to be sent, it is sent before the next command runs. */
const FLUSH_BYTES = 64 * 1024;

/** Several of these in a row start without waiting for each other; their replies stay in order. */
const OVERLAPPING: ReadonlySet<CommandKind> = new Set<CommandKind>(["put", "delete"]);

/** While a command waits, no more than this is read ahead. */
const READ_AHEAD_BYTES = 16 * 1024;

/** What the sessions of a server share. */
export interface BeanstalkContext {
  readonly queue: Queue;
  readonly log: Log;
  /** The largest body of a job, in bytes. */
  readonly maxJobBytes: number;
  readonly metrics: BeanstalkMetrics;
  /** Begins the login of a client; `undefined` if the service has no token. */
  beginLogin(connection: Connection): Login | undefined;
  /** Counts a command. */
  count(kind: CommandKind): void;
  /** What `stats` reports about this process. */
  facts(): ProcessFacts;
}

/**
 * The session of one client of the beanstalk protocol. It runs all commands of one read and answers
 * them with one write, unless a command has to wait for a job or for the engine.
 */
export class BeanstalkSession {
  readonly #connection: Connection;
  readonly #context: BeanstalkContext;
  readonly #client: QueueClient;
  readonly #parser: CommandParser;
  readonly #input: ReadBuffer;
  readonly #replies = new ReplyBuffer();
  /** The pending read. It continues while a command waits, to notice that the client has left. */
  #reading: Promise<boolean> | null = null;
  #overlapping: Promise<void>[] = [];
  #overlappingKind: CommandKind | null = null;
  /** How many commands have run. */
  #commands = 0;
  /** Whether a command of this batch waited for another client. */
  #waited = false;
  #ended = false;
  #quit = false;
  #produces = false;
  #works = false;

  constructor(connection: Connection, context: BeanstalkContext) {
    this.#connection = connection;
    this.#context = context;
    this.#client = context.queue.connect();
    this.#parser = new CommandParser(context.maxJobBytes);
    this.#input = new ReadBuffer({
      maxBytes: 2 * (Math.max(context.maxJobBytes, MAX_BATCH_BYTES) + MAX_LINE_BYTES),
    });
  }

  /** Serves the client until it disconnects. */
  async serve(): Promise<void> {
    const { metrics } = this.#context;
    metrics.connections++;
    metrics.totalConnections++;
    try {
      using login = this.#context.beginLogin(this.#connection);
      if (login !== undefined && !await loginByCommand(this.#connection, this.#input, login)) {
        return;
      }
      do {
        const startMs = performance.now();
        const before = this.#commands;
        this.#waited = false;
        await this.#runAll();
        await this.#flush();
        const seconds = (performance.now() - startMs) / 1000;
        // The time that a client chose to wait for a job says nothing about this server.
        const count = this.#commands - before;
        if (!this.#waited && count > 0) metrics.duration.observe(seconds / count, count);
      } while (!this.#quit && await this.#read());
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error;
      // The replies in the buffer may not be true: send only the error, and disconnect.
      this.#context.log.error("Cannot answer a client", { error: error.message });
      this.#replies.clear();
      this.#replies.word("INTERNAL_ERROR");
      await this.#connection.write(this.#replies.bytes);
    } finally {
      metrics.connections--;
      if (this.#produces) metrics.producers--;
      if (this.#works) metrics.workers--;
      this.#client.close();
    }
  }

  /** Runs all complete commands of the input. */
  async #runAll(): Promise<void> {
    let command;
    while (!this.#quit && (command = this.#parser.next(this.#input)) !== null) {
      if (this.#overlapping.length > 0 && command.kind !== this.#overlappingKind) {
        await this.#catchUp();
      }
      const pending = this.#run(command);
      if (pending !== undefined) {
        if (OVERLAPPING.has(command.kind)) {
          this.#overlappingKind = command.kind;
          this.#overlapping.push(pending);
        } else {
          await pending;
        }
      }
      if (this.#replies.length >= FLUSH_BYTES) await this.#flush();
    }
    await this.#catchUp();
  }

  /** Waits for the overlapping commands. */
  async #catchUp(): Promise<void> {
    if (this.#overlapping.length > 0) await Promise.all(this.#overlapping.splice(0));
  }

  async #flush(): Promise<void> {
    if (this.#replies.length === 0) return;
    const settled = this.#client.settled();
    if (settled !== undefined) await settled;
    await this.#connection.write(this.#replies.bytes);
    this.#replies.clear();
  }

  /** Reads more; `false` at the end of the input. */
  #read(): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    const { midway } = this.#parser;
    const request = midway || this.#input.end > this.#input.start ? this.#commands + 1 : 0;
    if (this.#reading === null) return this.#input.fill(this.#connection, request);
    const reading = this.#reading;
    this.#reading = null;
    this.#connection.request = request;
    return reading;
  }

  /** Awaits a job or an outcome, and cancels the wait if the client leaves. */
  async #patiently<T>(pending: Promise<T>): Promise<T> {
    this.#waited = true;
    await this.#flush();
    let over = false;
    this.#readAhead(() => over);
    try {
      return await pending;
    } finally {
      over = true;
    }
  }

  #readAhead(over: () => boolean): void {
    if (this.#ended) return this.#client.cancel();
    if (this.#input.end - this.#input.start > READ_AHEAD_BYTES) return;
    // No request timeout here: the next command would have to wait even if it were complete.
    this.#reading ??= this.#input.fill(this.#connection, 0);
    this.#reading.then((more) => {
      if (!more) {
        this.#ended = true;
        if (!over()) this.#client.cancel();
      } else if (!over()) {
        this.#reading = null;
        this.#readAhead(over);
      }
    });
  }

  #run(command: BeanstalkCommand): void | Promise<void> {
    const { kind } = command;
    const client = this.#client;
    const replies = this.#replies;
    this.#commands++;
    if (kind === "mistake") {
      this.#context.metrics.mistakes++;
      return replies.word(command.reply);
    }
    this.#context.count(kind);
    switch (kind) {
      case "put":
        this.#isProducer();
        return then(client.put(command.spec), (answer) => {
          if (typeof answer === "number") replies.line(`INSERTED ${answer}`);
          else replies.word(answer);
        });
      case "put-unique":
        this.#isProducer();
        return then(client.putUnique(command.key, command.spec), (answer) => {
          if (typeof answer === "string") replies.word(answer);
          else replies.line(`${answer.existed ? "EXISTS" : "INSERTED"} ${answer.id}`);
        });
      case "put-batch":
        this.#isProducer();
        return then(client.putBatch(command.specs), (answer) => {
          if (typeof answer === "string") replies.word(answer);
          else replies.line(`INSERTED ${answer.join(" ")}`);
        });
      case "reserve":
      case "reserve-with-timeout": {
        this.#isWorker();
        const timeoutMs = "timeoutMs" in command ? command.timeoutMs : Infinity;
        return this.#wait(client.reserve(timeoutMs), (answer) => this.#reserved(answer));
      }
      case "reserve-batch":
        this.#isWorker();
        return this.#wait(client.reserveBatch(command.max, command.timeoutMs), (answer) => {
          if (typeof answer === "string") return replies.word(answer);
          replies.line(`RESERVED-BATCH ${answer.length}`);
          for (const job of answer) this.#reserved(job);
        });
      case "reserve-job":
        this.#isWorker();
        return then(client.reserveJob(command.id), (answer) => this.#job("RESERVED", answer));
      case "delete":
        return this.#found(client.delete(command.id), "DELETED");
      case "done":
        return then(client.done(command.id, command.body), (answer) => {
          replies.word(answer === "OUT_OF_MEMORY" ? answer : answer ? "DONE" : "NOT_FOUND");
        });
      case "release":
        return then(
          client.release(command.id, command.priority, command.delayMs),
          (answer) => replies.word(answer),
        );
      case "fail":
        return then(client.fail(command.id, command.body), (answer) => replies.word(answer));
      case "bury":
        return this.#found(client.bury(command.id, command.priority), "BURIED");
      case "touch":
        return this.#found(client.touch(command.id), "TOUCHED");
      case "kick":
        return then(client.kick(command.bound), (count) => replies.line(`KICKED ${count}`));
      case "kick-job":
        return this.#found(client.kickJob(command.id), "KICKED");
      case "peek":
        return then(client.peek(command.id), (answer) => this.#job("FOUND", answer));
      case "peek-ready":
      case "peek-delayed":
      case "peek-buried": {
        const state = kind.slice("peek-".length) as "ready" | "delayed" | "buried";
        return then(client.peekState(state), (answer) => this.#job("FOUND", answer));
      }
      case "use":
        if (!client.use(command.tube)) return replies.word("OUT_OF_MEMORY");
        return replies.line(`USING ${client.used}`);
      case "list-tube-used":
        return replies.line(`USING ${client.used}`);
      case "watch":
        if (!client.watch(command.tube)) return replies.word("OUT_OF_MEMORY");
        return replies.line(`WATCHING ${client.watched.length}`);
      case "ignore":
        if (!client.ignore(command.tube)) return replies.word("NOT_IGNORED");
        return replies.line(`WATCHING ${client.watched.length}`);
      case "pause-tube":
        return this.#found(client.pauseTube(command.tube, command.pauseMs), "PAUSED");
      case "result":
        return then(client.result(command.id), (answer) => this.#outcome(command.id, answer));
      case "wait":
        return this.#wait(
          client.wait(command.id, command.timeoutMs),
          (answer) => this.#outcome(command.id, answer),
        );
      case "stats":
        return then(client.stats(), (stats) => {
          const { metrics, maxJobBytes, queue } = this.#context;
          const about = { facts: this.#context.facts(), maxJobBytes, draining: queue.draining };
          replies.chunk("OK", formatStats(stats, metrics, about));
        });
      case "stats-job":
        return then(client.statsJob(command.id), (stats) => {
          if (stats === null) replies.word("NOT_FOUND");
          else replies.chunk("OK", formatJobStats(stats));
        });
      case "stats-tube":
        return then(client.statsTube(command.tube), (stats) => {
          if (stats === null) replies.word("NOT_FOUND");
          else replies.chunk("OK", formatTubeStats(stats));
        });
      case "list-tubes":
        return then(client.listTubes(), (tubes) => replies.chunk("OK", formatTubes(tubes)));
      case "list-tubes-watched":
        return replies.chunk("OK", formatTubes(client.watched));
      case "quit":
        this.#quit = true;
    }
  }

  /** As `then`, for answers that may take as long as the client is willing to wait. */
  #wait<T>(answer: MaybePromise<T>, reply: (answer: T) => void): void | Promise<void> {
    if (answer instanceof Promise) return this.#patiently(answer).then(reply);
    reply(answer);
  }

  #found(answer: MaybePromise<boolean>, word: ReplyWord): void | Promise<void> {
    return then(answer, (found) => this.#replies.word(found ? word : "NOT_FOUND"));
  }

  #reserved(answer: JobBody | NoJob): void {
    if (typeof answer === "string") this.#replies.word(answer);
    else this.#replies.body("RESERVED", answer.id, answer.body);
  }

  #job(word: string, job: JobBody | null): void {
    if (job === null) this.#replies.word("NOT_FOUND");
    else this.#replies.body(word, job.id, job.body);
  }

  #outcome(id: number, outcome: Outcome | "TIMED_OUT" | null): void {
    if (outcome === null) this.#replies.word("NOT_FOUND");
    else if (outcome === "TIMED_OUT") this.#replies.word(outcome);
    else this.#replies.chunk(`RESULT ${id} ${outcome.state}`, outcome.body);
  }

  #isProducer(): void {
    if (this.#produces) return;
    this.#produces = true;
    this.#context.metrics.producers++;
  }

  #isWorker(): void {
    if (this.#works) return;
    this.#works = true;
    this.#context.metrics.workers++;
  }
}

/** Replies to an answer, now or when it comes. */
function then<T>(answer: MaybePromise<T>, reply: (answer: T) => void): void | Promise<void> {
  if (answer instanceof Promise) return answer.then(reply);
  reply(answer);
}
