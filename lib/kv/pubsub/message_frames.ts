/**
 * Messages as Redis clients get them: arrays of bulk strings, which are pushes in RESP3.
 *
 * @module
 */

import type { Batch } from "../../bus/batch.ts";
import type { Messages } from "../../net/outbox.ts";
import { copyValue, valueBytes } from "../../storage/value.ts";
import { channelOf } from "./channel_name.ts";

/** The first item of a message, by the kind of subscription that brought it. */
export type MessageWord = "message" | "pmessage" | "smessage";

/** How to write messages. */
export interface FrameForm {
  word: MessageWord;
  /** The version of the Redis protocol. */
  protocol: 2 | 3;
  /** The pattern that was subscribed to, with one character per byte; only with "pmessage". */
  pattern?: string;
}

const CR = 13, LF = 10;

/** The length of the last bulk string's head: `$`, its length and a line end. */
const MAX_HEAD_BYTES = 16;

/** Encodes messages. They are made once for all subscribers that want the same form. */
export function encodeFrames(batch: Batch, form: FrameForm): Messages {
  const { word, protocol, pattern } = form;
  return batch.encoded(
    `redis ${protocol} ${word} ${pattern ?? ""}`,
    ({ subject }) => makeFrames(batch, headOf(form, channelOf(subject))),
  );
}

/** Everything before the payload, with one character per byte. */
function headOf({ word, protocol, pattern }: FrameForm, channel: string): string {
  const items = pattern === undefined ? [word, channel] : [word, pattern, channel];
  const type = protocol === 2 ? "*" : ">";
  return `${type}${items.length + 1}\r\n` +
    items.map((item) => `$${item.length}\r\n${item}\r\n`).join("");
}

function makeFrames({ payloads, count }: Batch, headText: string): Messages {
  const head = valueBytes(headText);
  const { bytes: source, starts, ends: sourceEnds } = payloads;
  let capacity = count * (head.length + MAX_HEAD_BYTES + 2);
  for (let i = 0; i < count; i++) capacity += sourceEnds[i]! - starts[i]!;
  const bytes = new Uint8Array(capacity);
  const ends = new Uint32Array(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const payload = source.subarray(starts[i], sourceEnds[i]);
    bytes.set(head, at);
    at += head.length;
    const length = `$${payload.length}\r\n`;
    copyValue(length, bytes, at);
    at += length.length;
    bytes.set(payload, at);
    at += payload.length;
    bytes[at++] = CR;
    bytes[at++] = LF;
    ends[i] = at;
  }
  return { bytes: bytes.subarray(0, at), ends };
}
