/**
 * Telling a file that was emptied from a new one.
 *
 * @module
 */

/**
 * Refuses a file without a byte if others beside it show that it had some. SQLite takes such a file
 * for a new one, and drops what is in its write-ahead log as soon as it is opened. After a clean stop
 * without a reserve nothing shows it.
 *
 * @throws {Error} If it was emptied.
 */
export async function refuseEmptied(path: string): Promise<void> {
  if (await sizeOf(path) !== 0) return;
  if (await sizeOf(`${path}-wal`) <= 0 && await sizeOf(`${path}.reserve`) <= 0) return;
  throw new Error(
    "it is empty, and was not when it was used last: restore it, or delete it and its .reserve and " +
      "-wal files to start with an empty storage",
  );
}

/** The size of a file; -1 if there is none. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch {
    return -1;
  }
}
