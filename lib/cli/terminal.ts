/**
 * What commands say to the person who gave them.
 *
 * @module
 */

const encoder = new TextEncoder();

/** Writes lines to standard output. */
export function print(text: string): void {
  writeAll(Deno.stdout, encoder.encode(`${text}\n`));
}

/** Writes lines to standard error. */
export function printError(text: string): void {
  writeAll(Deno.stderr, encoder.encode(`${text}\n`));
}

/**
 * Writes bytes to a standard stream, all of them. A reader that is gone (`quartet … | head`) is
 * not an error.
 *
 * @returns Whether there is still a reader.
 */
export function writeAll(
  stream: { writeSync(bytes: Uint8Array): number },
  bytes: Uint8Array,
): boolean {
  try {
    for (let written = 0; written < bytes.length;) {
      written += stream.writeSync(written === 0 ? bytes : bytes.subarray(written));
    }
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    return false;
  }
}
