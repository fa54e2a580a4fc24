/**
 * Output of commands to the terminal or wherever it is redirected.
 *
 * @module
 */

import { escapeControls } from "./control_escaper.ts";

const encoder = new TextEncoder();

/** Writes text and a newline to standard output. */
export function print(text: string): void {
  writeAll(Deno.stdout, encoder.encode(`${text}\n`));
}

/**
 * Writes text and a newline to standard error. Control characters are escaped, because the text may
 * quote a server.
 */
export function printError(text: string): void {
  writeAll(Deno.stderr, encoder.encode(`${escapeControls(text)}\n`));
}

/**
 * Writes all bytes to a standard stream. A closed pipe (`quartet … | head`) is not an error, nor is
 * one that still blocks an earlier write, as that of the log.
 *
 * @returns Whether the stream still has a reader.
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
    const { BrokenPipe, Busy } = Deno.errors;
    if (!(error instanceof BrokenPipe || error instanceof Busy)) throw error;
    return false;
  }
}
