import type { Log } from "../../log.ts";
import { Histogram } from "../../metrics.ts";
import type { Connection } from "../../net/connection.ts";
import type { LineBatch, LineFramerOptions } from "../../net/line_framer.ts";
import { loginByLine } from "../../net/line_login.ts";
import { LineReader } from "../../net/line_reader.ts";
import type { Login } from "../../net/login.ts";
import { tooLongReply } from "./broadcast.ts";
import { mayPublish, NO_RIGHT } from "./line_rights.ts";
import { logMessages } from "./message_log.ts";
import type { EchoMetrics } from "../metrics.ts";

const encoder = new TextEncoder();

const CLIENT = { describe: () => ({ protocol: "lines" }) };

/** Confirm mode: writes each message to the log and replies to its sender alone. */
export class Confirmer {
  /** Seconds from reading a message until its reply was written. */
  readonly duration = new Histogram();
  readonly #limits: LineFramerOptions;
  readonly #log: Log;
  #reply: Uint8Array;
  /** The reply, repeated as often as any batch has needed. */
  #replies: Uint8Array;
  #clients = 0;
  #messages = 0;
  #delivered = 0;
  #longLines = 0;

  /**
   * @param reply What it replies to each line.
   * @param options The limits of lines, which may change, and the log that messages go to.
   */
  constructor(reply: string, { limits, log }: { limits: LineFramerOptions; log: Log }) {
    this.#limits = limits;
    this.#log = log;
    this.#reply = this.#replies = encodeReply(reply);
  }

  /** Changes the reply. */
  setReply(reply: string): void {
    this.#reply = this.#replies = encodeReply(reply);
  }

  /**
   * Serves a client until it leaves. It must complete the login first, if there is one, and needs the
   * right to publish on the subject of the port.
   */
  async serve(connection: Connection, subject: string, login?: Login): Promise<void> {
    const reader = new LineReader(connection, this.#limits);
    if (login?.pending && !await loginByLine(connection, reader, login)) return;
    if (!mayPublish(login, subject)) return await connection.write(NO_RIGHT);
    const fields = { client: connection.id, address: connection.remote };
    connection.client = CLIENT;
    this.#clients++;
    try {
      for (let batch = await reader.read(); batch !== null; batch = await reader.read()) {
        const readMs = performance.now();
        for (let wait; (wait = this.#log.ready()) !== undefined;) await wait;
        logMessages(this.#log, batch, fields);
        const longLines = countLongLines(batch);
        const messages = batch.count - longLines;
        this.#longLines += longLines;
        this.#messages += messages;
        await connection.write(this.#repliesTo(batch, longLines));
        this.#delivered += messages;
        this.duration.observe((performance.now() - readMs) / 1000, messages);
      }
    } finally {
      this.#clients--;
    }
  }

  /** What has been counted so far; a reply counts as a delivery. */
  metrics(): EchoMetrics {
    return {
      clients: this.#clients,
      slowClients: 0,
      messages: this.#messages,
      delivered: this.#delivered,
      dropped: 0,
      longLines: this.#longLines,
    };
  }

  /** The replies to all lines of a batch. The array is shared and must not be changed. */
  #repliesTo(batch: LineBatch, longLines: number): Uint8Array {
    if (longLines > 0) return this.#mixedRepliesTo(batch);
    const length = batch.count * this.#reply.length;
    if (length > this.#replies.length) {
      const replies = new Uint8Array(2 * length - length % this.#reply.length);
      for (let at = 0; at + this.#reply.length <= replies.length; at += this.#reply.length) {
        replies.set(this.#reply, at);
      }
      this.#replies = replies;
    }
    return this.#replies.subarray(0, length);
  }

  #mixedRepliesTo(batch: LineBatch): Uint8Array {
    const replies: number[] = [];
    const tooLong = tooLongReply(this.#limits.maxLineBytes);
    for (let i = 0; i < batch.count; i++) {
      replies.push(...(batch.isTooLong(i) ? tooLong : this.#reply));
    }
    return new Uint8Array(replies);
  }
}

function encodeReply(reply: string): Uint8Array {
  return encoder.encode(`${reply}\n`);
}

function countLongLines(batch: LineBatch): number {
  let count = 0;
  for (let i = 0; i < batch.count; i++) if (batch.isTooLong(i)) count++;
  return count;
}
