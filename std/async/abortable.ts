/**
 * Stops waiting for a promise when a signal aborts. The work behind the promise continues.
 *
 * @param p The promise.
 * @param signal Ends the wait.
 * @throws The signal's reason, by default a `DOMException` named "AbortError".
 */
export function abortable<T>(p: Promise<T>, signal: AbortSignal): Promise<T>;
/**
 * Stops iterating when a signal aborts. Like the registry's package it waits for the source to
 * return, which an async generator or a stream only does once its pending read has ended.
 *
 * @param p The items.
 * @param signal Ends the iteration.
 * @throws The signal's reason, by default a `DOMException` named "AbortError".
 */
export function abortable<T>(p: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T>;
export function abortable<T>(
  p: Promise<T> | AsyncIterable<T>,
  signal: AbortSignal,
): Promise<T> | AsyncGenerator<T> {
  return p instanceof Promise ? abortablePromise(p, signal) : abortableItems(p, signal);
}

async function abortablePromise<T>(p: Promise<T>, signal: AbortSignal): Promise<T> {
  using aborted = new Aborted(signal);
  return await Promise.race([aborted.promise, p]);
}

async function* abortableItems<T>(p: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  using aborted = new Aborted(signal);
  const items = p[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await Promise.race([aborted.promise, items.next()]);
      if (next.done) {
        ended = true;
        return next.value;
      }
      yield next.value;
    }
  } finally {
    if (!ended) await items.return?.();
  }
}

/** A promise that rejects when a signal aborts, until it is disposed of. */
class Aborted implements Disposable {
  readonly promise: Promise<never>;
  readonly #signal: AbortSignal;
  readonly #abort: () => void;

  constructor(signal: AbortSignal) {
    const { promise, reject } = Promise.withResolvers<never>();
    // It may reject between two items, when no one awaits it.
    promise.catch(() => {});
    this.promise = promise;
    this.#signal = signal;
    this.#abort = () => reject(signal.reason);
    if (signal.aborted) this.#abort();
    signal.addEventListener("abort", this.#abort, { once: true });
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#abort);
  }
}
