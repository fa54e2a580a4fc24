/**
 * Which messages take part in the one order of all daemons, and the subjects that this needs.
 *
 * @module
 */

import type { Batch } from "../batch.ts";

/** What a subject begins with in the stream. */
export const STREAM_PREFIX = "quartet.bus.";

/** What the subjects for replies to the daemons themselves begin with. */
export const OWN_INBOXES = "_INBOX.quartet";

/** What subjects for replies begin with, unless a client chooses otherwise. */
const INBOXES = "_INBOX.";

/** A header that JetStream obeys: it can discard a message, or refuse it. */
const OBEYED_HEADER = /\r\nNats-/i;

const decoder = new TextDecoder();

/**
 * Whether a batch takes part in the order. Requests and replies do not: NATS itself has to find
 * responders, and to notice that there are none. Nor do messages with headers for JetStream.
 */
export function isOrdered({ subject, reply, headers }: Batch): boolean {
  return reply === undefined && !subject.startsWith(INBOXES) &&
    (headers === undefined || !OBEYED_HEADER.test(decoder.decode(headers)));
}

/** Whether a subject belongs to NATS or to the daemons' own use of JetStream, not to clients. */
export function isInternal(subject: string): boolean {
  return subject.startsWith("$") || subject.startsWith(STREAM_PREFIX) ||
    subject.startsWith(`${OWN_INBOXES}.`);
}
