import type { MaybePromise } from "../../storage/store.ts";
import { Turn } from "../../turn.ts";
import type { JobBody, JobId, NoJob, Outcome, QueueClient } from "../queue.ts";
import type { BeanstalkCommand } from "./command.ts";
import type { BeanstalkContext } from "./context.ts";
import { formatJobs, formatWorkers } from "./lists.ts";
import type { ReplyBuffer } from "./reply_buffer.ts";
import { formatJobStats, formatStats, formatTubes, formatTubeStats } from "./stats.ts";
import type { ReplyWord } from "./words.ts";

/** Waits on behalf of a client that may leave meanwhile. */
export interface Waits {
  /** Awaits a job or an outcome, and cancels the wait if the client leaves. */
  patiently<T>(pending: Promise<T>): Promise<T>;
  /** Sends the replies so far, if they are long. */
  sendLong(): Promise<void>;
}

/** Runs the commands of one client on the queue, and writes the replies. */
export class CommandRunner {
  /** How many commands have run. */
  commands = 0;
  /** Called with the id of each job that the client puts, if set. */
  inserted: ((id: JobId) => void) | undefined;
  /** Whether the client has asked to be disconnected. */
  quit = false;
  readonly #client: QueueClient;
  readonly #context: BeanstalkContext;
  readonly #replies: ReplyBuffer;
  readonly #waits: Waits;
  #produces = false;
  #works = false;
  /** Resolves after the last reply of {@linkcode CommandRunner.#inOrder}; `undefined` if it is there. */
  #ordered: Promise<void> | undefined;

  constructor(
    client: QueueClient,
    options: { context: BeanstalkContext; replies: ReplyBuffer; waits: Waits },
  ) {
    this.#client = client;
    this.#context = options.context;
    this.#replies = options.replies;
    this.#waits = options.waits;
  }

  /** Counts the client no longer as a producer or a worker. */
  close(): void {
    const { metrics } = this.#context;
    if (this.#produces) metrics.producers--;
    if (this.#works) metrics.workers--;
  }

  /**
   * Runs a command and replies to it. The answer may come later. A put or a delete need not be awaited
   * before the next one of its kind: the replies keep their order.
   */
  run(command: BeanstalkCommand): void | Promise<void> {
    const { kind } = command;
    const client = this.#client;
    const replies = this.#replies;
    this.commands++;
    if (kind === "mistake") {
      this.#context.metrics.mistakes++;
      if (command.option) return replies.line(`${command.reply} ${command.option}`);
      return replies.word(command.reply);
    }
    this.#context.count(kind);
    switch (kind) {
      case "put":
        this.#isProducer();
        return this.#inOrder(client.put(command.spec), (answer) => {
          if (typeof answer !== "number") return replies.word(answer);
          this.inserted?.(answer);
          replies.line(`INSERTED ${answer}`);
        });
      case "put-job":
      case "put-unique": {
        this.#isProducer();
        const spec = "key" in command
          ? { ...command.spec, options: { unique: { key: command.key } } }
          : command.spec;
        return then(client.putJob(spec), (answer) => {
          if (typeof answer === "string") return replies.word(answer);
          this.inserted?.(answer.id);
          replies.line(`${answer.existed ? "EXISTS" : "INSERTED"} ${answer.id}`);
        });
      }
      case "put-batch":
        this.#isProducer();
        return then(client.putBatch(command.specs), (answer) => {
          if (typeof answer === "string") return replies.word(answer);
          for (const id of answer) this.inserted?.(id);
          replies.line(`INSERTED ${answer.join(" ")}`);
        });
      case "reserve":
      case "reserve-with-timeout": {
        this.#isWorker();
        const timeoutMs = "timeoutMs" in command ? command.timeoutMs : Infinity;
        return this.#wait(client.reserve(timeoutMs), (answer) => this.#reserved(answer));
      }
      case "reserve-batch":
        this.#isWorker();
        return this.#wait(
          client.reserveBatch(command.max, command.timeoutMs),
          (answer) => this.#reservedBatch(answer),
        );
      case "reserve-job":
        this.#isWorker();
        return then(client.reserveJob(command.id), (answer) => this.#job("RESERVED", answer));
      case "delete":
        return this.#inOrder(client.delete(command.id), (found) => {
          replies.word(found ? "DELETED" : "NOT_FOUND");
        });
      case "cancel":
        return this.#found(client.cancelJob(command.id), "CANCELLED");
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
      case "progress":
        return this.#found(client.touch(command.id, command.body), "TOUCHED");
      case "kick":
        return then(client.kick(command.bound), (count) => replies.line(`KICKED ${count}`));
      case "kick-job":
        return this.#found(client.kickJob(command.id), "KICKED");
      case "release-held":
        return this.#found(client.releaseHeld(command.id), "RELEASED");
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
      case "flush-tube":
        return then(client.flushTube(command.tube, command.state), (count) => {
          if (count === null) replies.word("NOT_FOUND");
          else replies.line(`FLUSHED ${count}`);
        });
      case "move": {
        const { from, tube } = command;
        const moved = typeof from === "number"
          ? client.moveJob(from, tube)
          : client.moveTube(from, tube);
        return then<boolean | number | null | "OUT_OF_MEMORY">(moved, (answer) => {
          if (answer === null || answer === false) replies.word("NOT_FOUND");
          else if (typeof answer === "string") replies.word(answer);
          else replies.line(`MOVED ${Number(answer)}`);
        });
      }
      case "result":
        return then(client.result(command.id), (answer) => this.#outcome(command.id, answer));
      case "wait":
        return this.#wait(
          client.wait(command.id, command.timeoutMs, command),
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
      case "list-jobs":
        return then(client.listJobs(command.page), (jobs) => {
          if (jobs === null) replies.word("NOT_FOUND");
          else replies.chunk("OK", formatJobs(jobs));
        });
      case "list-workers":
        return replies.chunk(
          "OK",
          formatWorkers(this.#context.queue.workers.list(command.from, command.count)),
        );
      case "quiet-worker":
      case "resume-worker": {
        const quiet = kind === "quiet-worker";
        const found = this.#context.queue.workers.setQuiet(command.worker, quiet);
        return this.#found(found, quiet ? "QUIETED" : "RESUMED");
      }
      case "list-tubes-watched":
        return replies.chunk("OK", formatTubes(client.watched));
      case "quit":
        this.quit = true;
    }
  }

  /** As `then`, for answers that may take as long as the client is willing to wait. */
  #wait<T>(
    answer: MaybePromise<T>,
    reply: (answer: T) => void | Promise<void>,
  ): void | Promise<void> {
    if (answer instanceof Promise) return this.#waits.patiently(answer).then(reply);
    return reply(answer);
  }

  /** As `then`, but replies after all earlier answers of this kind, whichever comes first. */
  #inOrder<T>(answer: MaybePromise<T>, reply: (answer: T) => void): void | Promise<void> {
    const before = this.#ordered;
    if (before === undefined && !(answer instanceof Promise)) return reply(answer);
    const replied = Promise.all([answer, before]).then(([answer]) => {
      if (this.#ordered === replied) this.#ordered = undefined;
      reply(answer);
    });
    return this.#ordered = replied;
  }

  #found(answer: MaybePromise<boolean>, word: ReplyWord): void | Promise<void> {
    return then(answer, (found) => this.#replies.word(found ? word : "NOT_FOUND"));
  }

  #reserved(answer: JobBody | NoJob): void {
    if (typeof answer === "string") this.#replies.word(answer);
    else this.#replies.body("RESERVED", answer.id, answer.body);
  }

  /** Replies with many jobs, in turns: all of them can have a hundred megabytes. */
  async #reservedBatch(answer: JobBody[] | NoJob): Promise<void> {
    if (typeof answer === "string") return this.#replies.word(answer);
    this.#replies.line(`RESERVED-BATCH ${answer.length}`);
    const turn = new Turn();
    for (const job of answer) {
      this.#reserved(job);
      await this.#waits.sendLong();
      if (turn.over) await turn.next();
    }
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
