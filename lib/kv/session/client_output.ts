/**
 * The socket of a Redis client, which can become a monitor. Its replies and the lines about other
 * clients' commands then share one bounded queue, so that no other client ever waits for a monitor.
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
  /** Whether the reply to MONITOR has been sent; no line may come before it. */
  #greeted = false;

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
    this.#greeted = false;
    if (!on) {
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
      this.#greeted = true;
      // A copy, since this does not wait until the bytes are sent. A monitor has few replies.
      this.#offer({ bytes: bytes.slice(), ends: [bytes.length] });
      return;
    }
    await this.#outbox!.flushed();
    this.#outbox = undefined;
    await this.#connection.write(bytes);
  }

  offer(line: Messages): void {
    if (this.#greeted) this.#offer(line);
  }

  #offer(messages: Messages): void {
    if (this.#outbox!.offer(messages, 0, performance.now()) === messages.ends.length) return;
    this.monitor(false);
    this.#onSlow();
    this.#connection.close();
  }
}
