/**
 * The header block of NATS on its way through the client library, and the header in which a daemon
 * marks messages whose publisher must not get them back.
 *
 * @module
 */

import type { MsgHdrs } from "@nats-io/transport-node";

/** Names the publisher of a message that must not come back to it. */
const ORIGIN = "Quartet-Origin";

const FIRST_LINE = "NATS/1.0\r\n";
const encoder = new TextEncoder();

/**
 * Makes the headers of a message to be sent.
 *
 * @param block The header block, if the message has one.
 * @param origin What to mark the message with, if anything.
 * @returns `undefined` if the message needs none.
 */
export function outgoingHeaders(
  block: Uint8Array | undefined,
  origin: string | undefined,
): MsgHdrs | undefined {
  if (origin === undefined) return block === undefined ? undefined : encoded(block);
  const mark = encoder.encode(`${FIRST_LINE}${ORIGIN}: ${origin}\r\n`);
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
 * @returns The header block without the mark, and the mark.
 */
export function incomingHeaders(
  headers: MsgHdrs | undefined,
): { block: Uint8Array | undefined; origin: string | undefined } {
  if (headers === undefined) return { block: undefined, origin: undefined };
  const origin = headers.get(ORIGIN) || undefined;
  const status = [headers.code || "", headers.description].filter((part) => part !== "").join(" ");
  let lines = "";
  for (const key of headers.keys()) {
    if (key === ORIGIN) continue;
    for (const value of headers.values(key)) lines += `${key}: ${value}\r\n`;
  }
  if (lines === "" && status === "") return { block: undefined, origin };
  const block = encoder.encode(`NATS/1.0${status && ` ${status}`}\r\n${lines}\r\n`);
  return { block, origin };
}
