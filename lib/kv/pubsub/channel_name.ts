/**
 * Channels of Redis and subjects of the bus. A channel is any string of bytes; kv keeps it with one
 * character per byte. A subject is text; see `bus/subject.ts`.
 *
 * @module
 */

import { isSubject } from "../../bus/subject.ts";
import { latin1From, valueBytes } from "../../storage/value.ts";

/** Characters that are the same in both. */
const ASCII = /^[\x21-\x7e]*$/;

/** What the subjects of other channels begin with. */
const OWN_MARK = "\0";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The subject that a channel is on the bus.
 *
 * @param channel One character per byte.
 * @returns `undefined` if it has no such form: it has an empty token, a wildcard, a blank or a control
 * character, is not UTF-8, or is too long. Such a channel stays among Redis clients, so that nothing
 * in its name can pass for the syntax of another protocol.
 */
export function subjectOf(channel: string): string | undefined {
  let subject = channel;
  if (!ASCII.test(channel)) {
    try {
      subject = decoder.decode(valueBytes(channel));
    } catch {
      return undefined;
    }
  }
  return isSubject(subject) ? subject : undefined;
}

/**
 * The subject that a channel without a valid one has among Redis clients. It begins with a control
 * character, so it is no valid pattern either, and `*` and `>` in it are ordinary characters.
 */
export function ownSubjectOf(channel: string): string {
  return OWN_MARK + channel;
}

/** The channel that a subject of either kind is, with one character per byte. */
export function channelOf(subject: string): string {
  if (subject.startsWith(OWN_MARK)) return subject.slice(1);
  return ASCII.test(subject) ? subject : latin1From(encoder.encode(subject));
}
