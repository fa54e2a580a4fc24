const STOP_SIGNALS: readonly Deno.Signal[] = ["SIGINT", "SIGTERM"];

const SIGNALS: readonly Deno.Signal[] = [...STOP_SIGNALS, "SIGHUP", "SIGUSR2"];

/**
 * SIGINTs that follow the first within this time count as the same one. A Ctrl-C reaches every
 * process at the terminal, and `deno task` and npx then forward theirs to the daemon as well.
 */
const SAME_INTERRUPT_MS = 500;

/** Collects the signals that the daemon obeys, from the moment it is constructed. */
export class Signals implements Disposable {
  /** Aborts with the first SIGINT or SIGTERM. */
  readonly stop: AbortSignal;
  /** Resolves with the second SIGINT. */
  readonly interruptedTwice: Promise<void>;

  readonly #waiting: Deno.Signal[] = [];
  readonly #handlers = new Map<Deno.Signal, () => void>();
  #interruptedMs: number | undefined;
  #arrived = Promise.withResolvers<void>();

  constructor() {
    const twice = Promise.withResolvers<void>();
    const stop = new AbortController();
    this.interruptedTwice = twice.promise;
    this.stop = stop.signal;
    const onWindows = Deno.build.os === "windows";
    for (const signal of onWindows ? ["SIGINT"] as const : SIGNALS) {
      const handler = () => {
        if (signal === "SIGINT" && this.#isSecondInterrupt()) twice.resolve();
        this.#waiting.push(signal);
        this.#arrived.resolve();
        if (STOP_SIGNALS.includes(signal)) stop.abort();
      };
      this.#handlers.set(signal, handler);
      Deno.addSignalListener(signal, handler);
    }
  }

  #isSecondInterrupt(): boolean {
    const nowMs = performance.now();
    this.#interruptedMs ??= nowMs;
    return nowMs - this.#interruptedMs > SAME_INTERRUPT_MS;
  }

  /** Returns the next signal, waiting for one if necessary. */
  async next(): Promise<Deno.Signal> {
    while (this.#waiting.length === 0) {
      this.#arrived = Promise.withResolvers<void>();
      await this.#arrived.promise;
    }
    return this.#waiting.shift()!;
  }

  [Symbol.dispose](): void {
    for (const [signal, handler] of this.#handlers) Deno.removeSignalListener(signal, handler);
  }
}
