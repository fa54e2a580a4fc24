/**
 * A connection that speaks the Redis protocol. It reads what has arrived, runs all of it, sends
 * the replies in one write, and reads again. It does not read before that write has completed;
 * that is all the back-pressure needed.
 *
 * Commands on keys start in order without waiting for each other, so that an engine that commits
 * in groups gets them together. Their replies are collected in order. A command that works on
 * whole databases, or changes how replies are encoded, waits for all commands before it.
 *
 * @module
 */

import type { ReadBuffer } from "../../net/read_buffer.ts";
import type { MaybePromise } from "../../storage/store.ts";
import { asReply } from "../commands/errors.ts";
import { HeldReplies } from "../held_replies.ts";
import { maxUnreadBytes } from "../limits.ts";
import { RespParser } from "../resp/parser.ts";
import { nextTurn, Turn } from "../../turn.ts";
import type { TableEntry } from "../commands/table.ts";
import { ErrorReply, NO_REPLY, Pushes, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { ReplyWriter, type Sink } from "../resp/writer.ts";
import type { Session } from "./session.ts";

/** The number of replies that may be pending at a time. */
const MAX_PENDING = 1024;

/** Output of this size is sent before any further command runs. */
const MAX_OUTPUT_BYTES = 256 * 1024;

/** An array with more items than this is sent while it is being encoded. */
const MAX_SHORT_ITEMS = 256;

/** The clock is read once in so many short requests, and once in so many times 4 KiB of them. */
const REQUESTS_PER_CLOCK_READ = 32;

/** After this much of a request, its reads count as work. */
const LONG_REQUEST_BYTES = 64 * 1024;

/** A request of this length keeps its bytes. A shorter one is copied in less than 4 ms. */
const MIN_KEPT_BYTES = 1024 * 1024;

/** The items of a long reply that are encoded between two readings of the clock. */
const ITEMS_PER_CLOCK_READ = 64;

/** Why the loop over the buffered requests has stopped. */
type Pause = "no request" | "settle" | "paused" | "not ready" | "flush" | "turn is over" | "close";

/** The part of a socket that a connection uses. */
export interface RespSocket extends Sink {
  read(into: Uint8Array, request?: number): Promise<number | null>;
  /** Whether messages wait for the next replies to be written. */
  readonly holding: boolean;
  /** Called when every reply so far has been written whole. */
  replied(): void;
  /** Notes how many requests were read, beside those noted before. */
  countRequests(count: number): void;
}

/** Serves one connection. */
export class RespConnection {
  readonly #socket: RespSocket;
  readonly #buffer: ReadBuffer;
  readonly #session: Session;
  readonly #parser: RespParser;
  readonly #writer: ReplyWriter;
  /** Replies in order, starting with the first that is still pending. */
  #pending: MaybePromise<Reply>[] = [];
  /** Replies in the writer whose changes are not durable yet. */
  readonly #held = new HeldReplies();
  /** Whether the parser holds a request that must wait. */
  #waits = false;
  /** What that request waits for; see {@linkcode Command.ready}. */
  #ready: Promise<void> | undefined;
  /** What was done since the clock was read; see {@linkcode REQUESTS_PER_CLOCK_READ}. */
  #work = 0;

  constructor(socket: RespSocket, buffer: ReadBuffer, session: Session) {
    this.#socket = socket;
    this.#buffer = buffer;
    this.#session = session;
    this.#writer = new ReplyWriter((message) => session.server.metrics.countError(message));
    this.#parser = new RespParser(session.server.limits);
    this.#parser.strict = !session.authenticated;
  }

  /** Serves the client until one side closes the connection. */
  async serve(): Promise<void> {
    for (;;) {
      const pause = this.#runRequests();
      if (this.#pending.length > 0) await this.#settle();
      else if (this.#held.count > 0) await this.#settleHeld();
      const ends = pause === "close" || this.#session.closing;
      const { size } = this.#writer;
      const sends = pause !== "settle" || ends || size > MAX_OUTPUT_BYTES;
      if (size > 0 && (sends || this.#session.peer.monitoring || this.#socket.holding)) {
        await this.#writer.flush(this.#socket);
      }
      this.#socket.replied();
      if (ends) return;
      if (pause === "turn is over") await nextTurn();
      if (pause === "not ready") await this.#ready;
      if (pause === "paused") await this.#session.server.watch.pause.over();
      if (pause !== "no request") continue;
      // Reading a long request is work, too.
      const isLong = this.#buffer.end - this.#buffer.start >= LONG_REQUEST_BYTES;
      if (isLong && this.#session.server.turn.over) await nextTurn();
      // The limit may have changed since the client connected.
      this.#buffer.maxBytes = maxUnreadBytes(this.#session.server.limits);
      if (!await this.#buffer.fill(this.#socket)) return;
    }
  }

  /** Runs the requests in the buffer. */
  #runRequests(): Pause {
    const session = this.#session, buffer = this.#buffer, parser = this.#parser;
    const { metrics, store, watch, turn } = session.server;
    const startMs = metrics.batchStartMs();
    let count = 0;
    let isHeld = false;
    try {
      for (;;) {
        if (this.#waits) {
          this.#waits = false;
        } else {
          const status = parser.parse(buffer.bytes, buffer.start, buffer.end);
          if (status === "incomplete") {
            buffer.consume(parser.consumed);
            return "no request";
          }
          if (status === "error") {
            metrics.protocolErrors++;
            this.#emit(new ErrorReply(`ERR ${parser.error}`));
            return "close";
          }
        }
        const { request } = parser;
        if (parser.consumed >= MIN_KEPT_BYTES) this.#keepBytes(request);
        const entry = session.resolve(request);
        if (entry instanceof ErrorReply) {
          if (isBrowser(request.text(0, 8))) return "close";
          this.#emit(entry);
        } else if (watch.active && session.isPaused(entry)) {
          this.#waits = true;
          return "paused";
        } else if (this.#pending.length > 0 && store.bytes?.ready === false) {
          // A write among the pending commands may not have begun, but a read would run at once.
          this.#waits = true;
          return "settle";
        } else if (this.#pending.length > 0 || watch.active || !this.#runBytes(entry, request)) {
          this.#work = REQUESTS_PER_CLOCK_READ;
          this.#ready = entry.command.ready?.();
          if (this.#ready !== undefined) {
            this.#waits = true;
            return "not ready";
          }
          if (this.#hasReplies && session.mayHearItself(entry)) {
            this.#waits = true;
            return "flush";
          }
          const alone = session.isAlone(entry, request);
          this.#waits = alone && (this.#pending.length > 0 || this.#held.count > 0);
          if (this.#waits) return "settle";
          const { protocol } = session;
          const reply = session.run(entry, request);
          if (session.protocol !== protocol) this.#writer.protocol = session.protocol;
          this.#emit(reply);
          if (alone && reply instanceof Promise) {
            buffer.consume(parser.consumed);
            return "settle";
          }
          isHeld = this.#socket.holding;
        }
        count++;
        buffer.consume(parser.consumed);
        if (session.closing) return "close";
        if (this.#pending.length >= MAX_PENDING) return "settle";
        // Messages wait for the reply to SUBSCRIBE.
        if (isHeld) return "flush";
        // The line about a command follows its reply, so a monitor gets its replies one by one.
        if (watch.active && session.peer.monitoring) return "flush";
        if (this.#writer.size >= MAX_OUTPUT_BYTES) return "flush";
        this.#work += 1 + (parser.consumed >>> 12);
        if (this.#work >= REQUESTS_PER_CLOCK_READ) {
          this.#work = 0;
          if (turn.over) return "turn is over";
        }
      }
    } finally {
      if (count > 0) {
        session.lastActiveMs = Date.now();
        this.#socket.countRequests(count);
      }
      metrics.batchDone(startMs, count);
    }
  }

  /** Whether replies to earlier commands are not sent yet. */
  get #hasReplies(): boolean {
    return this.#writer.size > 0 || this.#pending.length > 0 || this.#held.count > 0;
  }

  /** Leaves the bytes of a long request to it, so that what it stores need not be copied first. */
  #keepBytes(request: Request): void {
    this.#buffer.giveUp(this.#parser.consumed);
    this.#parser.consumed = 0;
    request.ownsBytes = true;
    this.#work = REQUESTS_PER_CLOCK_READ;
  }

  /** Runs a command on bytes, if possible; returns whether it was. */
  #runBytes(entry: TableEntry, request: Request): boolean {
    const writer = this.#writer;
    const start = writer.position;
    if (!this.#session.runBytes(entry, request, writer)) return false;
    const { bytes } = this.#session.server.store;
    const { seen } = bytes!;
    if (seen !== 0) this.#held.add(start, writer.position, bytes!.flushed(seen));
    return true;
  }

  /** Waits until the replies in the writer are true, or replaced by errors. */
  #settleHeld(): Promise<void> {
    return this.#held.settle((failed) => this.#writer.replace(failed, asReply));
  }

  #emit(reply: MaybePromise<Reply>): void {
    const session = this.#session;
    if (session.replyMode !== "on") reply = this.#silence(reply);
    if (this.#pending.length > 0 || reply instanceof Promise || isLong(reply)) {
      this.#pending.push(reply);
    } else {
      this.#writer.write(reply);
    }
  }

  /** Replaces a reply that the client does not want; see CLIENT REPLY. */
  #silence(reply: MaybePromise<Reply>): MaybePromise<Reply> {
    const session = this.#session;
    // CLIENT REPLY SKIP itself does not count as the skipped command.
    if (reply === NO_REPLY) return reply;
    if (session.replyMode === "skip") session.replyMode = "on";
    return reply instanceof Promise ? reply.then(pushesOf) : pushesOf(reply);
  }

  /** Waits for all pending replies, and writes them. */
  async #settle(): Promise<void> {
    const pending = this.#pending;
    // Both wait at once: a promise that nobody waits for must not reject.
    const held = this.#held.count > 0 ? this.#settleHeld() : undefined;
    const outcomes = await Promise.allSettled(pending);
    this.#pending = [];
    if (held !== undefined) await held;
    // HELLO or an EXEC may have changed the protocol. It ran alone, so no other reply is affected.
    this.#writer.protocol = this.#session.protocol;
    // Commands that log in run alone, so the next request is parsed after this.
    this.#parser.strict = !this.#session.authenticated;
    for (const outcome of outcomes) {
      const wait = this.#write(
        outcome.status === "fulfilled" ? outcome.value : asReply(outcome.reason),
      );
      if (wait !== undefined) await wait;
    }
  }

  /**
   * Writes a reply. A long one is sent in parts: one short request can ask for the same value a
   * million times.
   *
   * @returns A promise to await before writing the next reply, if necessary.
   */
  #write(reply: Reply): Promise<void> | undefined {
    if (isLong(reply)) return this.#writeItems(reply);
    this.#writer.write(reply);
    if (this.#writer.size >= MAX_OUTPUT_BYTES) return this.#writer.flush(this.#socket);
  }

  async #writeItems(items: readonly Reply[]): Promise<void> {
    this.#writer.beginArray(items.length);
    const turn = new Turn();
    let left = ITEMS_PER_CLOCK_READ;
    for (const item of items) {
      const wait = this.#write(item);
      if (wait !== undefined) await wait;
      if (--left > 0) continue;
      left = ITEMS_PER_CLOCK_READ;
      if (turn.over) await turn.next();
    }
  }
}

/** What remains of a reply that the client does not want: as in Redis, what is pushed is no reply. */
function pushesOf(reply: Reply): Reply {
  return reply instanceof Pushes ? reply : NO_REPLY;
}

/** Whether a reply, or part of it, may be too large to encode in memory at once. */
function isLong(reply: Reply): reply is readonly Reply[] {
  return Array.isArray(reply) && (reply.length > MAX_SHORT_ITEMS || reply.some(isLong));
}

/** Whether a request is a line of HTTP, sent by a browser that was tricked into connecting. */
function isBrowser(name: string): boolean {
  return /^(post|host:)$/i.test(name);
}
