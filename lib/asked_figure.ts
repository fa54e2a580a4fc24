/** After an answer that took a while, nobody asks for so many times as long. */
const REST_FACTOR = 20;

/** Options for {@linkcode AskedFigure}. */
export interface AskedFigureOptions<T> {
  /** Finds it out. */
  ask: () => Promise<T>;
  /** How long an answer is good enough. */
  maxAgeMs: number;
  /** Told when it could not be found out. */
  onError: (error: unknown) => void;
}

/**
 * A figure that others have to be asked for, such as the size of a table. Nobody waits for it:
 * whoever looks gets the last answer at once, and if that is old, the question goes out again for
 * the next one who looks. To ask takes at most a twentieth of the time, however slow the answers.
 */
export class AskedFigure<T> {
  readonly #options: AskedFigureOptions<T>;
  #value: T | undefined;
  #restUntilMs = 0;
  #asking = false;

  constructor(options: AskedFigureOptions<T>) {
    this.#options = options;
  }

  /** The last answer; `undefined` if there was none yet, or the last question came to nothing. */
  get value(): T | undefined {
    if (!this.#asking && performance.now() >= this.#restUntilMs) void this.#ask();
    return this.#value;
  }

  async #ask(): Promise<void> {
    const { ask, maxAgeMs, onError } = this.#options;
    const startMs = performance.now();
    this.#asking = true;
    try {
      this.#value = await ask();
    } catch (error) {
      this.#value = undefined;
      onError(error);
    } finally {
      const endMs = performance.now();
      this.#restUntilMs = endMs + Math.max(maxAgeMs, REST_FACTOR * (endMs - startMs));
      this.#asking = false;
    }
  }
}
