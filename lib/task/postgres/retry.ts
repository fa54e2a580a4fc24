/** How often a batch is tried that the server has broken off to solve a conflict. */
const MAX_TRIES = 5;

/** The states of errors after which a transaction has only to be tried again. */
const CONFLICTS: ReadonlySet<string> = new Set(["40001", "40P01"]);

/** Does something again that the server has broken off, and so certainly not done. */
export async function retry<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await run();
    } catch (error) {
      const { code } = error as { code?: string };
      if (tries === MAX_TRIES || code === undefined || !CONFLICTS.has(code)) throw error;
    }
  }
}
