import { BusUnavailableError } from "../errors.ts";

/** Messages that were sent and may still be on their way. */
interface Unconfirmed {
  sinceMs: number;
  confirm: () => void;
  fail: (error: BusUnavailableError) => void;
}

/**
 * Finds out which messages have got through. NATS does not acknowledge a message, but it answers a
 * PING after it has handled everything before it. So a round trip confirms all messages that were
 * sent before it began; those sent meanwhile are confirmed by the next one.
 */
export class Confirmations {
  readonly #roundTrip: () => Promise<void>;
  readonly #timeoutMs: number;
  /** Sent before the present round trip began. */
  #waiting: Unconfirmed[] = [];
  /** Sent later. */
  #next: Unconfirmed[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #roundTripSinceMs: number | undefined;
  #failed: BusUnavailableError | undefined;

  /**
   * @param roundTrip Sends a PING; resolves when the answer is there, rejects if there will be none.
   * @param timeoutMs How long a message may stay unconfirmed.
   */
  constructor(roundTrip: () => Promise<void>, timeoutMs: number) {
    this.#roundTrip = roundTrip;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether the present round trip takes longer than a message may wait. */
  get overdue(): boolean {
    return this.#roundTripSinceMs !== undefined &&
      performance.now() - this.#roundTripSinceMs >= this.#timeoutMs;
  }

  /**
   * Resolves when what has just been sent has got through.
   *
   * @throws {BusUnavailableError} If that is not certain.
   */
  sent(): Promise<void> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    const { promise, resolve: confirm, reject: fail } = Promise.withResolvers<void>();
    this.#next.push({ sinceMs: performance.now(), confirm, fail });
    this.#timer ??= setTimeout(() => this.#expire(), this.#timeoutMs);
    if (this.#roundTripSinceMs === undefined) this.#confirmAll();
    return promise;
  }

  /** Gives up: nothing that is unconfirmed, and nothing sent from now on, gets through. */
  fail(error: BusUnavailableError): void {
    this.#failed ??= error;
    clearTimeout(this.#timer);
    for (const { fail } of [...this.#waiting, ...this.#next]) fail(error);
    this.#waiting = [];
    this.#next = [];
  }

  async #confirmAll(): Promise<void> {
    while (this.#next.length > 0) {
      this.#waiting = this.#next;
      this.#next = [];
      this.#roundTripSinceMs = performance.now();
      try {
        await this.#roundTrip();
      } catch (cause) {
        return this.fail(new BusUnavailableError("The connection to NATS is lost", { cause }));
      }
      for (const { confirm } of this.#waiting) confirm();
      this.#waiting = [];
    }
    this.#roundTripSinceMs = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Fails the messages whose time is up. The oldest come first. */
  #expire(): void {
    const error = new BusUnavailableError("NATS does not answer");
    const latestMs = performance.now() - this.#timeoutMs;
    for (const list of [this.#waiting, this.#next]) {
      while (list[0] !== undefined && list[0].sinceMs <= latestMs) list.shift()!.fail(error);
    }
    const oldest = this.#waiting[0] ?? this.#next[0];
    this.#timer = oldest === undefined
      ? undefined
      : setTimeout(() => this.#expire(), Math.max(1, oldest.sinceMs - latestMs));
  }
}
