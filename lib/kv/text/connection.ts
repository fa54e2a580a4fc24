/**
 * A connection that speaks the text protocol. It reads what has arrived, runs all of it, sends the
 * replies in one write, and reads again.
 *
 * @module
 */

import type { ClientDescription, Connection } from "../../net/connection.ts";
import type { LineBatch } from "../../net/line_framer.ts";
import { LineReader } from "../../net/line_reader.ts";
import type { Entry, Key, MaybePromise } from "../../storage/store.ts";
import { valueBytes } from "../../storage/value.ts";
import type { ServerState } from "../commands/context.ts";
import type { RightsHolder } from "../commands/denial.ts";
import { HeldReplies } from "../held_replies.ts";
import { shownFirstWord } from "../language.ts";
import { nextTurn, Turn } from "../../turn.ts";
import type { Following } from "./followers.ts";
import { runByteLine } from "./byte_lines.ts";
import {
  errorReply,
  type PlainCommand,
  type ReplyLine,
  runText,
  TEXT_SPACE,
  type TextReply,
} from "./commands.ts";
import { checkRights } from "./denial.ts";
import { parseTextLine, type TextCommand, TextError, UnknownTextCommandError } from "./parser.ts";
import { MAX_TEXT_OUTPUT_BYTES, PIECE_BYTES, TextWriter } from "./writer.ts";

/** The number of replies that may be pending at a time. */
const MAX_PENDING = 1024;

/** Replies to a client that follows changes. */
const OK_LINE = new TextEncoder().encode("OK\n");
const FOLLOWING_LINE = new TextEncoder().encode(
  "ERR this connection follows changes: use another one, or QUIT\n",
);

/** The number of pairs in the first page that LIST reads, and the maximum. */
const FIRST_PAGE = 16;
const MAX_PAGE = 1000;

/** The size of a page that LIST aims for. */
const PAGE_BYTES = 256 * 1024;

/** The clock is read once in so many lines, and once in so many pairs of LIST. */
const LINES_PER_CLOCK_READ = 16;

/** The part of the server that text connections use. */
export type TextServer =
  & Pick<ServerState, "store" | "limits" | "metrics" | "commands" | "turn" | "watch">
  & { readonly following: Following };

/** Serves one connection. */
export class TextConnection {
  readonly #socket: Connection;
  readonly #server: TextServer;
  readonly #login: RightsHolder | undefined;
  readonly #reader: LineReader;
  readonly #writer = new TextWriter();
  /** Replies in order, starting with the first that is still pending. */
  #pending: MaybePromise<TextReply>[] = [];
  /** Replies in the writer whose changes are not durable yet. */
  readonly #held = new HeldReplies();
  /** The word by which the language was detected. */
  readonly #firstWord: string;
  #linesSinceClock = 0;
  #following = false;

  /**
   * @param socket The connection.
   * @param unread Bytes that were read while detecting the language, from the first line on.
   * @param server What all connections share.
   * @param login The client's login, which is complete; `undefined` if the service requires none.
   */
  constructor(socket: Connection, unread: Uint8Array, server: TextServer, login?: RightsHolder) {
    this.#socket = socket;
    socket.client = this;
    this.#server = server;
    this.#login = login;
    this.#firstWord = shownFirstWord(unread);
    this.#reader = new LineReader(socket, server.limits, unread);
  }

  /** Describes the client, for lists of connections. */
  describe(): ClientDescription {
    return { protocol: "text", state: this.#following ? "waits for changes" : undefined };
  }

  /** Serves the client until one side closes the connection. */
  async serve(): Promise<void> {
    const { metrics } = this.#server;
    for (;;) {
      const batch = await this.#reader.read();
      if (batch === null) return;
      const startMs = metrics.batchStartMs();
      const goOn = await this.#runLines(batch);
      await this.#settle();
      await this.#writer.flush(this.#socket);
      metrics.batchDone(startMs, batch.count);
      if (!goOn) return;
    }
  }

  /** Runs all lines of a batch; returns whether to continue after it. */
  async #runLines(batch: LineBatch): Promise<boolean> {
    const { store, turn } = this.#server;
    for (let line = 0; line < batch.count; line++) {
      if (this.#writer.size >= MAX_TEXT_OUTPUT_BYTES) {
        await this.#settle();
        await this.#writer.flush(this.#socket);
      }
      if (++this.#linesSinceClock % LINES_PER_CLOCK_READ === 0 && turn.over) {
        await this.#settle();
        await nextTurn();
      }
      // A write among the pending commands may not have begun, but a read would run at once.
      if (this.#pending.length > 0 && store.bytes?.ready === false) await this.#settle();
      const rights = this.#login?.rights ?? null;
      if (rights === null && this.#runBytes(batch, line)) continue;
      const command = this.#parse(batch, line);
      if (command === undefined) continue;
      if (command.name === "list" || command.name === "count") await this.#settle();
      if (command.name === "follow") {
        await this.#settle();
        await this.#writer.flush(this.#socket);
        await this.#follow(command.prefix, { batch, line: line + 1 });
        return false;
      }
      if (command.name === "list") {
        await this.#list(command);
      } else {
        this.#run(command);
        if (command.name === "quit") return false;
        if (command.name === "count") await this.#settle();
      }
      if (this.#pending.length >= MAX_PENDING) await this.#settle();
    }
    return true;
  }

  /** Runs a line on ranges of bytes, if possible; returns whether it did. */
  #runBytes(batch: LineBatch, line: number): boolean {
    const { bytes } = this.#server.store, { metrics } = this.#server;
    if (
      bytes === undefined || !bytes.ready || this.#server.watch.followed ||
      this.#pending.length > 0 || batch.isTooLong(line)
    ) return false;
    const writer = this.#writer;
    const start = writer.size;
    bytes.seen = 0;
    try {
      const from = batch.starts[line]!, to = batch.ends[line]!;
      const name = runByteLine(batch.bytes, from, to, bytes, writer);
      if (name === undefined) return false;
      metrics.countTextCall(name);
    } catch (error) {
      writer.cut(start);
      writer.text(`${this.#error(error)}\n`);
    }
    if (bytes.seen !== 0) this.#held.add(start, writer.size, bytes.flushed(bytes.seen));
    return true;
  }

  #parse(batch: LineBatch, line: number): TextCommand | undefined {
    const { limits, metrics } = this.#server;
    if (batch.isTooLong(line)) {
      metrics.rejected++;
      this.#emit(this.#error(new TextError(`line too long (limit ${limits.maxLineBytes} bytes)`)));
      return undefined;
    }
    try {
      const command = parseTextLine(batch.bytes, batch.starts[line]!, batch.ends[line]!);
      if (this.#login !== undefined) checkRights(command, this.#login);
      metrics.countTextCall(command.name);
      return command;
    } catch (error) {
      metrics.rejected++;
      this.#emit(this.#error(this.#explained(error)));
      return undefined;
    }
  }

  /** Says what is wrong with a command that only the Redis protocol has. */
  #explained(error: unknown): unknown {
    if (!(error instanceof UnknownTextCommandError)) return error;
    const { command } = error;
    if (this.#server.commands.get(command) === undefined) return error;
    return new TextError(
      `${command.toUpperCase()} is a command of the Redis protocol, but this connection speaks ` +
        `the text protocol, because its first word was "${this.#firstWord}"`,
    );
  }

  /** The reply for an error, which also counts it. */
  #error(error: unknown): string {
    const reply = errorReply(error);
    this.#server.metrics.countError(reply);
    return reply;
  }

  #run(command: PlainCommand): void {
    const { store, watch: { slow } } = this.#server;
    const startMs = slow.thresholdMs === Infinity ? 0 : performance.now();
    try {
      const reply = runText(command, store);
      if (startMs > 0) this.#time(command, reply, startMs);
      this.#emit(reply);
    } catch (error) {
      this.#emit(this.#error(error));
    }
  }

  /** Notes the command if it is slow. As in Redis, waiting for the disk does not count. */
  #time(command: PlainCommand, reply: MaybePromise<TextReply>, startMs: number): void {
    const { store, watch: { slow } } = this.#server;
    const note = () => {
      const durationMs = performance.now() - startMs;
      if (durationMs < slow.thresholdMs) return;
      const key = "key" in command ? new TextDecoder().decode(valueBytes(command.key)) : undefined;
      const { id: client, remote: address } = this.#socket;
      slow.note({ command: command.name, key, durationMs, client, address });
    };
    if (!(reply instanceof Promise)) note();
    else if (store.bytes === undefined || command.name === "count") reply.then(note, note);
  }

  #emit(reply: MaybePromise<TextReply>): void {
    if (
      this.#pending.length > 0 || reply instanceof Promise || !isOneLine(reply) || isLong(reply)
    ) {
      this.#pending.push(reply);
    } else {
      void this.#write(reply);
    }
  }

  /** Writes a line; returns a promise to await before the next one if it is long. */
  #write(reply: ReplyLine): Promise<void> | undefined {
    if (typeof reply === "string") {
      this.#writer.text(`${reply}\n`);
      return undefined;
    }
    this.#writer.text("VALUE ");
    const wait = this.#writer.value(reply.value, "value", this.#socket);
    if (wait !== undefined) return wait.then(() => this.#writer.text("\n"));
    this.#writer.text("\n");
  }

  /** Waits for the replies that are held, and for all pending ones, which it writes. */
  async #settle(): Promise<void> {
    // Both wait at once: a promise that nobody waits for must not reject.
    const held = this.#held.count > 0
      ? this.#held.settle((failed) => this.#writer.replace(failed, (error) => this.#error(error)))
      : undefined;
    const pending = this.#pending;
    const outcomes = pending.length > 0 ? await Promise.allSettled(pending) : [];
    if (held !== undefined) await held;
    this.#pending = [];
    for (const outcome of outcomes) {
      const reply = outcome.status === "fulfilled" ? outcome.value : this.#error(outcome.reason);
      for (const line of isOneLine(reply) ? [reply] : reply) {
        await this.#write(line);
        if (this.#writer.size >= MAX_TEXT_OUTPUT_BYTES) await this.#writer.flush(this.#socket);
      }
    }
  }

  /** LIST: writes page after page, and reads each only after the previous one is sent. */
  async #list(command: TextCommand & { name: "list" }): Promise<void> {
    const { prefix, limit } = command;
    let { after } = command;
    let left = limit;
    let pageSize = FIRST_PAGE;
    let first = true;
    const turn = new Turn();
    while (left > 0) {
      const count = Math.min(pageSize, left);
      const page = await this.#page(prefix, after, count);
      if (typeof page === "string") {
        // The start of the line is already sent, so the error goes on a line of its own.
        this.#writer.text(first ? page : `\n${page}`);
        break;
      }
      let bytes = 0, pairs = 0;
      for (const [key, { value }] of page) {
        if (!first) this.#writer.text(",");
        first = false;
        const afterKey = this.#writer.value(key, "key", this.#socket);
        if (afterKey !== undefined) await afterKey;
        this.#writer.text("=");
        const afterValue = this.#writer.value(value, "item", this.#socket);
        if (afterValue !== undefined) await afterValue;
        bytes += key.length + value.length;
        if (++pairs % LINES_PER_CLOCK_READ === 0 && turn.over) await turn.next();
        if (this.#writer.size >= MAX_TEXT_OUTPUT_BYTES) await this.#writer.flush(this.#socket);
      }
      if (page.length < count) break;
      left -= page.length;
      after = page.at(-1)![0];
      pageSize = Math.max(1, Math.min(MAX_PAGE, Math.floor(PAGE_BYTES * page.length / bytes)));
    }
    this.#writer.text("\n");
  }

  /** FOLLOW: sends changes until the client leaves. Its remaining lines are in `rest`. */
  async #follow(prefix: Key, rest: { batch: LineBatch; line: number }): Promise<void> {
    const { followers, readers } = this.#server.following;
    const reader = readers.join(this.#socket);
    this.#following = true;
    await reader.outbox.reply(OK_LINE);
    const stop = followers.follow(reader, prefix);
    try {
      let batch: LineBatch | null = rest.batch;
      for (let line = rest.line; batch !== null; line = 0) {
        for (; line < batch.count; line++) {
          const isQuit = this.#isQuit(batch, line);
          await reader.outbox.reply(isQuit ? OK_LINE : FOLLOWING_LINE);
          if (isQuit) return;
        }
        batch = await this.#reader.read();
      }
    } finally {
      stop();
      await readers.dismiss(reader);
    }
  }

  #isQuit(batch: LineBatch, line: number): boolean {
    if (batch.isTooLong(line)) return false;
    try {
      return parseTextLine(batch.bytes, batch.starts[line]!, batch.ends[line]!).name === "quit";
    } catch (error) {
      if (error instanceof TextError) return false;
      throw error;
    }
  }

  /** A page of pairs, or an error reply. */
  async #page(
    prefix: Key,
    after: Key | undefined,
    limit: number,
  ): Promise<[Key, Entry][] | string> {
    const range = after === undefined ? { prefix, limit } : { prefix, after, limit };
    try {
      return await this.#server.store.scan(TEXT_SPACE, range);
    } catch (error) {
      return this.#error(error);
    }
  }
}

function isLong(line: ReplyLine): boolean {
  return typeof line !== "string" && line.value.length > PIECE_BYTES;
}

function isOneLine(reply: TextReply): reply is ReplyLine {
  return !Array.isArray(reply);
}
