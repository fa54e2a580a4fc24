/**
 * Reads that fill a buffer.
 *
 * @module
 */

/** Thrown when a file ends before what is known to be in it. */
export class ShorterError extends Error {
  override name = "ShorterError";
}

/**
 * Fills `into` from a position of a file.
 *
 * @throws {ShorterError} If the file ends before.
 */
export function readAt(file: Deno.FsFile, position: number, into: Uint8Array): void {
  file.seekSync(position, Deno.SeekMode.Start);
  for (let filled = 0; filled < into.length;) {
    const n = file.readSync(into.subarray(filled));
    if (n === null) {
      throw new ShorterError(`Cannot read at ${position + filled}: the file has become shorter`);
    }
    filled += n;
  }
}

/**
 * Fills `into` from the current position of a file.
 *
 * @throws {ShorterError} If the file ends before.
 */
export function readFull(file: Deno.FsFile, into: Uint8Array): void {
  for (let filled = 0; filled < into.length;) {
    const n = file.readSync(into.subarray(filled));
    if (n === null) throw new ShorterError("Cannot read on: the file has become shorter");
    filled += n;
  }
}
