import { delay } from "@std/async/delay";
import type { Log } from "../log.ts";
import { Reader, type ReaderConnection, type ReaderOptions } from "./reader.ts";

/** How long a client that has ended its input may take to read its remaining messages. */
const FLUSH_MAX_MS = 10_000;

/** What the readers of a service have counted together. */
export interface ReaderMetrics {
  clients: number;
  slowClients: number;
  /** Messages sent, counted once for each client. */
  delivered: number;
  dropped: number;
}

/** The readers of one service, which share their limits. */
export class Readers {
  readonly #options: ReaderOptions & { log: Log };
  readonly #present = new Set<Reader>();
  /** Readers that have left and still have messages in their outbox. */
  readonly #leaving = new Set<Reader>();
  #delivered = 0;
  #dropped = 0;

  constructor(options: ReaderOptions, log: Log) {
    const { queue, queue_bytes, slow_after, on_full } = options;
    this.#options = { queue, queue_bytes, slow_after, on_full, log };
  }

  /** Changes the limits: `on_full` for all clients, the others for those that come later. */
  setLimits({ queue, queue_bytes, slow_after, on_full }: ReaderOptions): void {
    Object.assign(this.#options, { queue, queue_bytes, slow_after, on_full });
  }

  /** Adds a client. */
  join(connection: ReaderConnection): Reader {
    const reader = new Reader(connection, this.#options);
    this.#present.add(reader);
    return reader;
  }

  /** Notes that a client receives nothing new. Messages in its outbox are still written. */
  leave(reader: Reader): void {
    if (this.#present.delete(reader)) this.#leaving.add(reader);
  }

  /** Waits until a client that receives nothing new has got its last messages, and forgets it. */
  async dismiss(reader: Reader): Promise<void> {
    this.leave(reader);
    const limit = new AbortController();
    const tooLate = delay(FLUSH_MAX_MS, { signal: limit.signal }).catch(() => {});
    await Promise.race([reader.outbox.flushed(), tooLate]);
    limit.abort();
    this.gone(reader);
  }

  /** Forgets a client, once nothing more will be written to it. */
  gone(reader: Reader): void {
    this.leave(reader);
    if (!this.#leaving.delete(reader)) return;
    reader.gone();
    this.#delivered += reader.outbox.delivered;
    this.#dropped += reader.dropped;
  }

  /** What has been counted so far. */
  metrics(): ReaderMetrics {
    let delivered = this.#delivered;
    let dropped = this.#dropped;
    let slowClients = 0;
    for (const readers of [this.#present, this.#leaving]) {
      for (const reader of readers) {
        if (reader.outbox.slow || reader.outbox.isOverdue()) slowClients++;
        delivered += reader.outbox.delivered;
        dropped += reader.dropped;
      }
    }
    return { clients: this.#present.size, slowClients, delivered, dropped };
  }
}
