import type { Log } from "../../log.ts";
import type { LineBatch } from "../../net/line_framer.ts";

/** 1 for bytes that need no escape in a quoted text: printable ASCII but `"` and `\`. */
const PLAIN = new Uint8Array(256).map((_, byte) =>
  byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c ? 1 : 0
);

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * Writes each line of a batch to the log as an event. The common part of the events is formatted
 * once, and the messages are copied in between as bytes: formatting each event cost more than all
 * the rest of confirm mode (docs/architecture.md has the measurements).
 *
 * @param log The log.
 * @param batch The lines.
 * @param fields The other fields of each event.
 */
export function logMessages(log: Log, batch: LineBatch, fields: Record<string, unknown>): void {
  const frame = log.frame("info", "Message", fields, "text");
  if (frame === undefined) return;
  const { head, tail } = frame;
  const textBytes = batch.nexts[batch.count - 1]! - batch.starts[0]!;
  let out = new Uint8Array(batch.count * (head.length + tail.length) + textBytes);
  let at = 0;
  for (let i = 0; i < batch.count; i++) {
    if (batch.isTooLong(i)) continue;
    const line = escape(batch.line(i));
    const next = at + head.length + line.length + tail.length;
    if (next > out.length) {
      const grown = new Uint8Array(2 * next);
      grown.set(out.subarray(0, at));
      out = grown;
    }
    out.set(head, at);
    out.set(line, at + head.length);
    out.set(tail, next - tail.length);
    at = next;
  }
  log.writeLines(out.subarray(0, at));
}

/** Escapes a text for use between quotes, in logfmt and JSON alike. */
function escape(line: Uint8Array): Uint8Array {
  for (let i = 0; i < line.length; i++) {
    if (PLAIN[line[i]!] === 0) {
      return encoder.encode(JSON.stringify(decoder.decode(line)).slice(1, -1));
    }
  }
  return line;
}
