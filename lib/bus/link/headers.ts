/**
 * The header block of NATS on its way through the client library, and the headers in which a daemon
 * marks messages: those whose publisher must not get them back, and those that are in the stream too.
 *
 * @module
 */

import type { MsgHdrs } from "@nats-io/transport-node";

/** Names the publisher of a message that must not come back to it. */
const ORIGIN = "Quartet-Origin";

/** Says that the message also comes through the stream that keeps one order. */
const ORDERED = "Quartet-Ordered";

/** What a daemon marks a message with. */
export interface Marks {
  /** The publisher that must not get it back. */
  origin?: string | undefined;
  /** Whether it also comes through the stream. */
  ordered?: boolean | undefined;
}

/** The headers of a received message: what clients see of them, and the marks. */
export interface IncomingHeaders extends Marks {
  /** `undefined` if there is nothing for clients. */
  block: Uint8Array | undefined;
}

const FIRST_LINE = "NATS/1.0\r\n";
const encoder = new TextEncoder();

/**
 * Makes the headers of a message to be sent.
 *
 * @param block The header block, if the message has one.
 * @param marks What to mark the message with.
 * @returns `undefined` if the message needs none.
 */
export function outgoingHeaders(
  block: Uint8Array | undefined,
  { origin, ordered = false }: Marks,
): MsgHdrs | undefined {
  let lines = origin === undefined ? "" : `${ORIGIN}: ${origin}\r\n`;
  if (ordered) lines += `${ORDERED}: 1\r\n`;
  if (lines === "") return block === undefined ? undefined : encoded(block);
  const mark = encoder.encode(FIRST_LINE + lines);
  // A block of a client begins with the same first line.
  const rest = block?.subarray(FIRST_LINE.length) ?? encoder.encode("\r\n");
  const marked = new Uint8Array(mark.length + rest.length);
  marked.set(mark);
  marked.set(rest, mark.length);
  return encoded(marked);
}

/** The library sends headers as they encode themselves, so a block passes through byte for byte. */
function encoded(block: Uint8Array): MsgHdrs {
  return { encode: () => block } as unknown as MsgHdrs;
}

/**
 * Takes the headers of a received message apart.
 *
 * @returns The header block without the marks, and the marks.
 */
export function incomingHeaders(
  headers: MsgHdrs | undefined,
): IncomingHeaders {
  if (headers === undefined) return { block: undefined, origin: undefined, ordered: false };
  const origin = headers.get(ORIGIN) || undefined;
  const ordered = headers.has(ORDERED);
  const status = [headers.code || "", headers.description].filter((part) => part !== "").join(" ");
  let lines = "";
  for (const key of headers.keys()) {
    if (key === ORIGIN || key === ORDERED) continue;
    for (const value of headers.values(key)) lines += `${key}: ${value}\r\n`;
  }
  if (lines === "" && status === "") return { block: undefined, origin, ordered };
  const block = encoder.encode(`NATS/1.0${status && ` ${status}`}\r\n${lines}\r\n`);
  return { block, origin, ordered };
}
