/** Options for {@linkcode delay}. */
export interface DelayOptions {
  /** Ends the wait early: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Whether the wait keeps the process alive. @default {true} */
  persistent?: boolean;
}

/** The longest time of one timer, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Resolves after a time.
 *
 * @param ms How long in milliseconds; any time, also one beyond 2^31 - 1.
 * @param options See {@linkcode DelayOptions}.
 * @throws The signal's reason, if it aborts first.
 */
export function delay(ms: number, options: DelayOptions = {}): Promise<void> {
  const { signal, persistent = true } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout>;
    function wait(leftMs: number): void {
      const turnMs = Math.min(leftMs, MAX_TIMER_MS);
      timer = setTimeout(() => leftMs > turnMs ? wait(leftMs - turnMs) : done(), turnMs);
      if (!persistent) Deno.unrefTimer(timer);
    }
    function done(): void {
      signal?.removeEventListener("abort", abort);
      resolve();
    }
    function abort(): void {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener("abort", abort, { once: true });
    wait(ms);
  });
}
