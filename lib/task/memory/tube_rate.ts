import { fullAfter, fullAtRate, nextTokenAt, type Rate, tokensIn } from "../../token_bucket.ts";
import type { Timed, Timers } from "./timers.ts";

/**
 * How late a token may be handed out and still count from when it came. Timers fire a little late,
 * and without this every job of a waiting worker would push all later ones back.
 */
const MAX_LATE_MS = 20;

/** The token bucket of a tube, and the timer for its next token. */
export class TubeRate implements Timed {
  dueAt = 0;
  timerPlace = -1;
  #rate: Rate;
  readonly #timers: Timers;
  readonly #now: () => number;
  readonly #came: () => void;
  #fullAt = 0;
  #awaited = false;

  /**
   * @param rate The limit.
   * @param options The timers and the clock of the queue; `came` is called when a token that was
   * waited for is there, or when the bucket is full.
   */
  constructor(
    rate: Rate,
    { timers, now, came }: { timers: Timers; now: () => number; came: () => void },
  ) {
    this.#rate = rate;
    this.#timers = timers;
    this.#now = now;
    this.#came = came;
  }

  /** Goes by another limit, and waits for nothing until it is asked to again. */
  setRate(rate: Rate): void {
    this.#timers.clear(this);
    this.#fullAt = fullAtRate(this.#fullAt, this.#now(), rate);
    this.#rate = rate;
  }

  /** Waits for nothing any more. */
  stop(): void {
    this.#timers.clear(this);
  }

  /** Whether a job may be reserved now. */
  get hasToken(): boolean {
    return tokensIn(this.#fullAt, this.#now(), this.#rate) > 0;
  }

  /** Whether it is as good as new. */
  get full(): boolean {
    return this.#fullAt <= this.#now();
  }

  /** Takes a token. */
  take(): void {
    const now = this.#now() - (this.#awaited ? MAX_LATE_MS : 0);
    this.#fullAt = fullAfter(this.#fullAt, now, { taken: 1, rate: this.#rate });
  }

  /** Waits for the next token, for a client. */
  awaitToken(): void {
    this.#timers.set(this, nextTokenAt(this.#fullAt, this.#rate));
  }

  /** Waits until the bucket is full, unless it already waits for something. */
  awaitFull(): void {
    if (this.timerPlace === -1) this.#timers.set(this, this.#fullAt);
  }

  due(): void {
    this.#awaited = true;
    this.#came();
    this.#awaited = false;
  }
}
