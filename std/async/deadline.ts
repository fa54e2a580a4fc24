import { abortable } from "./abortable.ts";

/** Options for {@linkcode deadline}. */
export interface DeadlineOptions {
  /** Ends the wait early: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** The longest time that a timer can count. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Gives up the wait for a promise after a time. That time alone does not keep the process alive.
 *
 * @param p The promise. What it stands for goes on.
 * @param ms How long, in milliseconds. Longer than a timer can count (24 days) is for ever.
 * @param options See {@linkcode DeadlineOptions}.
 * @throws {DOMException} Named "TimeoutError", if the time is over first.
 * @throws The signal's reason, if it aborts first.
 */
export async function deadline<T>(
  p: Promise<T>,
  ms: number,
  options: DeadlineOptions = {},
): Promise<T> {
  const late = new AbortController();
  const timer = ms > MAX_TIMER_MS ? undefined : setTimeout(
    () => late.abort(new DOMException("Signal timed out.", "TimeoutError")),
    ms,
  );
  if (timer !== undefined) Deno.unrefTimer(timer);
  try {
    const { signal } = options;
    return await abortable(p, signal ? AbortSignal.any([late.signal, signal]) : late.signal);
  } finally {
    clearTimeout(timer);
  }
}
