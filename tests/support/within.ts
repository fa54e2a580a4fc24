/**
 * Awaits a promise with a deadline.
 *
 * @param ms The deadline.
 * @param what Describes the promise in the message of the error.
 * @throws {Error} If the promise has not settled by then.
 */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${ms} ms in vain for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Polls until a condition is true, where no event announces it.
 *
 * @param what Completes "waited in vain until" in the message of the error.
 * @throws {Error} If it does not become true in time.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  ms = 60_000,
  everyMs = 5,
): Promise<void> {
  const end = performance.now() + ms;
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`Waited ${ms} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/**
 * Polls a number until it is positive and has stopped changing, such as the bytes buffered for a
 * client that does not read.
 *
 * @returns The final number.
 * @throws {Error} If it still changes after a minute.
 */
export async function untilAtRest(what: string, read: () => number): Promise<number> {
  let last = -1;
  await until(
    `${what} is at rest`,
    () => {
      const before = last;
      last = read();
      return last === before && last > 0;
    },
    60_000,
    300,
  );
  return last;
}

/**
 * Asserts that something takes less than `ms`. It is run again if not: a busy machine may hold up
 * any single run, but not all of them.
 *
 * @param options.before What comes before each run and does not count.
 * @throws {Error} If each of five runs takes longer.
 */
export async function assertQuick(
  ms: number,
  run: () => unknown,
  { before }: { before?: () => unknown } = {},
): Promise<void> {
  const tookMs: number[] = [];
  do {
    await before?.();
    const startMs = performance.now();
    await run();
    tookMs.push(performance.now() - startMs);
    if (tookMs.at(-1)! < ms) return;
  } while (tookMs.length < 5);
  throw new Error(`Expected less than ${ms} ms: ${tookMs.map(Math.round).join(", ")}`);
}
