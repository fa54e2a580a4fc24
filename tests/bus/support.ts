import { Batch } from "../../lib/bus/batch.ts";
import { Reader, type ReaderConnection, type ReaderOptions } from "../../lib/bus/reader.ts";
import type { Subscriber, Subscription } from "../../lib/bus/subscription.ts";
import { ConnectionClosedError } from "../../lib/net/connection.ts";
import type { Messages } from "../../lib/net/outbox.ts";
import { TestLog } from "../support/log.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A client whose writes complete as the test decides. */
export class FakeConnection implements ReaderConnection {
  readonly id = 1;
  readonly remote = "test:1";
  closed = false;
  text = "";
  readonly #take: (bytes: Uint8Array) => Promise<void>;
  #pending: PromiseWithResolvers<void> | undefined;

  /**
   * @param take Completes a write.
   * @default {never completes it before `take()` is called}
   */
  constructor(take?: (bytes: Uint8Array) => Promise<void>) {
    this.#take = take ?? (() => (this.#pending = Promise.withResolvers<void>()).promise);
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.closed) return Promise.reject(new ConnectionClosedError("closed"));
    this.text += decoder.decode(bytes);
    return this.#take(bytes);
  }

  /** Completes the write in progress and lets the outbox notice. */
  async take(): Promise<void> {
    this.#pending?.resolve();
    for (let i = 0; i < 4; i++) await Promise.resolve();
  }

  close(): void {
    this.closed = true;
    this.#pending?.reject(new ConnectionClosedError("closed"));
  }

  get lines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }
}

/** Takes every write at once. */
export function readsAtOnce(): FakeConnection {
  return new FakeConnection(() => Promise.resolve());
}

/** A subscriber that gets lines. */
export class TestSubscriber implements Subscriber {
  readonly connection: FakeConnection;
  readonly reader: Reader;
  readonly log = new TestLog();
  readonly over: Subscription[] = [];
  echo = true;
  services: string[] = [];
  subscriptions = 0;

  constructor(connection = readsAtOnce(), options: Partial<ReaderOptions> = {}) {
    this.connection = connection;
    this.reader = new Reader(connection, {
      queue: 100,
      queue_bytes: 1_000_000,
      slow_after: 20,
      on_full: "drop",
      ...options,
      log: this.log.log,
    });
  }

  encode(batch: Batch): Messages {
    return batch.lines;
  }

  hears(service: string): boolean {
    return this.services.includes(service);
  }

  ended(subscription: Subscription): void {
    this.over.push(subscription);
  }

  /** What it has been written, newlines and all. */
  get lines(): string[] {
    return this.connection.lines;
  }

  /** Lets the outbox write everything it can. */
  async settle(): Promise<this> {
    await this.reader.outbox.flushed();
    return this;
  }
}

/** Messages, back to back. */
export function messages(...texts: string[]): Messages {
  const bytes = encoder.encode(texts.join(""));
  let end = 0;
  return { bytes, ends: texts.map((text) => end += encoder.encode(text).length) };
}

/** A batch of lines, whose newlines are added. */
export function lines(subject: string, texts: string[], origin?: object): Batch {
  return Batch.ofLines(subject, messages(...texts.map((text) => `${text}\n`)), origin);
}

/** The payloads of a batch, as text. */
export function payloadTexts({ payloads: { bytes, starts, ends } }: Batch): string[] {
  return Array.from(ends, (end, i) => decoder.decode(bytes.subarray(starts[i], end)));
}

/** Messages as text. */
export function texts({ bytes, ends }: Messages): string[] {
  return Array.from(ends, (end, i) => decoder.decode(bytes.subarray(i && ends[i - 1], end)));
}
