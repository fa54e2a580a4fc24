import type { MemoryLimits } from "../storage/eviction_policy.ts";
import { StorageUnavailableError, type Store, type StoreMetrics } from "../storage/store.ts";

/** Thrown by every operation until the store has loaded. */
export class LoadingError extends StorageUnavailableError {
  override name = "LoadingError";

  constructor() {
    super("loading");
  }
}

/** Takes the place of the store until the real one has loaded, so that clients can connect. */
export class LoadingStore implements Store {
  readonly maxKeyBytes = Infinity;
  #maxBytes: number;

  /** @param maxBytes Limit on bytes of keys and values, for the metrics. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  setMemoryLimits({ maxBytes }: MemoryLimits): void {
    this.#maxBytes = maxBytes;
  }

  get(): never {
    throw new LoadingError();
  }

  put(): never {
    throw new LoadingError();
  }

  transact(): never {
    throw new LoadingError();
  }

  transactSpaces(): Promise<never> {
    return Promise.reject(new LoadingError());
  }

  scan(): never {
    throw new LoadingError();
  }

  problem(): string {
    return "loading";
  }

  metrics(): StoreMetrics {
    return { maxBytes: this.#maxBytes, commitGroups: 0, committedWrites: 0, commitFailures: 0 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
