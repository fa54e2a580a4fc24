/** After a load that took some time, the next one starts no earlier than this many times as long. */
const REST_FACTOR = 20;

/** Options for {@linkcode CachedValue}. */
export interface CachedValueOptions<T> {
  /** Loads the value. */
  load: () => Promise<T>;
  /** How old the value may be before the next read reloads it. */
  maxAgeMs: number;
  /** Called when a load fails. */
  onError: (error: unknown) => void;
  /** The time in milliseconds. @default {performance.now} */
  now?: () => number;
}

/**
 * A value that is slow to get, such as the size of a table in a database. Reading it never waits: a
 * read returns what the last load brought and, if that is old, starts a load for later reads (stale
 * while revalidate). Loads take up at most a twentieth of the time, however slow they are.
 */
export class CachedValue<T> {
  readonly #options: CachedValueOptions<T>;
  readonly #now: () => number;
  #value: T | undefined;
  #restUntilMs = -Infinity;
  #loading = false;

  constructor(options: CachedValueOptions<T>) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** What the last load brought; `undefined` before the first one and after one that failed. */
  get value(): T | undefined {
    if (!this.#loading && this.#now() >= this.#restUntilMs) void this.#load();
    return this.#value;
  }

  async #load(): Promise<void> {
    const { load, maxAgeMs, onError } = this.#options;
    const startMs = this.#now();
    this.#loading = true;
    try {
      this.#value = await load();
    } catch (error) {
      this.#value = undefined;
      onError(error);
    } finally {
      const endMs = this.#now();
      this.#restUntilMs = endMs + Math.max(maxAgeMs, REST_FACTOR * (endMs - startMs));
      this.#loading = false;
    }
  }
}
