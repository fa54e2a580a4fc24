import { Histogram } from "../metrics.ts";
import { Batch } from "./batch.ts";
import type { Bus } from "./bus.ts";
import { BusUnavailableError } from "./errors.ts";

/**
 * The maximum number of bytes of one client that wait to be published. At the limit the client is
 * not read until some are published; the last read may exceed it.
 */
export const READ_AHEAD_MAX_BYTES = 1024 * 1024;

/** What each waiting batch counts on top of its messages: the memory of the objects it needs. */
const BATCH_OVERHEAD_BYTES = 256;

/** Waiting batches are joined into batches of about this size, as large as one read brings. */
const JOINED_BATCH_BYTES = 64 * 1024;

/** What the publishers of a service have counted together. */
export class PublisherMetrics {
  /** Messages published. */
  messages = 0;
  /** Seconds from reading a message until it was queued for every subscriber or dropped. */
  readonly duration = new Histogram();
}

/** Options for {@linkcode Publisher}. */
export interface PublisherOptions {
  /** Counts the messages. */
  metrics: PublisherMetrics;
  /**
   * Tells the client that messages could not be published.
   *
   * @returns A promise if what the client sends next must wait for it.
   */
  failed: (batch: Batch, error: BusUnavailableError) => Promise<void> | void;
}

/**
 * Publishes the messages of one client, in the order in which the client sent them. While a batch
 * waits for space in a full queue, the client is still read, up to {@linkcode READ_AHEAD_MAX_BYTES}.
 *
 * Without reading ahead, single-threaded clients that write a burst and then read would deadlock:
 * A's batch waits for space in B's queue; B does not read before its own write returns; the write
 * does not return before the server reads from B; the server does not read from B because B's last
 * batch waits behind A's. B would be called slow, although it reads.
 */
export class Publisher {
  readonly #bus: Bus;
  readonly #options: PublisherOptions;
  /** What is queued behind the current batch. */
  #waiting: Waiting[] = [];
  /** The counted size of the waiting batches and the current one. */
  #unpublishedBytes = 0;
  #publishing = false;
  /** Resolves when the current batch is published; `undefined` if it did not have to wait. */
  #current: Promise<void> | undefined;
  /** Resolves when every batch so far is published. */
  #all: Promise<void> = Promise.resolve();

  /**
   * @param bus Where it publishes.
   * @param options See {@linkcode PublisherOptions}.
   */
  constructor(bus: Bus, options: PublisherOptions) {
    this.#bus = bus;
    this.#options = options;
  }

  /**
   * Publishes messages, once those before them are published.
   *
   * @param batch The messages.
   * @returns A promise if the client must not be read before it resolves.
   */
  publish(batch: Batch): Promise<void> | void {
    const bytes = countedBytes(batch);
    const readMs = performance.now();
    if (this.#publishing) {
      this.#waiting.push({ work: batch, bytes, readMs });
      this.#unpublishedBytes += bytes;
    } else {
      this.#current = this.#publishNow(batch, readMs);
      if (this.#current === undefined) return;
      this.#unpublishedBytes = bytes;
      this.#all = this.#publishWaiting(bytes);
    }
    if (this.#unpublishedBytes >= READ_AHEAD_MAX_BYTES) return this.#belowLimit();
  }

  /**
   * Does something else for the client, once the messages before it are published.
   *
   * @param action What to do: now, if no message waits.
   * @returns A promise if the client must not be read before it resolves.
   */
  after(action: () => void): Promise<void> | void {
    if (!this.#publishing) return action();
    const bytes = BATCH_OVERHEAD_BYTES;
    this.#waiting.push({ work: action, bytes, readMs: performance.now() });
    this.#unpublishedBytes += bytes;
    if (this.#unpublishedBytes >= READ_AHEAD_MAX_BYTES) return this.#belowLimit();
  }

  /** Resolves when everything is published. */
  settled(): Promise<void> {
    return this.#all;
  }

  #publishNow(batch: Batch, readMs: number): Promise<void> | undefined {
    this.#options.metrics.messages += batch.count;
    const waits = this.#bus.publish(batch);
    if (waits === undefined) this.#observe(batch, readMs);
    else return this.#published(waits, batch, readMs);
  }

  async #published(waits: Promise<void>, batch: Batch, readMs: number): Promise<void> {
    try {
      await waits;
      this.#observe(batch, readMs);
    } catch (error) {
      if (!(error instanceof BusUnavailableError)) throw error;
      await this.#options.failed(batch, error);
    }
  }

  #observe({ count }: Batch, readMs: number): void {
    this.#options.metrics.duration.observe((performance.now() - readMs) / 1000, count);
  }

  async #belowLimit(): Promise<void> {
    while (this.#unpublishedBytes >= READ_AHEAD_MAX_BYTES) await this.#current;
  }

  /** Waits for the current batch, then does what has arrived in the meantime. */
  async #publishWaiting(currentBytes: number): Promise<void> {
    this.#publishing = true;
    await this.#current;
    this.#unpublishedBytes -= currentBytes;
    while (this.#waiting.length > 0) {
      const { work, bytes, readMs } = this.#takeWaiting();
      if (work instanceof Batch) {
        this.#current = this.#publishNow(work, readMs);
        await this.#current;
      } else work();
      this.#unpublishedBytes -= bytes;
    }
    this.#publishing = false;
  }

  /** Takes the oldest waiting batches, joined: one large batch costs less than many small ones. */
  #takeWaiting(): Waiting {
    const first = this.#waiting.shift()!;
    if (!(first.work instanceof Batch)) return first;
    const batches = [first.work];
    let length = first.work.byteLength;
    let { bytes } = first;
    while (length < JOINED_BATCH_BYTES) {
      const next = this.#waiting[batches.length - 1];
      if (next === undefined || !(next.work instanceof Batch)) break;
      if (!batches.at(-1)!.joins(next.work)) break;
      length += next.work.byteLength;
      bytes += next.bytes;
      batches.push(next.work);
    }
    this.#waiting.splice(0, batches.length - 1);
    return { work: Batch.joined(batches), bytes, readMs: first.readMs };
  }
}

/** What a client has sent and has not been done yet. */
interface Waiting {
  work: Batch | (() => void);
  /** What it counts towards {@linkcode READ_AHEAD_MAX_BYTES}. */
  bytes: number;
  /** When it was read, from `performance.now()`. */
  readMs: number;
}

function countedBytes({ byteLength, count }: Batch): number {
  return byteLength + Uint32Array.BYTES_PER_ELEMENT * count + BATCH_OVERHEAD_BYTES;
}
