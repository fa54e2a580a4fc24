const TAB = 0x09;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const DELETE = 0x7f;

/** The longest prefix of a character, or of `\r\n`, that is kept until the rest of it arrives. */
const KEPT_MAX_BYTES = 3;

const HEX = new TextEncoder().encode("0123456789abcdef");
const ESCAPE_BYTES = 4;

/**
 * Makes text from a stranger safe to show at a terminal. Control characters (C0, DEL and C1) could
 * otherwise change colours and the window title, move the cursor, or make some terminals answer as
 * if the user had typed. Each of their bytes becomes `\x` and two hexadecimal digits, and so does
 * each byte that is not part of valid UTF-8. Tabs, newlines and `\r\n` pass unchanged.
 */
export class ControlEscaper {
  readonly #kept = new Uint8Array(KEPT_MAX_BYTES);
  #keptBytes = 0;

  /**
   * Escapes the next bytes of a stream.
   *
   * @returns The bytes to show, which may be `bytes` itself. An incomplete character at the end is
   * kept until the next call.
   */
  push(bytes: Uint8Array): Uint8Array {
    if (this.#keptBytes === 0 && isPlain(bytes)) return bytes;
    const input = new Uint8Array(this.#keptBytes + bytes.length);
    input.set(this.#kept.subarray(0, this.#keptBytes));
    input.set(bytes, this.#keptBytes);
    const kept = incompleteAtEnd(input);
    this.#kept.set(input.subarray(input.length - kept));
    this.#keptBytes = kept;
    return escape(input.subarray(0, input.length - kept));
  }

  /** Ends the stream; returns what was kept. */
  end(): Uint8Array {
    const kept = escape(this.#kept.subarray(0, this.#keptBytes));
    this.#keptBytes = 0;
    return kept;
  }
}

/** Escapes a whole text; see {@linkcode ControlEscaper}. */
export function escapeControls(text: string): string {
  return new TextDecoder().decode(escape(new TextEncoder().encode(text)));
}

/** Whether all bytes are printable ASCII, tabs or newlines. */
function isPlain(bytes: Uint8Array): boolean {
  return bytes.every((byte) => (byte >= 0x20 && byte < DELETE) || byte === NEWLINE || byte === TAB);
}

function escape(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(ESCAPE_BYTES * bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length;) {
    const shown = shownBytes(bytes, at);
    if (shown > 0) {
      for (const end = at + shown; at < end; at++) out[length++] = bytes[at]!;
      continue;
    }
    const byte = bytes[at++]!;
    out[length++] = 0x5c;
    out[length++] = 0x78;
    out[length++] = HEX[byte >> 4]!;
    out[length++] = HEX[byte & 15]!;
  }
  return out.subarray(0, length);
}

/** The length of the character at `at` if it may be shown; 0 if its first byte must be escaped. */
function shownBytes(bytes: Uint8Array, at: number): number {
  const byte = bytes[at]!;
  if (byte === CARRIAGE_RETURN) return bytes[at + 1] === NEWLINE ? 2 : 0;
  if (byte < 0x20) return byte === TAB || byte === NEWLINE ? 1 : 0;
  if (byte < 0x80) return byte === DELETE ? 0 : 1;
  const { length, min, max } = sequence(byte);
  const second = bytes[at + 1] ?? 0;
  // U+0080 to U+009F, the C1 controls.
  if (length === 0 || second < min || second > max || (byte === 0xc2 && second < 0xa0)) return 0;
  for (let i = 2; i < length; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
  return length;
}

/** How many bytes at the end could be the beginning of a character, or of `\r\n`. */
function incompleteAtEnd(bytes: Uint8Array): number {
  if (bytes.at(-1) === CARRIAGE_RETURN) return 1;
  for (let count = 1; count <= Math.min(KEPT_MAX_BYTES, bytes.length); count++) {
    const byte = bytes[bytes.length - count]!;
    if ((byte & 0xc0) === 0x80) continue;
    return count < sequence(byte).length ? count : 0;
  }
  return 0;
}

/**
 * The length of a UTF-8 sequence by its first byte, and the range of its second one (RFC 3629,
 * section 4); 0 if no sequence begins so.
 */
function sequence(first: number): { length: number; min: number; max: number } {
  const [min, max] = first === 0xe0
    ? [0xa0, 0xbf]
    : first === 0xed
    ? [0x80, 0x9f]
    : first === 0xf0
    ? [0x90, 0xbf]
    : first === 0xf4
    ? [0x80, 0x8f]
    : [0x80, 0xbf];
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  return { length, min, max };
}
