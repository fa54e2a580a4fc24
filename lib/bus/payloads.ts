/**
 * Messages as lines, with their line ends, and as payloads, without.
 *
 * @module
 */

import type { Messages } from "../net/outbox.ts";

/** Messages without line ends, as ranges of one array: message `i` is `bytes[starts[i]..ends[i])`. */
export interface Payloads {
  readonly bytes: Uint8Array;
  readonly starts: ArrayLike<number>;
  readonly ends: ArrayLike<number>;
}

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** Views lines as payloads, without `\n` or `\r\n`. Copies no message. */
export function payloadsOf({ bytes, ends: lineEnds }: Messages): Payloads {
  const starts = new Uint32Array(lineEnds.length);
  const ends = new Uint32Array(lineEnds.length);
  for (let i = 0, start = 0; i < lineEnds.length; i++) {
    const newline = lineEnds[i]! - 1;
    const hasReturn = newline > start && bytes[newline - 1] === CARRIAGE_RETURN;
    starts[i] = start;
    ends[i] = hasReturn ? newline - 1 : newline;
    start = newline + 1;
  }
  return { bytes, starts, ends };
}

/** Copies payloads as lines. Newlines in a payload end lines; a missing last one is added. */
export function linesOf({ bytes, starts, ends }: Payloads): Messages {
  let length = ends.length;
  for (let i = 0; i < ends.length; i++) length += ends[i]! - starts[i]!;
  const lines = new Uint8Array(length);
  const lineEnds: number[] = [];
  let at = 0;
  for (let i = 0; i < ends.length; i++) {
    const payload = bytes.subarray(starts[i], ends[i]);
    lines.set(payload, at);
    for (let from = payload.indexOf(NEWLINE); from !== -1;) {
      lineEnds.push(at + from + 1);
      from = payload.indexOf(NEWLINE, from + 1);
    }
    at += payload.length;
    if (payload.length > 0 && payload[payload.length - 1] === NEWLINE) continue;
    lines[at++] = NEWLINE;
    lineEnds.push(at);
  }
  return { bytes: lines.subarray(0, at), ends: lineEnds };
}
