/**
 * The lock that keeps other processes away from a file.
 *
 * @module
 */

import { fileErrorReason } from "../../file_error.ts";

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
  if (await file.tryLock(true)) return file;
  file.close();
  throw new Error(`Cannot open "${path}" as storage: another process uses it`);
}
