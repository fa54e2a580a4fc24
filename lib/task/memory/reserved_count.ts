/** Counts the reserved jobs, and resolves promises when none is left. */
export class ReservedCount {
  #count = 0;
  #waiting: (() => void)[] = [];

  /** Counts a job that is reserved now. */
  add(): void {
    this.#count++;
  }

  /** Counts a job that is no longer reserved. */
  remove(): void {
    this.#count--;
    if (this.#count === 0) { for (const resolve of this.#waiting.splice(0)) resolve(); }
  }

  /** Resolves when no job is reserved. */
  none(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
