/**
 * Bytes as text for people, and text that people type as bytes.
 *
 * @module
 */

const HEX_PER_LINE = 16;

/** Bytes that are shown as they are: printable text, and the ends of lines. */
// deno-lint-ignore no-control-regex -- these are the ones that are not shown
const HIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/;

/** The bytes of a text, one character per byte, as kv names keys. */
export function bytesOfText(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** A key with one character per byte as readable text: what is not text has the form `\\xff`. */
export function readableKey(key: string): string {
  const bytes = Uint8Array.from(key, (char) => char.charCodeAt(0));
  const text = textIn(bytes);
  if (text !== undefined && !/[\r\n\t]/.test(text)) return text;
  return key.replaceAll(/[^ -~]/g, (char) => `\\x${hex(char.charCodeAt(0))}`);
}

/** The text in UTF-8 that bytes are; `undefined` if they are no text or have control characters. */
export function textIn(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return HIDDEN.test(text) ? undefined : text;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return undefined;
  }
}

/** Bytes in lines of 16: their position, in hexadecimal digits, and as text. */
export function hexLines(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += HEX_PER_LINE) {
    const part = [...bytes.subarray(at, at + HEX_PER_LINE)];
    const digits = part.map(hex).join(" ").padEnd(3 * HEX_PER_LINE - 1);
    const text = part.map((byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${digits}  ${text.join("")}`);
  }
  return lines.join("\n");
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
