/**
 * The socket of a Redis client, which can become a monitor. Its replies and the lines about other
 * clients' commands then share one bounded queue, so that no other client ever waits for a monitor.
 * As in Redis, the line about a command of the monitor itself follows its reply.
 *
 * @module
 */

import type { Connection } from "../../net/connection.ts";
import { type Messages, Outbox } from "../../net/outbox.ts";
import type { MonitorFeed, Monitors } from "../monitors.ts";
import type { RespSocket } from "./connection.ts";

/** What may be queued for a monitor that does not read. Beyond it, the monitor is disconnected. */
const LIMITS = { maxMessages: 10_000, maxBytes: 1024 * 1024 };

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
    this.#outbox ??= new Outbox(this.#connection, {
      ...LIMITS,
      slowAfterMs: Infinity,
      onSlow: () => {},
    });
    this.#monitors.add(this);
  }

  read(into: Uint8Array, request?: number): Promise<number | null> {
    return this.#connection.read(into, request);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#outbox === undefined ? this.#connection.write(bytes) : this.#writeQueued(bytes);
  }

  async #writeQueued(bytes: Uint8Array): Promise<void> {
    if (this.#monitoring) {
      this.#replying = true;
      // A copy, since this does not wait until the bytes are sent. A monitor has few replies.
      this.#offer({ bytes: bytes.slice(), ends: [bytes.length] });
      return;
    }
    await this.#outbox!.flushed();
    this.#outbox = undefined;
    await this.#connection.write(bytes);
  }

  offer(line: Messages, sender: number): void {
    if (!this.#replying && sender !== this.#connection.id) return this.#offer(line);
    this.#heldBytes += line.bytes.length;
    const { maxMessages, maxBytes } = LIMITS;
    if (this.#held.push(line) > maxMessages || this.#heldBytes > maxBytes) this.#disconnect();
  }

  replied(): void {
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
