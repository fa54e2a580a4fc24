/**
 * Signals that follow the first within this time count as the same one. A Ctrl-C reaches every process
 * at the terminal, and `deno task` and npx then forward theirs as well.
 */
const SAME_SIGNAL_MS = 500;

/** The signals that stop a command: the first asks it to finish, the second to exit at once. */
const SIGNALS: readonly Deno.Signal[] = ["SIGINT", "SIGTERM"];

/** Listens for SIGINT and SIGTERM. */
export class StopSignals implements Disposable {
  readonly #stopping = new AbortController();
  readonly #ending = new AbortController();
  #firstMs = 0;
  readonly #onSignal = () => this.#receive();

  constructor() {
    for (const signal of SIGNALS) Deno.addSignalListener(signal, this.#onSignal);
  }

  /** Aborts with the first signal. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Aborts with the second one. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  #receive(): void {
    if (!this.stopping.aborted) {
      this.#firstMs = performance.now();
      this.#stopping.abort();
    } else if (performance.now() - this.#firstMs > SAME_SIGNAL_MS) this.#ending.abort();
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, this.#onSignal);
  }
}
