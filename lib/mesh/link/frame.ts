/**
 * Frames: the messages of peers after the hello. docs/protocols.md has the layout.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { emptyTally, type Tally } from "../records/checksum.ts";
import { isKeyList, type KeyList } from "../sort/key_list.ts";
import { type Piece, SLOT_BYTES } from "../sort/open_pieces.ts";

/** The types of frames. */
export const FRAME = {
  /** Shows that the peer is alive. */
  PING: 0,
  /** To node 0: the size of an input and a sample of its keys. */
  SAMPLE: 1,
  /** From node 0: the cuts between the buckets. */
  PLAN: 2,
  /** Entries of one bucket. */
  DATA: 3,
  /** The end of the data, with the tally of all of it. */
  END: 4,
  /** To node 0: the output is complete and on disk. */
  COMPLETE: 5,
  /** From node 0: all nodes are complete and agree; the output may get its name. */
  COMMIT: 6,
  /** To node 0: the output has its name. */
  DONE: 7,
  /** From node 0: all nodes are done. */
  FINISH: 8,
  /** The job has failed: the node at fault and the reason. */
  ABORT: 9,
  /** To node 0: the top entries of a node, see top_frame.ts. */
  TOP: 10,
} as const;

/** The type of a frame. */
export type FrameType = typeof FRAME[keyof typeof FRAME];

/** Length of a frame header: length of the payload, type, and CRC-32 of these and the payload. */
export const FRAME_HEADER_BYTES = 12;
/** Length of the header before the entries of a {@linkcode FRAME.DATA} frame. */
export const DATA_HEADER_BYTES = 32;
/** The longest payload of a data frame. */
export const MAX_DATA_BYTES = DATA_HEADER_BYTES + SLOT_BYTES;
/** The longest payload of any frame. */
export const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

const MAX_TYPE = Math.max(...Object.values(FRAME));
const NO_BYTES = new Uint8Array(0);

/** A received frame. */
export interface Frame {
  type: FrameType;
  /** Part of the read buffer: valid until the next frame is read. */
  payload: Uint8Array;
}

/** Thrown for bytes that are not a valid frame. */
export class FrameError extends Error {
  override name = "FrameError";
}

/** Fills in the header of a frame; `into` has exactly the header and the payload. */
export function sealFrame(into: Uint8Array, type: FrameType): void {
  const view = new DataView(into.buffer, into.byteOffset, into.length);
  view.setUint32(0, into.length - FRAME_HEADER_BYTES);
  view.setUint32(4, type);
  view.setUint32(8, crc32(into.subarray(FRAME_HEADER_BYTES), crc32(into.subarray(0, 8))));
}

/** Encodes a frame. */
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
 * Decodes the frame at the start of `bytes`.
 *
 * @returns The frame, or the number of bytes needed to go on.
 * @throws {FrameError} If the type is unknown, the length out of range, or the CRC wrong.
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
 * Encodes a data frame at the start of a buffer.
 *
 * @param entries The entries of the piece.
 * @returns The length of the frame.
 */
export function writeDataFrame(piece: Piece, entries: Uint8Array, into: Uint8Array): number {
  const length = FRAME_HEADER_BYTES + DATA_HEADER_BYTES + entries.length;
  const view = new DataView(into.buffer, into.byteOffset + FRAME_HEADER_BYTES, DATA_HEADER_BYTES);
  view.setUint32(0, piece.bucket);
  view.setUint32(4, piece.records);
  view.setFloat64(8, piece.order);
  view.setFloat64(16, piece.sum);
  view.setFloat64(24, piece.fileBytes);
  into.set(entries, FRAME_HEADER_BYTES + DATA_HEADER_BYTES);
  sealFrame(into.subarray(0, length), FRAME.DATA);
  return length;
}

/**
 * Decodes the payload of a data frame. The piece has no slot yet; its `slot` is -1.
 *
 * @throws {FrameError} If it is malformed.
 */
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
    fileBytes: view.getFloat64(24),
  };
  if (!isCount(piece.order) || !isCount(piece.sum) || !isCount(piece.fileBytes)) {
    throw new FrameError("a malformed data frame");
  }
  return { piece, entries };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** What a node tells node 0 about its input. */
export interface InputSample {
  /** Size of the input. */
  bytes: number;
  /** The most buckets that the node has the memory to deal out to. */
  maxBuckets: number;
  keys: KeyList;
  /** The header of a file of CSV; empty if there is none. */
  header: Uint8Array;
}

/** The cuts between all buckets. */
export interface Plan {
  bucketsPerNode: number;
  splitters: KeyList;
}

/** Length of the two numbers and the length of the header before a list of keys. */
const LIST_HEADER_BYTES = 20;

/** A list of keys and the fields sent with it. */
interface ListPayload {
  numbers: [number, number];
  header: Uint8Array;
  keys: KeyList;
}

function encodeList({ numbers, header, keys }: ListPayload): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(LIST_HEADER_BYTES + header.length + keys.length);
  const view = new DataView(payload.buffer);
  numbers.forEach((number, i) => view.setFloat64(8 * i, number));
  view.setUint32(16, header.length);
  payload.set(header, LIST_HEADER_BYTES);
  payload.set(keys, LIST_HEADER_BYTES + header.length);
  return payload;
}

function decodeList(payload: Uint8Array): ListPayload {
  if (payload.length < LIST_HEADER_BYTES) throw new FrameError("a malformed list of keys");
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const end = LIST_HEADER_BYTES + view.getUint32(16);
  const header = payload.slice(LIST_HEADER_BYTES, end);
  const keys = payload.slice(end);
  if (!isKeyList(keys)) throw new FrameError("a malformed list of keys");
  const [first, second] = [view.getFloat64(0), view.getFloat64(8)];
  if (!isCount(first) || !isCount(second)) throw new FrameError("a malformed list of keys");
  return { numbers: [first, second], header, keys };
}

/** The payload of a {@linkcode FRAME.SAMPLE} frame. */
export function encodeSample(sample: InputSample): Uint8Array<ArrayBuffer> {
  const { bytes, maxBuckets, header, keys } = sample;
  return encodeList({ numbers: [bytes, maxBuckets], header, keys });
}

/**
 * Decodes the payload of a {@linkcode FRAME.SAMPLE} frame.
 *
 * @throws {FrameError} If it is malformed.
 */
export function decodeSample(payload: Uint8Array): InputSample {
  const { numbers: [bytes, maxBuckets], header, keys } = decodeList(payload);
  return { bytes, maxBuckets, header, keys };
}

/** The payload of a {@linkcode FRAME.PLAN} frame. */
export function encodePlan({ bucketsPerNode, splitters }: Plan): Uint8Array<ArrayBuffer> {
  return encodeList({ numbers: [bucketsPerNode, 0], header: NO_BYTES, keys: splitters });
}

/**
 * Decodes the payload of a {@linkcode FRAME.PLAN} frame.
 *
 * @throws {FrameError} If it is malformed.
 */
export function decodePlan(payload: Uint8Array): Plan {
  const { numbers: [bucketsPerNode], keys } = decodeList(payload);
  return { bucketsPerNode, splitters: keys };
}

/** The payload of a frame with tallies, 32 bytes each. */
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

/**
 * Decodes `count` tallies.
 *
 * @throws {FrameError} If the payload has another length.
 */
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

/** The failure of a job. */
export interface AbortNotice {
  /** The node at fault; -1 if there is none. */
  node: number;
  reason: string;
}

const MAX_REASON_CHARACTERS = 2000;

/** The payload of a {@linkcode FRAME.ABORT} frame. */
export function encodeAbort({ node, reason }: AbortNotice): Uint8Array<ArrayBuffer> {
  const text = JSON.stringify({ node, reason: reason.slice(0, MAX_REASON_CHARACTERS) });
  return new TextEncoder().encode(text);
}

/**
 * Decodes the payload of a {@linkcode FRAME.ABORT} frame.
 *
 * @throws {FrameError} If it is malformed.
 */
export function decodeAbort(payload: Uint8Array): AbortNotice {
  try {
    const notice = JSON.parse(new TextDecoder().decode(payload));
    return { node: Number(notice.node), reason: String(notice.reason) };
  } catch {
    throw new FrameError("an abort without a reason");
  }
}
