/**
 * Small files that must survive a crash of the machine.
 *
 * @module
 */

import { dirname } from "node:path";

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

/** Waits until the names in a directory, such as that of a renamed file, are on disk. */
export async function syncDirectory(path: string): Promise<void> {
  using directory = await Deno.open(path);
  await directory.sync();
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
