/**
 * Waits with a deadline.
 *
 * @param ms How long.
 * @param what What is waited for, for the message.
 * @throws {Error} If it has not come by then.
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
 * Waits until something is true that nobody announces, such as a figure of the process itself.
 *
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
 * Waits until a figure that has grown grows no more, such as the bytes that somebody takes who does
 * not read.
 *
 * @returns The figure.
 * @throws {Error} If it does not come to rest in time.
 */
export async function untilAtRest(what: string, figure: () => number): Promise<number> {
  let last = -1;
  await until(
    `${what} is at rest`,
    () => {
      const before = last;
      last = figure();
      return last === before && last > 0;
    },
    60_000,
    300,
  );
  return last;
}
