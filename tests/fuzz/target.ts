import { ReadBuffer } from "../../lib/net/read_buffer.ts";
import type { Sample } from "./input.ts";

/** Something that takes bytes from outside. */
export interface FuzzTarget {
  readonly name: string;
  /** Valid input. */
  readonly samples: readonly Sample[];
  /**
   * Takes an input in pieces.
   *
   * @param pieces Each is valid only until the next one is taken.
   * @returns What comes out; the same however the input is cut. Documented errors are part of it.
   * @throws {Error} If the program is wrong: any other error, or more memory than allowed.
   */
  run(pieces: Iterable<Uint8Array>): string[] | Promise<string[]>;
}

/**
 * Puts pieces into a buffer as the reads of a connection would.
 *
 * @param parse Consumes what it can; returns whether to go on.
 * @throws {RangeError} If the parser leaves more than `maxBytes` in it.
 */
export function feed(
  pieces: Iterable<Uint8Array>,
  { maxBytes, parse }: { maxBytes: number; parse: (buffer: ReadBuffer) => boolean },
): void {
  const buffer = new ReadBuffer({ maxBytes });
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      buffer.makeSpace();
      const part = piece.subarray(at, at + buffer.bytes.length - buffer.end);
      buffer.bytes.set(part, buffer.end);
      buffer.took(part.length);
      at += part.length;
      if (!parse(buffer)) return;
    }
  }
}

/** Bytes as text, one character for each. */
export function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** A value as one line: bytes as text, big integers as numbers. */
export function shown(value: unknown): string {
  return JSON.stringify(value, (_, inner) => {
    if (inner instanceof Uint8Array) return latin1(inner);
    return typeof inner === "bigint" ? `${inner}n` : inner;
  });
}

/**
 * Runs something that may throw a documented error.
 *
 * @returns The result as text, or the name of the error.
 */
export function attempt(
  allowed: readonly (abstract new (...args: never[]) => Error)[],
  work: () => unknown,
): string {
  try {
    return shown(work());
  } catch (error) {
    const known = allowed.find((type) => error instanceof type);
    if (known === undefined) throw error;
    const { name, message } = error as Error;
    if (/\n\s*at /.test(message)) throw new Error(`a stack trace in a message: ${message}`);
    return `${name}: ${message}`;
  }
}
