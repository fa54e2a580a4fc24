/**
 * The socket of a Redis client, which can become a monitor or a subscriber.
 *
 * The replies of a monitor and the lines about other clients' commands share one bounded queue, so
 * that no other client ever waits for a monitor. As in Redis, the line about a command of the monitor
 * itself follows its reply.
 *
 * The replies of a subscriber and its messages share an outbox of the bus. Replies are written in
 * between the messages, whole and in order, and are never dropped.
 *
 * @module
 */

import type { ReaderConnection } from "../../bus/reader.ts";
import type { Connection } from "../../net/connection.ts";
import { type Messages, Outbox, type OutboxConnection } from "../../net/outbox.ts";
import type { MonitorFeed, Monitors } from "../monitors.ts";
import type { RespSocket } from "./connection.ts";

/** What may be queued for a monitor that does not read. Beyond it, the monitor is disconnected. */
const LIMITS = { maxMessages: 10_000, maxBytes: 1024 * 1024 };

/** A time during which only replies are written. */
interface ReplyTurn {
  /** Resolves when it has begun, with the way to write. */
  readonly begun: Promise<(bytes: Uint8Array) => Promise<void>>;
  end(): void;
}

/** The socket of one client. */
export class ClientOutput implements RespSocket, MonitorFeed {
  readonly #connection: Connection;
  readonly #monitors: Monitors;
  readonly #onSlow: () => void;
  #outbox: Outbox | undefined;
  #monitoring = false;
  /** Whether a reply is being written, beginning with the reply to MONITOR. */
  #replying = false;
  /** Lines that have to wait for the end of a reply. */
  #held: Messages[] = [];
  #heldBytes = 0;
  /** The outbox of a subscriber. */
  #shared: Outbox | undefined;
  #turn: ReplyTurn | undefined;

  /**
   * @param connection The client's connection. Nothing else writes to it.
   * @param monitors Where the client is registered while it is a monitor.
   * @param onSlow Called when the client is disconnected because it does not read.
   */
  constructor(connection: Connection, monitors: Monitors, onSlow: () => void) {
    this.#connection = connection;
    this.#monitors = monitors;
    this.#onSlow = onSlow;
  }

  /** Whether the client is a monitor. */
  get monitoring(): boolean {
    return this.#monitoring;
  }

  get holding(): boolean {
    return this.#turn !== undefined;
  }

  /** Makes the client a monitor, or an ordinary client again. */
  monitor(on: boolean): void {
    if (on === this.#monitoring) return;
    this.#monitoring = on;
    this.#replying = on;
    if (!on) {
      this.#held = [];
      this.#heldBytes = 0;
      this.#monitors.remove(this);
      return;
    }
    this.#outbox ??= new Outbox(this.#monitorConnection(), {
      ...LIMITS,
      slowAfterMs: Infinity,
      onSlow: () => {},
    });
    this.#monitors.add(this);
  }

  /** The connection as the outbox of a monitor writes to it. */
  #monitorConnection(): OutboxConnection {
    const connection = this.#connection;
    if (this.#shared === undefined) return connection;
    // What the client got as a subscriber comes first. There will be no more of it.
    const sent = this.#shared.flushed();
    return {
      get closed() {
        return connection.closed;
      },
      write: async (bytes) => {
        await sent;
        await connection.write(bytes);
      },
    };
  }

  /** The connection as the outbox of a subscriber writes to it. */
  get readerConnection(): ReaderConnection {
    const connection = this.#connection;
    const { id, remote } = connection;
    return {
      id,
      remote,
      get closed() {
        return connection.closed;
      },
      write: (bytes) => this.#writeAfterLines(bytes),
      close: () => connection.close(),
    };
  }

  /** Writes all further replies through the outbox of a subscriber. */
  share(outbox: Outbox): void {
    this.#shared = outbox;
  }

  /** Holds messages back from now on until the next replies are written. */
  holdMessages(): void {
    const outbox = this.#shared;
    if (outbox === undefined || this.#turn !== undefined) return;
    const begun = Promise.withResolvers<(bytes: Uint8Array) => Promise<void>>();
    const ended = Promise.withResolvers<void>();
    void outbox.exclusively((send) => {
      begun.resolve(send);
      return ended.promise;
    });
    this.#turn = { begun: begun.promise, end: ended.resolve };
  }

  read(into: Uint8Array, request?: number): Promise<number | null> {
    return this.#connection.read(into, request);
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#shared !== undefined && !this.#monitoring) return this.#writeInTurn(bytes);
    return this.#outbox === undefined ? this.#connection.write(bytes) : this.#writeQueued(bytes);
  }

  async #writeInTurn(bytes: Uint8Array): Promise<void> {
    this.holdMessages();
    const send = await this.#turn!.begun;
    await send(bytes);
  }

  async #writeQueued(bytes: Uint8Array): Promise<void> {
    if (this.#monitoring) {
      this.#replying = true;
      // A copy, since this does not wait until the bytes are sent. A monitor has few replies.
      this.#offer({ bytes: bytes.slice(), ends: [bytes.length] });
      return;
    }
    await this.#writeAfterLines(bytes);
  }

  /** Writes once the lines are written that the client got while it was a monitor. */
  async #writeAfterLines(bytes: Uint8Array): Promise<void> {
    if (this.#outbox !== undefined) {
      await this.#outbox.flushed();
      this.#outbox = undefined;
    }
    await this.#connection.write(bytes);
  }

  offer(line: Messages, sender: number): void {
    if (!this.#replying && sender !== this.#connection.id) return this.#offer(line);
    this.#heldBytes += line.bytes.length;
    const { maxMessages, maxBytes } = LIMITS;
    if (this.#held.push(line) > maxMessages || this.#heldBytes > maxBytes) this.#disconnect();
  }

  countRequests(count: number): void {
    this.#connection.requestCount += count;
  }

  replied(): void {
    this.#turn?.end();
    this.#turn = undefined;
    this.#replying = false;
    if (this.#held.length === 0) return;
    const lines = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const line of lines) {
      if (this.#monitoring) this.#offer(line);
    }
  }

  #offer(messages: Messages): void {
    const accepted = this.#outbox!.offer(messages, 0, performance.now());
    if (accepted < messages.ends.length) this.#disconnect();
  }

  #disconnect(): void {
    this.monitor(false);
    this.#onSlow();
    this.#connection.close();
  }
}
