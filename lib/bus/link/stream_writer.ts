import type { MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { type Batch } from "../batch.ts";
import { BusUnavailableError } from "../errors.ts";
import { OWN_INBOXES, STREAM_PREFIX } from "./order_subjects.ts";

/** How many messages may be on their way. Newer servers refuse more than 10 000 of all clients. */
const UNACKNOWLEDGED_MAX_MESSAGES = 500;

/** A batch that the stream has not acknowledged yet. */
interface Pending {
  batch: Batch;
  headers: MsgHdrs | undefined;
  sinceMs: number;
  /** The message to send next. */
  next: number;
  /** How many messages are not acknowledged. */
  left: number;
  stored: () => void;
  fail: (error: BusUnavailableError) => void;
}

/** Settings of a {@linkcode StreamWriter}. */
export interface StreamWriterOptions {
  /** How long a batch may take to be stored. */
  timeoutMs: number;
  /** Called if no stream takes the messages. */
  lost: () => void;
}

/**
 * Puts messages into the stream in the order in which they are given to it. The stream acknowledges
 * each one. A message that has not been sent when its time is up is not sent any more.
 */
export class StreamWriter {
  readonly #nats: NatsConnection;
  readonly #options: StreamWriterOptions;
  readonly #inbox = `${OWN_INBOXES}.${crypto.randomUUID()}`;
  /** Batches with messages to send, in order. */
  readonly #unsent = new Set<Pending>();
  /** All batches, oldest first. */
  readonly #pending = new Set<Pending>();
  /** The batch of each message on its way, by the last token of the subject for its reply. */
  readonly #sent = new Map<string, Pending>();
  #lastId = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failed: BusUnavailableError | undefined;

  constructor(nats: NatsConnection, options: StreamWriterOptions) {
    this.#nats = nats;
    this.#options = options;
    nats.subscribe(`${this.#inbox}.*`, {
      callback: (error, { subject, headers, data }) => {
        if (error !== null) return;
        this.#acknowledged(subject.slice(this.#inbox.length + 1), {
          refusal: headers?.code === 503 ? "there is no stream" : refusalIn(data),
          lost: headers?.code === 503,
        });
      },
    });
  }

  /**
   * Resolves when the stream has stored a batch.
   *
   * @param batch The messages.
   * @param headers The headers of each.
   * @throws {BusUnavailableError} If that is not certain.
   */
  publish(batch: Batch, headers: MsgHdrs | undefined): Promise<void> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    const { promise, resolve: stored, reject: fail } = Promise.withResolvers<void>();
    const sinceMs = performance.now();
    const pending = { batch, headers, sinceMs, next: 0, left: batch.count, stored, fail };
    this.#pending.add(pending);
    this.#unsent.add(pending);
    this.#timer ??= setTimeout(() => this.#expire(), this.#options.timeoutMs);
    this.#send();
    return promise;
  }

  /** Gives up: nothing that is not acknowledged, and nothing published from now on, is stored. */
  close(error: BusUnavailableError): void {
    this.#failed ??= error;
    clearTimeout(this.#timer);
    for (const pending of this.#pending) this.#fail(pending, error);
    this.#sent.clear();
  }

  #send(): void {
    for (const pending of this.#unsent) {
      const { batch, headers } = pending;
      const { bytes, starts, ends } = batch.payloads;
      while (pending.next < batch.count) {
        if (this.#sent.size >= UNACKNOWLEDGED_MAX_MESSAGES) return;
        const id = String(++this.#lastId);
        const payload = bytes.subarray(starts[pending.next], ends[pending.next]);
        try {
          this.#nats.publish(STREAM_PREFIX + batch.subject, payload, {
            reply: `${this.#inbox}.${id}`,
            ...(headers === undefined ? {} : { headers }),
          });
        } catch (cause) {
          const { message } = cause as Error;
          this.#fail(pending, new BusUnavailableError(message, { cause }));
          break;
        }
        this.#sent.set(id, pending);
        pending.next++;
      }
      this.#unsent.delete(pending);
    }
  }

  #acknowledged(id: string, result: { refusal: string | undefined; lost: boolean }): void {
    const pending = this.#sent.get(id);
    if (pending === undefined) return;
    this.#sent.delete(id);
    if (result.refusal !== undefined) {
      const reason = `The stream does not take the message: ${result.refusal}`;
      this.#fail(pending, new BusUnavailableError(reason));
    } else if (--pending.left === 0) {
      this.#pending.delete(pending);
      pending.stored();
    }
    if (result.lost) this.#options.lost();
    this.#send();
  }

  #fail(pending: Pending, error: BusUnavailableError): void {
    this.#pending.delete(pending);
    this.#unsent.delete(pending);
    pending.fail(error);
  }

  /** Fails the batches whose time is up, and waits for their acknowledgements no longer. */
  #expire(): void {
    const error = new BusUnavailableError("The stream of NATS does not answer");
    const latestMs = performance.now() - this.#options.timeoutMs;
    const expired = new Set<Pending>();
    this.#timer = undefined;
    for (const pending of this.#pending) {
      if (pending.sinceMs > latestMs) {
        const waitMs = Math.max(1, pending.sinceMs - latestMs);
        this.#timer = setTimeout(() => this.#expire(), waitMs);
        break;
      }
      expired.add(pending);
      this.#fail(pending, error);
    }
    if (expired.size === 0) return;
    for (const [id, pending] of this.#sent) if (expired.has(pending)) this.#sent.delete(id);
    this.#send();
  }
}

/** The reason of a refusal, if an acknowledgement is one. */
function refusalIn(data: Uint8Array): string | undefined {
  try {
    const { error } = JSON.parse(new TextDecoder().decode(data));
    return error === undefined ? undefined : String(error.description ?? "no reason given");
  } catch {
    return "the reply is no acknowledgement";
  }
}
