import { delay } from "./delay.ts";

/** Options for {@linkcode retry}. */
export interface RetryOptions {
  /** The factor from each wait to the next. @default {2} */
  multiplier?: number;
  /** The longest wait, in milliseconds. @default {60000} */
  maxTimeout?: number;
  /** How many attempts there are at most. @default {5} */
  maxAttempts?: number;
  /** The first wait, in milliseconds. @default {1000} */
  minTimeout?: number;
  /** The part of each wait that is random: 0 for none, 1 for all of it. @default {1} */
  jitter?: number;
  /** Whether to try again after this error. @default {() => true} */
  isRetriable?: (err: unknown) => boolean;
}

/** All attempts of {@linkcode retry} have failed; `cause` is the error of the last one. */
export class RetryError extends Error {
  /**
   * @param cause The error of the last attempt.
   * @param attempts The number of attempts.
   */
  constructor(cause: unknown, attempts: number) {
    super(`Retrying exceeded the maxAttempts (${attempts}).`, { cause });
    this.name = "RetryError";
  }
}

/**
 * Calls a function until it succeeds. Before attempt n + 1 it waits for
 * `minTimeout * multiplier ** (n - 1)` ms, at most `maxTimeout`, less a random part of up to
 * `jitter`.
 *
 * @param fn The function.
 * @param options See {@linkcode RetryOptions}.
 * @throws {RetryError} If all attempts fail.
 * @throws The error of `fn`, if `isRetriable` rejects it.
 */
export async function retry<T>(
  fn: (() => Promise<T>) | (() => T),
  options: RetryOptions = {},
): Promise<T> {
  const {
    multiplier = 2,
    maxTimeout = 60_000,
    maxAttempts = 5,
    minTimeout = 1000,
    jitter = 1,
    isRetriable = () => true,
  } = options;
  // Each condition is false for NaN.
  const rules: [name: string, value: number, isRight: boolean, wanted: string][] = [
    [
      "maxAttempts",
      maxAttempts,
      Number.isInteger(maxAttempts) && maxAttempts > 0,
      "an integer >= 1",
    ],
    ["multiplier", multiplier, multiplier >= 1 && multiplier < Infinity, "finite and >= 1"],
    ["maxTimeout", maxTimeout, maxTimeout > 0, "> 0"],
    ["minTimeout", minTimeout, minTimeout >= 0, ">= 0"],
    ["minTimeout", minTimeout, minTimeout <= maxTimeout, `<= 'maxTimeout' (${maxTimeout})`],
    ["jitter", jitter, jitter >= 0 && jitter <= 1, "between 0 and 1"],
  ];
  for (const [name, value, isRight, wanted] of rules) {
    if (isRight) continue;
    throw new RangeError(`Cannot retry as '${name}' must be ${wanted}: current value is ${value}`);
  }

  for (let attempt = 1;; attempt++) {
    try {
      return await fn();
    } catch (error) {
      if (!isRetriable(error)) throw error;
      if (attempt === maxAttempts) throw new RetryError(error, maxAttempts);
    }
    const longestMs = Math.min(maxTimeout, minTimeout * multiplier ** (attempt - 1));
    await delay(longestMs * (1 - jitter * Math.random()));
  }
}
