import { ReadBuffer } from "../../net/read_buffer.ts";
import type { ClientDescription, Connection } from "../../net/connection.ts";
import { StorageUnavailableError } from "../../storage/store.ts";
import { nextTurn } from "../../turn.ts";
import type { QueueClient } from "../queue.ts";
import type { BeanstalkCommand, CommandKind } from "./command.ts";
import { CommandRunner, type Waits } from "./command_runner.ts";
import type { BeanstalkContext } from "./context.ts";
import { LimitedRunner } from "./limited_runner.ts";
import { loginByCommand } from "./login.ts";
import { CommandParser } from "./parser.ts";
import { ReplyBuffer } from "./reply_buffer.ts";
import { MAX_BATCH_BYTES, MAX_LINE_BYTES } from "./words.ts";

/** When more than this is waiting to be sent, it is sent before the next command runs. */
const FLUSH_BYTES = 64 * 1024;

/** Several of these in a row start without waiting for each other; see {@linkcode CommandRunner.run}. */
const OVERLAPPING: ReadonlySet<CommandKind> = new Set<CommandKind>(["put", "delete"]);

/** These wait for a job or for other clients, which says nothing about this server. */
const WAITING: ReadonlySet<CommandKind> = new Set<CommandKind>([
  "reserve",
  "reserve-with-timeout",
  "reserve-batch",
  "wait",
]);

/** A command of more bytes than this, such as a batch, may take as long as many short ones. */
const LONG_COMMAND_BYTES = 4096;

/** While a command waits, no more than this is read ahead. */
const READ_AHEAD_BYTES = 16 * 1024;

/**
 * The session of one client of the beanstalk protocol. It runs all commands of one read and answers
 * them with one write, unless a command has to wait for a job or for the engine.
 */
export class BeanstalkSession implements Waits {
  readonly #connection: Connection;
  readonly #context: BeanstalkContext;
  readonly #client: QueueClient;
  readonly #parser: CommandParser;
  readonly #input: ReadBuffer;
  #maxInputBytes: number;
  readonly #replies = new ReplyBuffer();
  readonly #runner: CommandRunner;
  /** Runs the commands of a client with limited rights. */
  #limited: LimitedRunner | null = null;
  /** The pending read. It continues while a command waits, to notice that the client has left. */
  #reading: Promise<boolean> | null = null;
  #overlapping: Promise<void>[] = [];
  #overlappingKind: CommandKind | null = null;
  /** Whether a command of this batch waited for another client. */
  #waited = false;
  /** Whether a command waits for a job or an outcome. */
  #waiting = false;
  #ended = false;

  constructor(connection: Connection, context: BeanstalkContext) {
    this.#connection = connection;
    connection.client = this;
    this.#context = context;
    this.#client = context.queue.connect({ address: connection.remote, port: "beanstalk" });
    this.#parser = new CommandParser(context);
    this.#runner = new CommandRunner(this.#client, {
      context,
      replies: this.#replies,
      waits: this,
    });
    this.#maxInputBytes = maxInputBytes(context);
    this.#input = new ReadBuffer({ maxBytes: this.#maxInputBytes });
  }

  /** Describes the client, for lists of connections. */
  describe(): ClientDescription {
    return { protocol: "beanstalk", state: this.#waiting ? "waits for a job" : undefined };
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
      if (login !== undefined && login.rights !== null) {
        const options = { client: this.#client, replies: this.#replies, login };
        this.#limited = new LimitedRunner(this.#runner, options);
      }
      do {
        const startMs = performance.now();
        const before = this.#runner.commands;
        this.#waited = false;
        await this.#runAll();
        await this.#flush();
        const seconds = (performance.now() - startMs) / 1000;
        // The time that a client chose to wait for a job says nothing about this server.
        const count = this.#runner.commands - before;
        if (!this.#waited && count > 0) metrics.duration.observe(seconds / count, count);
      } while (!this.#runner.quit && await this.#read());
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error;
      // The replies in the buffer may not be true: send only the error, and disconnect. The storage
      // has logged its failure, once for all clients.
      this.#context.log.debug("Client disconnected, as the storage has failed", {
        client: this.#connection.id,
        error: error.message,
      });
      this.#replies.clear();
      this.#replies.word("INTERNAL_ERROR");
      await this.#connection.write(this.#replies.bytes);
    } finally {
      metrics.connections--;
      this.#runner.close();
      this.#client.close();
    }
  }

  /** Runs all complete commands of the input, in turns if they are many. */
  async #runAll(): Promise<void> {
    for (let count = 0; !this.#runner.quit; count++) {
      const before = this.#input.start;
      const command = this.#parser.next(this.#input);
      if (command === null) break;
      this.#connection.requestCount++;
      // A single short command does not ask for the time.
      const asks = count > 0 || this.#input.start - before > LONG_COMMAND_BYTES;
      if (asks && this.#context.turn.over) await nextTurn();
      if (this.#overlapping.length > 0 && command.kind !== this.#overlappingKind) {
        await this.#catchUp();
      }
      const limited = this.#limited;
      const pending = limited === null ? this.#runner.run(command) : limited.run(command);
      if (pending !== undefined) {
        this.#time(command, pending);
        if (limited === null && OVERLAPPING.has(command.kind)) {
          this.#overlappingKind = command.kind;
          this.#overlapping.push(pending);
          // A failure is thrown by the wait for all of them.
          pending.catch(() => {});
        } else {
          await pending;
        }
      }
      if (this.#replies.length >= FLUSH_BYTES) await this.#flush();
    }
    await this.#catchUp();
  }

  /**
   * Notes the command if it is slow. Only one that runs in turns or in a database can be, and such a
   * command leaves a promise.
   */
  #time(command: BeanstalkCommand, pending: Promise<void>): void {
    const { slow } = this.#context;
    if (slow.thresholdMs === Infinity || WAITING.has(command.kind)) return;
    const startMs = performance.now();
    const note = () => {
      const durationMs = performance.now() - startMs;
      if (durationMs < slow.thresholdMs) return;
      const { id: client, remote: address } = this.#connection;
      slow.note({ command: command.kind, key: keyOf(command), durationMs, client, address });
    };
    pending.then(note, note);
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
    // The limit may have been raised since the client connected. A lower one is not followed: the
    // body of a job that was announced before it may still come.
    this.#maxInputBytes = Math.max(this.#maxInputBytes, maxInputBytes(this.#context));
    this.#input.maxBytes = this.#maxInputBytes;
    if (this.#ended) return Promise.resolve(false);
    const { midway } = this.#parser;
    const request = midway || this.#input.end > this.#input.start ? this.#runner.commands + 1 : 0;
    if (this.#reading === null) return this.#input.fill(this.#connection, request);
    const reading = this.#reading;
    this.#reading = null;
    this.#connection.request = request;
    return reading;
  }

  async sendLong(): Promise<void> {
    if (this.#replies.length >= FLUSH_BYTES) await this.#flush();
  }

  async patiently<T>(pending: Promise<T>): Promise<T> {
    this.#waited = this.#waiting = true;
    await this.#flush();
    let over = false;
    this.#readAhead(() => over);
    try {
      return await pending;
    } finally {
      this.#waiting = false;
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
}

/** The job or the tube that a command names. */
function keyOf(command: BeanstalkCommand): string | undefined {
  if ("id" in command) return String(command.id);
  return "tube" in command ? command.tube : undefined;
}

/** How many bytes of a client may be unread: two commands with their bodies. */
function maxInputBytes({ maxJobBytes }: BeanstalkContext): number {
  return 2 * (Math.max(maxJobBytes, MAX_BATCH_BYTES) + MAX_LINE_BYTES);
}
