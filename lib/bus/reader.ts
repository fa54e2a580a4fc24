import type { Log } from "../log.ts";
import { Outbox, type OutboxConnection } from "../net/outbox.ts";

/** What to do with a message when the queue of a slow client is full. */
export const ON_FULL = ["drop", "drop_oldest", "close"] as const;

/** The keys of a service's section that bound what waits for each of its clients. */
export interface ReaderOptions {
  /** How many messages may wait behind the write in progress. */
  queue: number;
  /** How many bytes may wait behind the write in progress. */
  queue_bytes: number;
  /** A client is slow once a write to it has been pending for this long, in milliseconds. */
  slow_after: number;
  /** See {@linkcode ON_FULL}. */
  on_full: typeof ON_FULL[number];
}

/** The keys of {@linkcode ReaderOptions}. */
export const READER_KEYS = ["queue", "queue_bytes", "slow_after", "on_full"] as const;

/** What a reader needs of the connection of its client. */
export interface ReaderConnection extends OutboxConnection {
  /** Identifies it in the log. */
  readonly id: number;
  /** The address of the client, for the log. */
  readonly remote: string;
  close(): void;
}

/**
 * The reading side of one client: its outbox, and what happens when that is full. Then one side has
 * to give way. If the client reads, the publisher waits: one read can bring hundreds of lines and
 * fill a queue of 100 at once, and a client that keeps reading must lose nothing. If the client is
 * slow, it loses messages. It becomes slow when a write to it has been pending for `slow_after`; so
 * it delays the others by at most that, once per slow episode.
 */
export class Reader {
  readonly connection: ReaderConnection;
  readonly outbox: Outbox;
  /** Messages dropped for this client. */
  dropped = 0;
  /** The value of `dropped` when the client last became slow. */
  #droppedBefore = 0;
  readonly #options: ReaderOptions;
  readonly #log: Log;

  /**
   * @param connection The client. Nothing else may write to it.
   * @param options Its limits; `log` is told about slow clients.
   */
  constructor(connection: ReaderConnection, options: ReaderOptions & { log: Log }) {
    this.connection = connection;
    this.#options = options;
    this.#log = options.log;
    this.outbox = new Outbox(connection, {
      maxMessages: options.queue,
      maxBytes: options.queue_bytes,
      slowAfterMs: options.slow_after,
      onSlow: (slow) => this.#onSlow(slow),
    });
  }

  /**
   * Applies `on_full` to messages that do not fit into the queue of a slow client.
   *
   * @param count The number of messages in the batch.
   * @param from The index of the first one that does not fit.
   * @returns The index of the next one to offer; `count` if the others are dropped.
   */
  overflow(count: number, from: number): number {
    const { on_full } = this.#options;
    if (on_full === "drop_oldest" && this.outbox.dropOldest()) {
      this.dropped++;
      return from;
    }
    if (on_full === "close") {
      this.#log.warn("Slow client closed", { client: this.connection.id });
      this.connection.close();
    }
    this.dropped += count - from;
    return count;
  }

  /** Logs what a slow client has lost. Call it once nothing more will be written to the client. */
  gone(): void {
    if (this.outbox.slow) this.#log.warn("Slow client left", this.#drops());
  }

  #onSlow(slow: boolean): void {
    if (!slow) return this.#log.warn("Slow client has caught up", this.#drops());
    this.#droppedBefore = this.dropped;
    const { id, remote } = this.connection;
    this.#log.warn("Client is slow", { client: id, address: remote });
  }

  /** What is logged at the end of a slow phase: how many messages it has cost. */
  #drops(): Record<string, unknown> {
    const { id, remote } = this.connection;
    const dropped = this.dropped - this.#droppedBefore;
    return { client: id, address: remote, dropped };
  }
}
