/** How many times per timeout the watch looks. */
const CHECKS_PER_TIMEOUT = 6;

/** Options for {@linkcode StallWatch}. */
export interface StallWatchOptions {
  timeoutMs: number;
  /** What the job waits for although nothing can provide it, or `undefined` if all is well. */
  blockedOn: () => string | undefined;
  /** A number that changes whenever anything moves. */
  turnover: () => number;
  /** Called once, when the job has been blocked for the timeout. */
  onStall: (error: Error) => void;
}

/**
 * Ends a wait that nothing can end. Peers that fall silent have a timeout of their own, and slow
 * disks none; this is for slots that nobody will release, which would be an error in this program.
 *
 * The watch counts checks instead of comparing times, so a process that was suspended for longer
 * than the timeout gets all of it again to go on.
 */
export class StallWatch implements Disposable {
  readonly #options: StallWatchOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #turnover = -1;
  #blockedChecks = 0;

  constructor(options: StallWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.check(), options.timeoutMs / CHECKS_PER_TIMEOUT);
  }

  /** Looks once; the timer calls this. */
  check(): void {
    const { timeoutMs, blockedOn, turnover, onStall } = this.#options;
    const before = this.#turnover;
    this.#turnover = turnover();
    const wait = blockedOn();
    if (wait === undefined || this.#turnover !== before) {
      this.#blockedChecks = 0;
      return;
    }
    if (++this.#blockedChecks !== CHECKS_PER_TIMEOUT) return;
    clearInterval(this.#timer);
    onStall(new Error(`Cannot go on: waited ${timeoutMs / 1000} s for ${wait}`));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
