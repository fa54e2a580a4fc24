/**
 * Small files that must survive a crash of the machine.
 *
 * @module
 */

import { dirname } from "node:path";
import { syncDirectory } from "../job/prepared_note.ts";

/**
 * Replaces a file as a whole; resolves when the new one is on disk.
 *
 * @param chunks The text, in pieces.
 * @throws {Error} If it cannot be written. If only the directory could not be synced, the new file may
 * be there.
 */
export async function replaceFile(path: string, chunks: Iterable<string>): Promise<void> {
  const temporary = `${path}.new`;
  {
    using file = await Deno.open(temporary, {
      ...{ write: true, create: true, truncate: true, mode: 0o600 },
    });
    for (const chunk of chunks) await writeText(file, chunk);
    await file.sync();
  }
  await Deno.rename(temporary, path);
  await syncDirectory(dirname(path));
}

/** Writes all of a text. */
export async function writeText(file: Deno.FsFile, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/**
 * Removes a file that may be gone already; resolves when that is on disk.
 *
 * @throws {Error} If it cannot be removed, or it is not certain that it stays removed.
 */
export async function removeFile(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await syncDirectory(dirname(path));
}
