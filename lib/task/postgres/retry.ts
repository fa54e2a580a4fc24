import { storageUnavailable, StorageUnavailableError } from "../../storage/store.ts";

/** How often work is tried that the server aborts because of a conflict. */
const MAX_TRIES = 5;

/** SQLSTATE codes of aborts that call for a retry: serialization failure and deadlock. */
const CONFLICTS: ReadonlySet<string> = new Set(["40001", "40P01"]);

/**
 * Runs a transaction, again if the server aborts it because of a conflict: then nothing of it was
 * done.
 */
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

/**
 * The error that a client gets for one of the database. A statement that the server refuses, because
 * its disk is full or it takes too long, leaves nothing behind, and can be sent again.
 */
export function asUnavailable(error: unknown): unknown {
  if (error instanceof StorageUnavailableError) return error;
  return isRefusal(error) ? storageUnavailable((error as Error).message, { cause: error }) : error;
}

/** Whether the server refused a statement, and so has done nothing of it. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === "PostgresError";
}
