const STOP_SIGNALS: readonly Deno.Signal[] = ["SIGINT", "SIGTERM"];

/** The signals that the daemon obeys, from the moment this is made. */
export class Signals implements Disposable {
  /** How often SIGINT has come. */
  interrupts = 0;
  /** Resolves with the second SIGINT. */
  readonly interruptedTwice: Promise<void>;

  readonly #waiting: Deno.Signal[] = [];
  readonly #handlers = new Map<Deno.Signal, () => void>();
  #arrived = Promise.withResolvers<void>();

  constructor() {
    const twice = Promise.withResolvers<void>();
    this.interruptedTwice = twice.promise;
    const onWindows = Deno.build.os === "windows";
    for (const signal of onWindows ? ["SIGINT"] as const : [...STOP_SIGNALS, "SIGHUP"] as const) {
      const handler = () => {
        if (signal === "SIGINT" && ++this.interrupts > 1) twice.resolve();
        this.#waiting.push(signal);
        this.#arrived.resolve();
      };
      this.#handlers.set(signal, handler);
      Deno.addSignalListener(signal, handler);
    }
  }

  /** The next signal that has not been handed out. */
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
