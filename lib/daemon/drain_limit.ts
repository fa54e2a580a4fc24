/** How long a service may take to close what is left after its deadline. */
const CLOSE_MAX_MS = 1500;

/** Options for {@linkcode drainWithin}. */
export interface DrainLimitOptions {
  /** @default {CLOSE_MAX_MS} */
  closeMaxMs?: number;
}

/**
 * Drains a service, and leaves it behind if it takes too long even after its deadline: a database
 * that does not answer must not keep the daemon from stopping.
 *
 * @param limitMs When the deadline aborts.
 * @param drain Drains the service.
 * @throws {Error} If it is left behind.
 * @throws {unknown} What `drain` throws.
 */
export async function drainWithin(
  limitMs: number,
  drain: (deadline: AbortSignal) => Promise<void>,
  { closeMaxMs = CLOSE_MAX_MS }: DrainLimitOptions = {},
): Promise<void> {
  const deadline = new AbortController();
  const leave = Promise.withResolvers<never>();
  let timer = setTimeout(() => {
    deadline.abort();
    timer = setTimeout(() => leave.reject(new Error("it takes too long")), closeMaxMs);
  }, limitMs);
  try {
    await Promise.race([drain(deadline.signal), leave.promise]);
  } finally {
    clearTimeout(timer);
  }
}
