/**
 * Frames from a server to a client (RFC 6455, section 5). They are not masked, so the same bytes can
 * be sent to every client.
 *
 * @module
 */

import { isUtf8 } from "node:buffer";
import type { Messages } from "../outbox.ts";
import { BIT, CLOSE_CODE, CONTROL_MAX_BYTES, type Ending, LENGTH, OPCODE } from "./protocol.ts";

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** The longest header of a frame without a mask. */
const HEADER_MAX_BYTES = 10;

/** Makes a frame that is a whole message or a control frame. */
export function frame(opcode: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes(payload.length) + payload.length);
  bytes.set(payload, putHeader(bytes, 0, { opcode, length: payload.length }));
  return bytes;
}

/** Makes a close frame. The reason is cut to the length that fits. */
export function closeFrame({ code, reason }: Ending): Uint8Array {
  if (code === CLOSE_CODE.NO_CODE) return frame(OPCODE.CLOSE, new Uint8Array(0));
  const payload = new Uint8Array(CONTROL_MAX_BYTES);
  new DataView(payload.buffer).setUint16(0, code);
  // encodeInto() stops before a character that does not fit.
  const { written } = new TextEncoder().encodeInto(reason, payload.subarray(2));
  return frame(OPCODE.CLOSE, payload.subarray(0, 2 + written));
}

/**
 * Makes a message of each line, without its terminator: a text message, or a binary one if the line
 * is not valid UTF-8.
 *
 * @param lines Lines, each of which ends with `\n`.
 * @returns The frames, one for each line.
 */
export function encodeLines({ bytes, ends }: Messages): Messages {
  const count = ends.length;
  const frames = new Uint8Array(bytes.length + count * HEADER_MAX_BYTES);
  const frameEnds = new Uint32Array(count);
  // If all of it is valid, each line is: no character of several bytes contains a newline.
  const valid = isUtf8(bytes);
  let at = 0;
  let start = 0;
  for (let i = 0; i < count; i++) {
    let end = ends[i]! - 1;
    if (end > start && bytes[end - 1] === CARRIAGE_RETURN) end--;
    const line = bytes.subarray(start, end);
    const opcode = valid || isUtf8(line) ? OPCODE.TEXT : OPCODE.BINARY;
    at = putHeader(frames, at, { opcode, length: line.length });
    frames.set(line, at);
    frameEnds[i] = at += line.length;
    start = ends[i]!;
  }
  return { bytes: frames.subarray(0, at), ends: frameEnds };
}

/** Finds the lines in an array. The last one must end with `\n` as well. */
export function linesIn(bytes: Uint8Array): Messages {
  const ends: number[] = [];
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) {
    ends.push(at + 1);
  }
  return { bytes, ends };
}

function headerBytes(length: number): number {
  return length < LENGTH.TWO_BYTES ? 2 : length <= 0xffff ? 4 : HEADER_MAX_BYTES;
}

/** Writes the header of a frame; returns where its payload begins. */
function putHeader(
  bytes: Uint8Array,
  at: number,
  { opcode, length }: { opcode: number; length: number },
): number {
  bytes[at] = BIT.FIN | opcode;
  const header = headerBytes(length);
  if (header === 2) bytes[at + 1] = length;
  else {
    bytes[at + 1] = header === 4 ? LENGTH.TWO_BYTES : LENGTH.EIGHT_BYTES;
    for (let i = header - 1, rest = length; i > 1; i--, rest = Math.floor(rest / 256)) {
      bytes[at + i] = rest % 256;
    }
  }
  return at + header;
}
