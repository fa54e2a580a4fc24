/** Loads something again and again, one request at a time. */
export class Poller<T> {
  readonly #load: () => Promise<T>;
  readonly #show: (value: T) => void;
  readonly #fail: (message: string) => void;
  readonly #everyMs: number;
  /** The number of the last request; the answer to an older one is no longer wanted. */
  #request = 0;
  #loading = false;
  #lastMs = -Infinity;

  /**
   * @param load Makes the request.
   * @param options `show` and `fail` take its outcome; `everyMs` is the least time between two.
   */
  constructor(
    load: () => Promise<T>,
    options: { show: (value: T) => void; fail: (message: string) => void; everyMs: number },
  ) {
    this.#load = load;
    this.#show = options.show;
    this.#fail = options.fail;
    this.#everyMs = options.everyMs;
  }

  /** Loads if the last request was long enough ago. */
  tick(): void {
    if (this.#loading || performance.now() - this.#lastMs < this.#everyMs) return;
    void this.now();
  }

  /** Loads now. The answer to a request that is under way is ignored. */
  async now(): Promise<void> {
    const request = ++this.#request;
    this.#loading = true;
    this.#lastMs = performance.now();
    try {
      const value = await this.#load();
      if (request === this.#request) this.#show(value);
    } catch (error) {
      if (request === this.#request) {
        this.#fail(error instanceof Error ? error.message : String(error));
      }
    } finally {
      if (request === this.#request) this.#loading = false;
    }
  }

  /** Ignores the answer to a request that is under way. */
  stop(): void {
    this.#request++;
    this.#loading = false;
  }
}
