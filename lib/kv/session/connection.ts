/**
 * A connection that speaks Redis' protocol: read what there is, do all of it, answer with one
 * write, read again. Nothing more is read before that write is taken, which is all the
 * back-pressure there has to be.
 *
 * Commands on keys are begun in their order without waiting for one another, so that an engine
 * that commits in groups gets them together; their replies are collected in order. A command over
 * whole databases, and one that changes how replies are written, waits for all before it.
 *
 * @module
 */

import type { ReadBuffer } from "../../net/read_buffer.ts";
import type { MaybePromise } from "../../storage/store.ts";
import { asReply } from "../failures.ts";
import type { Session } from "./session.ts";
import { batchDone, batchStartMs, countError } from "../shared.ts";
import { RespParser } from "../resp/parser.ts";
import { CommandError, NO_REPLY, type Reply } from "../resp/reply.ts";
import { ReplyWriter, type Sink } from "../resp/writer.ts";

/** How many replies may be waited for at a time. */
const MAX_PENDING = 1024;

/** From so much output on, it is sent before anything more is done. */
const MAX_OUTPUT_BYTES = 256 * 1024;

/** An array with more items is sent while it is written. */
const MAX_SHORT_ITEMS = 256;

/** After so many requests there is a look at the clock; a power of two. */
const REQUESTS_PER_LOOK = 16;

/** When requests have taken so long from one look to another, others get their turn. */
const MAX_TURN_MS = 20;

/** Why the loop over the requests that are there came to its end. */
type Pause = "no request" | "settle" | "flush" | "turn is over" | "close";

/** What the connection needs of a socket. */
export interface RespSocket extends Sink {
  read(into: Uint8Array, request?: number): Promise<number | null>;
}

/** Serves one connection. */
export class RespConnection {
  readonly #socket: RespSocket;
  readonly #buffer: ReadBuffer;
  readonly #session: Session;
  readonly #parser: RespParser;
  readonly #writer: ReplyWriter;
  /** Replies in order, from the first one on that is not there yet. */
  #pending: MaybePromise<Reply>[] = [];
  /** Whether a request was read that has to wait for those before it. */
  #held = false;

  constructor(socket: RespSocket, buffer: ReadBuffer, session: Session) {
    this.#socket = socket;
    this.#buffer = buffer;
    this.#session = session;
    this.#writer = new ReplyWriter((message) => countError(session.shared.counts, message));
    this.#parser = new RespParser(session.shared.limits);
    this.#parser.strict = !session.authenticated;
  }

  /** Serves it until the client leaves or has to go. */
  async serve(): Promise<void> {
    for (;;) {
      const pause = this.#runRequests();
      if (this.#pending.length > 0) await this.#settle();
      const ends = pause === "close" || this.#session.closing;
      const { size } = this.#writer;
      if (size > 0 && (pause !== "settle" || ends || size > MAX_OUTPUT_BYTES)) {
        await this.#writer.flush(this.#socket);
      }
      if (ends) return;
      if (pause === "turn is over") await new Promise((resolve) => setTimeout(resolve, 0));
      if (pause === "no request" && !await this.#buffer.fill(this.#socket)) return;
    }
  }

  /** Does the requests that are there. */
  #runRequests(): Pause {
    const session = this.#session, buffer = this.#buffer, parser = this.#parser;
    const { counts } = session.shared;
    const startMs = batchStartMs(counts);
    let count = 0;
    let lookedMs = 0;
    try {
      for (;;) {
        if (!this.#held) {
          const status = parser.parse(buffer.bytes, buffer.start, buffer.end);
          if (status === "incomplete") {
            buffer.consume(parser.consumed);
            return "no request";
          }
          if (status === "error") {
            counts.protocolErrors++;
            this.#emit(new CommandError(`ERR ${parser.error}`));
            return "close";
          }
        }
        const { request } = parser;
        const entry = session.resolve(request);
        if (entry instanceof CommandError) {
          if (isBrowser(request.text(0, 8))) return "close";
          this.#emit(entry);
        } else {
          const alone = session.isAlone(entry);
          this.#held = alone && this.#pending.length > 0;
          if (this.#held) return "settle";
          const { protocol } = session;
          const reply = session.run(entry, request);
          if (session.protocol !== protocol) this.#writer.protocol = session.protocol;
          // Whatever changes that waits for all before it, and lets nothing behind it be read before.
          if (alone) parser.strict = !session.authenticated;
          this.#emit(reply);
          if (alone && reply instanceof Promise) {
            buffer.consume(parser.consumed);
            return "settle";
          }
        }
        count++;
        buffer.consume(parser.consumed);
        if (session.closing) return "close";
        if (this.#pending.length >= MAX_PENDING) return "settle";
        if (this.#writer.size >= MAX_OUTPUT_BYTES) return "flush";
        if (count % REQUESTS_PER_LOOK === 0) {
          const nowMs = performance.now();
          if (lookedMs !== 0 && nowMs - lookedMs > MAX_TURN_MS) return "turn is over";
          lookedMs ||= nowMs;
        }
      }
    } finally {
      if (count > 0) session.lastActiveMs = Date.now();
      batchDone(counts, startMs, count);
    }
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

  /** What is left of a reply when the client does not want it. */
  #silence(reply: MaybePromise<Reply>): MaybePromise<Reply> {
    const session = this.#session;
    // The command that asks for silence is not the one that is skipped.
    if (reply === NO_REPLY) return reply;
    if (session.replyMode === "skip") session.replyMode = "on";
    return reply instanceof Promise ? reply.then(() => NO_REPLY) : NO_REPLY;
  }

  /** Waits for all replies that are not there yet, and writes them. */
  async #settle(): Promise<void> {
    const pending = this.#pending;
    const outcomes = await Promise.allSettled(pending);
    this.#pending = [];
    // If an EXEC has changed it, that is the only one that was waited for.
    this.#writer.protocol = this.#session.protocol;
    for (const outcome of outcomes) {
      const wait = this.#write(
        outcome.status === "fulfilled" ? outcome.value : asReply(outcome.reason),
      );
      if (wait !== undefined) await wait;
    }
  }

  /**
   * Writes a reply. What there is of it is sent before there is too much: one short request can ask
   * for a value a million times.
   *
   * @returns What to wait for before the next one, if anything.
   */
  #write(reply: Reply): Promise<void> | undefined {
    if (isLong(reply)) return this.#writeItems(reply);
    this.#writer.write(reply);
    if (this.#writer.size >= MAX_OUTPUT_BYTES) return this.#writer.flush(this.#socket);
  }

  async #writeItems(items: readonly Reply[]): Promise<void> {
    this.#writer.beginArray(items.length);
    for (const item of items) {
      const wait = this.#write(item);
      if (wait !== undefined) await wait;
    }
  }
}

/** Whether a reply, or a part of it, may have more bytes than there should be in memory. */
function isLong(reply: Reply): reply is readonly Reply[] {
  return Array.isArray(reply) && (reply.length > MAX_SHORT_ITEMS || reply.some(isLong));
}

/** Whether a request is a line that a browser sends, which somebody may have lured here. */
function isBrowser(name: string): boolean {
  return /^(post|host:)$/i.test(name);
}
