import { abortable } from "./abortable.ts";

/** Options for {@linkcode deadline}. */
export interface DeadlineOptions {
  /** Ends the wait early: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** The longest time of one timer, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Gives up waiting for a promise after some time. The timer does not keep the process alive.
 *
 * @param p The promise. The work behind it continues.
 * @param ms How long to wait in milliseconds. Beyond 2^31 - 1 the time is over at once, as it is
 * with the registry's package.
 * @param options See {@linkcode DeadlineOptions}.
 * @throws {DOMException} Named "TimeoutError", if the time runs out first.
 * @throws The signal's reason, if it aborts first.
 */
export async function deadline<T>(
  p: Promise<T>,
  ms: number,
  options: DeadlineOptions = {},
): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new DOMException("Signal timed out.", "TimeoutError")),
    ms > MAX_TIMER_MS ? 0 : ms,
  );
  Deno.unrefTimer(timer);
  try {
    const { signal } = options;
    return await abortable(p, signal ? AbortSignal.any([late.signal, signal]) : late.signal);
  } finally {
    clearTimeout(timer);
  }
}
