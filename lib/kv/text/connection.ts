/**
 * A connection that speaks the text protocol: read what there is, do all of it, answer with one
 * write, read again.
 *
 * @module
 */

import type { Connection } from "../../net/connection.ts";
import type { LineBatch } from "../../net/line_framer.ts";
import { LineReader } from "../../net/line_reader.ts";
import type { Entry, Key, MaybePromise } from "../../storage/store.ts";
import { batchDone, batchStartMs, countError, type KvShared } from "../shared.ts";
import { errorReply, runText, TEXT_SPACE, type TextReply } from "./commands.ts";
import { parseTextLine, type TextCommand, TextError } from "./parser.ts";
import { MAX_TEXT_OUTPUT_BYTES, PIECE_BYTES, TextWriter } from "./writer.ts";

/** How many replies may be waited for at a time. */
const MAX_PENDING = 1024;

/** How many pairs LIST reads at first, and at most. */
const FIRST_PAGE = 16;
const MAX_PAGE = 1000;

/** How many bytes a page of LIST should have. */
const PAGE_BYTES = 256 * 1024;

/** Serves one connection. */
export class TextConnection {
  readonly #socket: Connection;
  readonly #shared: KvShared;
  readonly #reader: LineReader;
  readonly #writer = new TextWriter();
  /** Replies in order, from the first one on that is not there yet. */
  #pending: MaybePromise<TextReply>[] = [];

  /**
   * @param socket The connection.
   * @param unread What was read from it to learn its language.
   * @param shared What all connections share.
   */
  constructor(socket: Connection, unread: Uint8Array, shared: KvShared) {
    this.#socket = socket;
    this.#shared = shared;
    this.#reader = new LineReader(socket, { maxLineBytes: shared.limits.maxLineBytes, unread });
  }

  /** Serves it until the client leaves. */
  async serve(): Promise<void> {
    for (;;) {
      const batch = await this.#reader.read();
      if (batch === null) return;
      const startMs = batchStartMs(this.#shared.counts);
      const goOn = await this.#runLines(batch);
      await this.#settle();
      await this.#writer.flush(this.#socket);
      batchDone(this.#shared.counts, startMs, batch.count);
      if (!goOn) return;
    }
  }

  /** Does all lines of a batch; whether the client stays. */
  async #runLines(batch: LineBatch): Promise<boolean> {
    for (let line = 0; line < batch.count; line++) {
      const command = this.#parse(batch, line);
      if (command === undefined) continue;
      if (command.name === "list" || command.name === "count") await this.#settle();
      if (command.name === "list") {
        await this.#list(command);
      } else {
        this.#run(command);
        if (command.name === "quit") return false;
        if (command.name === "count") await this.#settle();
      }
      if (this.#pending.length >= MAX_PENDING) await this.#settle();
      if (this.#writer.size >= MAX_TEXT_OUTPUT_BYTES) await this.#writer.flush(this.#socket);
    }
    return true;
  }

  #parse(batch: LineBatch, line: number): TextCommand | undefined {
    const { limits, counts } = this.#shared;
    if (batch.isTooLong(line)) {
      counts.rejected++;
      this.#emit(this.#error(new TextError(`line too long (limit ${limits.maxLineBytes} bytes)`)));
      return undefined;
    }
    try {
      const command = parseTextLine(batch.bytes, batch.starts[line]!, batch.ends[line]!);
      counts.textCalls.set(command.name, (counts.textCalls.get(command.name) ?? 0) + 1);
      return command;
    } catch (error) {
      counts.rejected++;
      this.#emit(this.#error(error));
      return undefined;
    }
  }

  /** The reply for an error, which is counted. */
  #error(error: unknown): string {
    const reply = errorReply(error);
    countError(this.#shared.counts, reply);
    return reply;
  }

  #run(command: Exclude<TextCommand, { name: "list" }>): void {
    try {
      this.#emit(runText(command, this.#shared.store));
    } catch (error) {
      this.#emit(this.#error(error));
    }
  }

  #emit(reply: MaybePromise<TextReply>): void {
    if (this.#pending.length > 0 || reply instanceof Promise || isLong(reply)) {
      this.#pending.push(reply);
    } else {
      void this.#write(reply);
    }
  }

  /** Writes a reply; what to wait for before the next one, if it is long. */
  #write(reply: TextReply): Promise<void> | undefined {
    if (typeof reply === "string") {
      this.#writer.text(`${reply}\n`);
      return undefined;
    }
    this.#writer.text("VALUE ");
    const wait = this.#writer.value(reply.value, false, this.#socket);
    if (wait !== undefined) return wait.then(() => this.#writer.text("\n"));
    this.#writer.text("\n");
  }

  /** Waits for all replies that are not there yet. */
  async #settle(): Promise<void> {
    if (this.#pending.length === 0) return;
    const outcomes = await Promise.allSettled(this.#pending);
    this.#pending = [];
    for (const outcome of outcomes) {
      const reply = outcome.status === "fulfilled" ? outcome.value : this.#error(outcome.reason);
      await this.#write(reply);
      if (this.#writer.size >= MAX_TEXT_OUTPUT_BYTES) await this.#writer.flush(this.#socket);
    }
  }

  /** LIST: writes page after page, and reads the next one when the last has been sent. */
  async #list(command: TextCommand & { name: "list" }): Promise<void> {
    const { prefix, limit } = command;
    let { after } = command;
    let left = limit;
    let pageSize = FIRST_PAGE;
    let first = true;
    while (left > 0) {
      const count = Math.min(pageSize, left);
      const page = await this.#page(prefix, after, count);
      if (typeof page === "string") {
        // What was sent of the line cannot be taken back, so the error ends it.
        this.#writer.text(first ? page : `\n${page}`);
        break;
      }
      let bytes = 0;
      for (const [key, { value }] of page) {
        if (!first) this.#writer.text(",");
        first = false;
        await this.#writer.value(key, true, this.#socket);
        this.#writer.text("=");
        await this.#writer.value(value, true, this.#socket);
        bytes += key.length + value.length;
        if (this.#writer.size >= MAX_TEXT_OUTPUT_BYTES) await this.#writer.flush(this.#socket);
      }
      if (page.length < count) break;
      left -= page.length;
      after = page.at(-1)![0];
      pageSize = Math.max(1, Math.min(MAX_PAGE, Math.floor(PAGE_BYTES * page.length / bytes)));
    }
    this.#writer.text("\n");
  }

  /** A page of pairs, or the reply that says why there is none. */
  async #page(
    prefix: Key,
    after: Key | undefined,
    limit: number,
  ): Promise<[Key, Entry][] | string> {
    const range = after === undefined ? { prefix, limit } : { prefix, after, limit };
    try {
      return await this.#shared.store.scan(TEXT_SPACE, range);
    } catch (error) {
      return this.#error(error);
    }
  }
}

function isLong(reply: TextReply): boolean {
  return typeof reply !== "string" && reply.value.length > PIECE_BYTES;
}
