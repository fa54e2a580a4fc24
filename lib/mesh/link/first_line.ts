import type { Connection } from "../../net/connection.ts";
import { ReadBuffer } from "../../net/read_buffer.ts";
import { HELLO, MAX_HELLO_BYTES } from "./hello.ts";

/** How long a peer may take for each line of the hello. */
const HELLO_TIMEOUT_MS = 5000;

/** The first byte of a TLS handshake, with which no line begins. */
const TLS_HANDSHAKE = 0x16;

/** A line, and what was read after it. */
export interface FirstLine {
  line: string;
  buffer: ReadBuffer;
}

/** Whether a connection begins with a TLS handshake instead of a line. */
export function isTlsHandshake({ bytes, start, end }: ReadBuffer): boolean {
  return end > start && bytes[start] === TLS_HANDSHAKE;
}

/**
 * Reads the next line of the hello. A caller that attempts TLS is told that this node does not use
 * it; otherwise it would wait for its handshake.
 *
 * @param buffer What was read already.
 * @returns `undefined` if there is no line: the connection ended, or took too long.
 */
export async function readFirstLine(
  connection: Connection,
  buffer: ReadBuffer = new ReadBuffer({ maxBytes: MAX_HELLO_BYTES }),
): Promise<FirstLine | undefined> {
  const timer = setTimeout(() => connection.close(), HELLO_TIMEOUT_MS);
  try {
    for (;;) {
      if (isTlsHandshake(buffer)) {
        await connection.write(new TextEncoder().encode(`${HELLO.ERR}this node speaks no TLS\n`));
        return undefined;
      }
      const unread = buffer.bytes.subarray(buffer.start, buffer.end);
      const newline = unread.indexOf(0x0a);
      if (newline >= 0) {
        const line = new TextDecoder().decode(unread.subarray(0, newline)).replace(/\r$/, "");
        buffer.consume(newline + 1);
        return { line, buffer };
      }
      if (unread.length >= MAX_HELLO_BYTES || !await buffer.fill(connection)) return undefined;
    }
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits until the caller shows, by its first bytes after the answer, that it has read the answer. A
 * caller that had to wait for long has given up and calls again: its first call must not count.
 *
 * @param buffer What was read after the hello; it receives what is read now.
 * @returns `false` if the caller has closed the connection, or says nothing for `timeoutMs`. Then
 * this closes it.
 */
export async function isConfirmed(
  connection: Connection,
  { buffer, timeoutMs }: { buffer: ReadBuffer; timeoutMs: number },
): Promise<boolean> {
  const timer = setTimeout(() => connection.close(), timeoutMs);
  try {
    return buffer.end > buffer.start || await buffer.fill(connection);
  } finally {
    clearTimeout(timer);
  }
}

/** Makes a connection readable from its start again, given the bytes that were read from it. */
export function withUnread(
  connection: Pick<Connection, "read">,
  unread: { bytes: Uint8Array; start: number; end: number; consume(count: number): void },
): Pick<Connection, "read"> {
  return {
    read: (into) => {
      const count = Math.min(into.length, unread.end - unread.start);
      if (count === 0) return connection.read(into);
      into.set(unread.bytes.subarray(unread.start, unread.start + count));
      unread.consume(count);
      return Promise.resolve(count);
    },
  };
}
