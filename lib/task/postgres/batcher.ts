/** Options for {@linkcode Batcher}. */
export interface BatcherOptions<T> {
  /** How many batches may be in flight at once. */
  maxFlying: number;
  /** The most items in a batch. */
  maxItems: number;
  /** A batch with more bytes than this takes no further item. @default {Infinity} */
  maxBytes?: number;
  /** The size of an item in bytes. */
  bytesOf?: (item: T) => number;
  /** Executes a batch and reports to the owners of its items. Never rejects. */
  execute(items: T[]): Promise<void>;
}

/**
 * Combines items that arrive at the same moment into batches. Items that arrive while `maxFlying`
 * batches are in flight wait for the next one, so batches grow with the latency of the work.
 */
export class Batcher<T> {
  readonly #options: BatcherOptions<T>;
  #waiting: T[] = [];
  #flying = 0;
  #scheduled = false;

  constructor(options: BatcherOptions<T>) {
    this.#options = options;
  }

  /** Adds an item to the next batch. */
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
