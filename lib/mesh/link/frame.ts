/**
 * Frames: what peers send each other once they have said hello. The layout is in
 * docs/protocols.md.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { emptyTally, type Tally } from "../records/checksum.ts";
import { type Piece, SLOT_BYTES } from "../sort/partitioner.ts";
import type { SampledKey, Splitter } from "../sort/splitters.ts";

/** What a frame is about. */
export const FRAME = {
  /** Nothing; it shows that the peer is alive. */
  PING: 0,
  /** To node 0: the size of an input and a sample of its keys. */
  SAMPLE: 1,
  /** From node 0: where the buckets are cut. */
  PLAN: 2,
  /** Entries of one bucket. */
  DATA: 3,
  /** No more data follows; what was sent altogether. */
  END: 4,
  /** To node 0: the output is written and on the disk. */
  COMPLETE: 5,
  /** From node 0: everybody is complete and everything agrees; the output gets its name. */
  COMMIT: 6,
  /** To node 0: the output has its name. */
  DONE: 7,
  /** From node 0: all are done. */
  FINISH: 8,
  /** The job has failed; where and why. */
  ABORT: 9,
} as const;

/** The type of a frame. */
export type FrameType = typeof FRAME[keyof typeof FRAME];

/** Bytes in front of a payload: its length, the type, and the CRC-32 of both and the payload. */
export const FRAME_HEADER_BYTES = 12;
/** Bytes in front of the entries of a {@linkcode FRAME.DATA} frame. */
export const DATA_HEADER_BYTES = 24;
/** The longest payload of a data frame. */
export const MAX_DATA_BYTES = DATA_HEADER_BYTES + SLOT_BYTES;
/** The longest payload of any frame. */
export const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

const MAX_TYPE = Math.max(...Object.values(FRAME));
const NO_BYTES = new Uint8Array(0);

/** A frame that was received. */
export interface Frame {
  type: FrameType;
  /** It belongs to the reader again once the next frame is asked for. */
  payload: Uint8Array;
}

/** Thrown when bytes are no frame. */
export class FrameError extends Error {
  override name = "FrameError";
}

/** Writes the header of a frame whose payload follows it in `into`. */
export function sealFrame(into: Uint8Array, type: FrameType): void {
  const view = new DataView(into.buffer, into.byteOffset, into.length);
  view.setUint32(0, into.length - FRAME_HEADER_BYTES);
  view.setUint32(4, type);
  view.setUint32(8, crc32(into.subarray(FRAME_HEADER_BYTES), crc32(into.subarray(0, 8))));
}

/** A frame as bytes. */
export function encodeFrame(
  type: FrameType,
  payload: Uint8Array = NO_BYTES,
): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  frame.set(payload, FRAME_HEADER_BYTES);
  sealFrame(frame, type);
  return frame;
}

/**
 * Reads the frame that `bytes` begins with.
 *
 * @returns The frame, or how many bytes it takes before it can be read.
 * @throws {FrameError} If it is none, or damaged.
 */
export function decodeFrame(bytes: Uint8Array): Frame | { needed: number } {
  if (bytes.length < FRAME_HEADER_BYTES) return { needed: FRAME_HEADER_BYTES };
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEADER_BYTES);
  const length = view.getUint32(0);
  const type = view.getUint32(4);
  if (type > MAX_TYPE) throw new FrameError(`a frame of the unknown type ${type}`);
  if (length > (type === FRAME.DATA ? MAX_DATA_BYTES : MAX_PAYLOAD_BYTES)) {
    throw new FrameError(`a frame of ${length} bytes`);
  }
  const end = FRAME_HEADER_BYTES + length;
  if (bytes.length < end) return { needed: end };
  const payload = bytes.subarray(FRAME_HEADER_BYTES, end);
  if (crc32(payload, crc32(bytes.subarray(0, 8))) !== view.getUint32(8)) {
    throw new FrameError("a damaged frame");
  }
  return { type: type as FrameType, payload };
}

/**
 * Writes a data frame.
 *
 * @param entries What the piece consists of.
 * @param into Where to, from its start.
 * @returns How many bytes the frame has.
 */
export function writeDataFrame(piece: Piece, entries: Uint8Array, into: Uint8Array): number {
  const length = FRAME_HEADER_BYTES + DATA_HEADER_BYTES + entries.length;
  const view = new DataView(into.buffer, into.byteOffset + FRAME_HEADER_BYTES, DATA_HEADER_BYTES);
  view.setUint32(0, piece.bucket);
  view.setUint32(4, piece.records);
  view.setFloat64(8, piece.order);
  view.setFloat64(16, piece.sum);
  into.set(entries, FRAME_HEADER_BYTES + DATA_HEADER_BYTES);
  sealFrame(into.subarray(0, length), FRAME.DATA);
  return length;
}

/** Reads a data frame; the piece is in no slot yet. */
export function readDataFrame(payload: Uint8Array): { piece: Piece; entries: Uint8Array } {
  if (payload.length < DATA_HEADER_BYTES) throw new FrameError("a data frame that is too short");
  const view = new DataView(payload.buffer, payload.byteOffset, DATA_HEADER_BYTES);
  const entries = payload.subarray(DATA_HEADER_BYTES);
  const piece = {
    bucket: view.getUint32(0),
    slot: -1,
    bytes: entries.length,
    records: view.getUint32(4),
    order: view.getFloat64(8),
    sum: view.getFloat64(16),
  };
  if (!isCount(piece.order) || !isCount(piece.sum)) {
    throw new FrameError("a data frame of nonsense");
  }
  return { piece, entries };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** What a node tells of its input. */
export interface InputSample {
  /** Bytes of the input. */
  bytes: number;
  /** How many buckets the node has the memory to deal out to. */
  maxBuckets: number;
  keys: SampledKey[];
}

/** Where all buckets are cut. */
export interface Plan {
  bucketsPerNode: number;
  splitters: Splitter[];
}

const KEY_HEADER_BYTES = 12;

function encodeKeys(numbers: [number, number], keys: readonly Splitter[]): Uint8Array<ArrayBuffer> {
  const size = keys.reduce((sum, { key }) => sum + KEY_HEADER_BYTES + key.length, 0);
  const payload = new Uint8Array(20 + size);
  const view = new DataView(payload.buffer);
  view.setFloat64(0, numbers[0]);
  view.setFloat64(8, numbers[1]);
  view.setUint32(16, keys.length);
  let at = 20;
  for (const { key, order } of keys) {
    view.setFloat64(at, order);
    view.setUint32(at + 8, key.length);
    payload.set(key, at + KEY_HEADER_BYTES);
    at += KEY_HEADER_BYTES + key.length;
  }
  return payload;
}

function decodeKeys(payload: Uint8Array): { numbers: [number, number]; keys: Splitter[] } {
  try {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const keys: Splitter[] = [];
    let at = 20;
    for (let left = view.getUint32(16); left > 0; left--) {
      const order = view.getFloat64(at);
      const end = at + KEY_HEADER_BYTES + view.getUint32(at + 8);
      if (end > payload.length) throw new RangeError();
      keys.push({ key: payload.slice(at + KEY_HEADER_BYTES, end), order });
      at = end;
    }
    return { numbers: [view.getFloat64(0), view.getFloat64(8)], keys };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new FrameError("a list of keys that is cut off");
  }
}

/** The payload of a {@linkcode FRAME.SAMPLE} frame. */
export function encodeSample({ bytes, maxBuckets, keys }: InputSample): Uint8Array<ArrayBuffer> {
  return encodeKeys([bytes, maxBuckets], keys);
}

/** Reads the payload of a {@linkcode FRAME.SAMPLE} frame. */
export function decodeSample(payload: Uint8Array): InputSample {
  const { numbers: [bytes, maxBuckets], keys } = decodeKeys(payload);
  if (!isCount(bytes) || !isCount(maxBuckets)) throw new FrameError("a sample of nonsense");
  const weight = bytes / keys.length;
  return { bytes, maxBuckets, keys: keys.map((key) => ({ ...key, weight })) };
}

/** The payload of a {@linkcode FRAME.PLAN} frame. */
export function encodePlan({ bucketsPerNode, splitters }: Plan): Uint8Array<ArrayBuffer> {
  return encodeKeys([bucketsPerNode, 0], splitters);
}

/** Reads the payload of a {@linkcode FRAME.PLAN} frame. */
export function decodePlan(payload: Uint8Array): Plan {
  const { numbers: [bucketsPerNode], keys } = decodeKeys(payload);
  if (!isCount(bucketsPerNode)) throw new FrameError("a plan of nonsense");
  return { bucketsPerNode, splitters: keys };
}

/** The payload of a frame that carries tallies. */
export function encodeTallies(...tallies: Tally[]): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(tallies.length * 32);
  const view = new DataView(payload.buffer);
  tallies.forEach(({ records, bytes, sum }, i) => {
    view.setBigUint64(32 * i, BigInt(records));
    view.setBigUint64(32 * i + 8, BigInt(bytes));
    view.setBigUint64(32 * i + 16, sum >> 64n);
    view.setBigUint64(32 * i + 24, sum);
  });
  return payload;
}

/** Reads `count` tallies. */
export function decodeTallies(payload: Uint8Array, count: number): Tally[] {
  if (payload.length !== 32 * count) throw new FrameError("a frame of the wrong length");
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  return Array.from({ length: count }, (_, i) => ({
    ...emptyTally(),
    records: Number(view.getBigUint64(32 * i)),
    bytes: Number(view.getBigUint64(32 * i + 8)),
    sum: view.getBigUint64(32 * i + 16) << 64n | view.getBigUint64(32 * i + 24),
  }));
}

/** Why a job has failed. */
export interface AbortNotice {
  /** The node that is at fault; -1 if it is nobody's. */
  node: number;
  reason: string;
}

const MAX_REASON_CHARACTERS = 2000;

/** The payload of a {@linkcode FRAME.ABORT} frame. */
export function encodeAbort({ node, reason }: AbortNotice): Uint8Array<ArrayBuffer> {
  const text = JSON.stringify({ node, reason: reason.slice(0, MAX_REASON_CHARACTERS) });
  return new TextEncoder().encode(text);
}

/** Reads the payload of a {@linkcode FRAME.ABORT} frame. */
export function decodeAbort(payload: Uint8Array): AbortNotice {
  try {
    const notice = JSON.parse(new TextDecoder().decode(payload));
    return { node: Number(notice.node), reason: String(notice.reason) };
  } catch {
    throw new FrameError("an abort without a reason");
  }
}
