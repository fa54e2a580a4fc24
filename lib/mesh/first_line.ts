import type { Connection } from "../net/connection.ts";
import { ReadBuffer } from "../net/read_buffer.ts";
import { MAX_HELLO_BYTES } from "./hello.ts";

/** How long a peer may take to say a line of the hello. */
const HELLO_TIMEOUT_MS = 5000;

/** A line, and what was read behind it. */
export interface FirstLine {
  line: string;
  buffer: ReadBuffer;
}

/**
 * The first line of a connection, and what was read behind it.
 *
 * @param buffer What was read already.
 */
export async function readFirstLine(
  connection: Connection,
  buffer: ReadBuffer = new ReadBuffer({ maxBytes: MAX_HELLO_BYTES }),
): Promise<FirstLine | undefined> {
  const timer = setTimeout(() => connection.close(), HELLO_TIMEOUT_MS);
  try {
    for (;;) {
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
