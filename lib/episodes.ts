/** How long a cause must be quiet until its next fault begins another episode. */
const EPISODE_MS = 60_000;

/** How many causes are remembered; the one that has been quiet longest is forgotten. */
const REMEMBERED_MAX = 1000;

/** Finds out which faults are worth a line in the log: the first of each episode of one cause. */
export class Episodes {
  /** When each cause last had a fault, on the monotonic clock. */
  readonly #lastMs = new Map<string, number>();

  /**
   * Notes a fault.
   *
   * @param cause What the episode is about, such as the name of a token.
   * @returns Whether it begins an episode: the cause has had none for a minute.
   */
  begins(cause: string, nowMs: number = performance.now()): boolean {
    const last = this.#lastMs.get(cause);
    // Set anew, so that the map is in the order of the last faults.
    this.#lastMs.delete(cause);
    if (this.#lastMs.size >= REMEMBERED_MAX) {
      this.#lastMs.delete(this.#lastMs.keys().next().value!);
    }
    this.#lastMs.set(cause, nowMs);
    return last === undefined || nowMs - last >= EPISODE_MS;
  }
}
