/** Options for {@linkcode Batcher}. */
export interface BatcherOptions<T> {
  /** How many batches may be on their way at once. */
  maxFlying: number;
  /** How many items a batch has at most. */
  maxItems: number;
  /** No item is added to a batch of so many bytes. @default {Infinity} */
  maxBytes?: number;
  /** How many bytes an item has. */
  bytesOf?: (item: T) => number;
  /** Does the work of a batch. It tells the owners of the items, and never throws. */
  execute(items: T[]): Promise<void>;
}

/**
 * Gathers what is asked for at the same moment into batches: what comes while all batches are on
 * their way waits for the next one. So a batch is as large as the work is slow.
 */
export class Batcher<T> {
  readonly #options: BatcherOptions<T>;
  #waiting: T[] = [];
  #flying = 0;
  #scheduled = false;

  constructor(options: BatcherOptions<T>) {
    this.#options = options;
  }

  /** Adds an item to the batch that leaves next. */
  add(item: T): void {
    this.#waiting.push(item);
    if (this.#scheduled || this.#flying === this.#options.maxFlying) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    const { maxFlying, execute } = this.#options;
    while (this.#waiting.length > 0 && this.#flying < maxFlying) {
      const items = this.#next();
      this.#flying++;
      execute(items).finally(() => {
        this.#flying--;
        this.#send();
      });
    }
  }

  #next(): T[] {
    const { maxItems, maxBytes = Infinity, bytesOf = () => 0 } = this.#options;
    let count = 0;
    for (let bytes = 0; count < this.#waiting.length && count < maxItems; count++) {
      if (bytes > maxBytes) break;
      bytes += bytesOf(this.#waiting[count]!);
    }
    const items = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return items;
  }
}
