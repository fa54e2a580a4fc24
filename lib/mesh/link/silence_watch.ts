/** How many times per timeout the watch looks, and the owner may send a ping. */
export const CHECKS_PER_TIMEOUT = 6;

/** Options for {@linkcode SilenceWatch}. */
export interface SilenceWatchOptions {
  /** How long the other side may be silent. */
  timeoutMs: number;
  /** Called at each check. */
  onCheck: () => void;
  /** Called once, when the other side has been silent for the timeout. */
  onSilent: () => void;
}

/**
 * Notices that the other side of a link has fallen silent.
 *
 * It counts checks instead of comparing times. If this process was suspended or busy, what the other
 * side has sent meanwhile is still to be read; by the clock, it would be blamed for a pause that was
 * made here. Such a pause is one late check, however long it was.
 */
export class SilenceWatch implements Disposable {
  /** Whether anything can be heard at all: nobody is silent while this side does not read. */
  listening = true;
  readonly #options: SilenceWatchOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #silentChecks = 0;

  constructor(options: SilenceWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.check(), options.timeoutMs / CHECKS_PER_TIMEOUT);
  }

  /** Starts the time anew. */
  heard(): void {
    this.#silentChecks = 0;
  }

  /** Looks once; the timer calls this. */
  check(): void {
    // The first check can come right after the last sign of life, so one more makes a timeout.
    if (this.listening && ++this.#silentChecks > CHECKS_PER_TIMEOUT) {
      clearInterval(this.#timer);
      this.#options.onSilent();
    } else this.#options.onCheck();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
