/**
 * Jobs and workers as JSON for the admin page. Bodies are bytes, so they need a readable form.
 *
 * @module
 */

import { type Value, valueBytes } from "../storage/value.ts";
import type { JobStats } from "./queue.ts";

/** The start of a body in readable form. */
export interface BodyJson {
  /** The text, or the bytes in hexadecimal if they are not text. */
  text: string;
  isText: boolean;
  /** The length of the whole body in bytes. */
  bytes: number;
  /** How many of them {@linkcode text} shows. */
  shown: number;
}

/** A job. */
export interface JobJson extends JobStats {
  body: BodyJson;
}

/** How many bytes of a body that is not text are shown: each takes three characters. */
const MAX_HEX_BYTES = 1024;

// deno-lint-ignore no-control-regex -- these characters tell binary data from text
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/**
 * A job with the start of its body.
 *
 * @param stats Its numbers. The reason and the progress have one character a byte.
 * @param start The start of the body, or all of it.
 * @param bodyBytes The length of the body.
 */
export function jobJson(stats: JobStats, start: Value, bodyBytes: number): JobJson {
  const text = (bytes: string) => new TextDecoder().decode(valueBytes(bytes));
  const death = stats.death && { ...stats.death, reason: text(stats.death.reason) };
  return {
    ...stats,
    reason: text(stats.reason),
    progress: text(stats.progress),
    death,
    body: bodyJson(valueBytes(start), bodyBytes),
  };
}

function bodyJson(start: Uint8Array, bytes: number): BodyJson {
  const text = textOf(start, start.length < bytes);
  if (text !== null) return { text, isText: true, bytes, shown: start.length };
  const shown = start.subarray(0, MAX_HEX_BYTES);
  const hex = Array.from(shown, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return { text: hex, isText: false, bytes, shown: shown.length };
}

/** Bytes as text; `null` if they are not text. A character at the end may be cut. */
function textOf(bytes: Uint8Array, cut: boolean): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes, { stream: cut });
    return CONTROL.test(text) ? null : text;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return null;
  }
}
