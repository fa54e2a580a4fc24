/**
 * Waits with an end, for tests.
 *
 * @module
 */

/** How long {@linkcode until} waits. */
const UNTIL_MS = 20_000;

/** How often {@linkcode until} looks. */
const LOOK_INTERVAL_MS = 5;

/**
 * What a promise gives, if it does so in time.
 *
 * @throws {Error} If it takes longer.
 */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`Nothing within ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits until something holds.
 *
 * @throws {Error} If that takes longer than 20 seconds.
 */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = Date.now() + UNTIL_MS;
  while (!await holds()) {
    if (Date.now() > endMs) throw new Error(`Not so within ${UNTIL_MS} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
  }
}
