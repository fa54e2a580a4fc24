/** Runs one asynchronous job at a time, in the order of the calls: a lock around a connection. */
export class StatementQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `job` when all earlier ones have finished; settles as `job` does. */
  run<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#last.then(job);
    this.#last = result.catch(() => {});
    return result;
  }
}
