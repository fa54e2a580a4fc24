/** One part of a soak: clients of one daemon that check every reply, or what disturbs them. */
export interface Part {
  readonly name: string;
  /**
   * Runs until `stop` aborts, then checks that nothing was lost. It runs twice: first to warm up.
   *
   * @returns A summary of the work, for the report.
   * @throws {Error} If the daemon did anything wrong.
   */
  run(stop: AbortSignal): Promise<string>;
}

/** A random name that misbehaving clients will not guess. */
export function secretName(): string {
  return crypto.randomUUID().slice(0, 8);
}

/** A random integer from 0 to `end - 1`. */
export function below(end: number): number {
  return Math.floor(Math.random() * end);
}

/** Resolves after `ms` milliseconds, or when `stop` aborts. */
export function pause(ms: number, stop?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      stop?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    stop?.addEventListener("abort", end, { once: true });
  });
}
