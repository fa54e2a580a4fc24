/**
 * The lock that keeps other processes away from a file.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { fileErrorReason } from "../../file_error.ts";

/**
 * How often to try, and how long to wait in between. A process that this one starts shares its lock
 * for the moment before it runs its program, even if the file is closed meanwhile.
 */
const TRIES = 10;
const RETRY_MS = 20;

/**
 * Takes the lock. It is on a separate file, because closing a lock on the database itself would
 * release SQLite's own locks.
 *
 * @throws {Error} If another process has it, or the file cannot be created.
 */
export async function lockFile(path: string): Promise<Deno.FsFile> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(`${path}.lock`, { write: true, create: true });
  } catch (cause) {
    const reason = `cannot create its lock file: ${fileErrorReason(cause)}`;
    throw new Error(`Cannot open "${path}" as storage: ${reason}`, { cause });
  }
  for (let tries = 1; tries <= TRIES; tries++) {
    if (await file.tryLock(true)) return file;
    if (tries < TRIES) await delay(RETRY_MS);
  }
  file.close();
  throw new Error(`Cannot open "${path}" as storage: another process uses it`);
}
