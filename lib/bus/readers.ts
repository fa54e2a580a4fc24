import type { Log } from "../log.ts";
import { Reader, type ReaderConnection, type ReaderOptions } from "./reader.ts";

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
