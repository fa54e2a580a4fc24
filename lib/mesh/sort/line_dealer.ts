import { crc32 } from "node:zlib";
import { crc32Of } from "../records/checksum.ts";
import { endOfRecord } from "../keys/csv_record.ts";
import type { KeyEncoder } from "../keys/key_encoder.ts";
import {
  KEY_CUT,
  KEY_PARTS_WHOLE,
  lengthPlace,
  lineLength,
  linePlace,
  MAX_SHORT_LINE_BYTES,
  MAX_STORED_KEY_BYTES,
  prefixBytes,
  writeLength,
} from "../records/line_entry.ts";
import { maxLineOf, type RecordFormat } from "../records/record_format.ts";
import { LineError } from "./line_error.ts";
import type { LineOrder } from "../records/line_order.ts";
import { type OpenPieces, SLOT_BYTES } from "./open_pieces.ts";
import { orderOf, type SplitterTable } from "./splitters.ts";

const NEWLINE_BYTE = Uint8Array.of(0x0a);
const NEWLINE = 0x0a;
/** Up to this length a loop copies faster than `set`. */
const SHORT_COPY_BYTES = 256;
/**
 * With a key goes the beginning of its line, up to this many bytes together. They decide between many
 * lines with equal keys; more would take more memory than it saves time.
 */
const KEY_AND_LINE_BYTES = 12;

/** A long line of which some parts have been put into slots. */
interface Unfinished {
  /** Its place in the chunk. */
  at: number;
  bucket: number;
  /** How many of its bytes are in slots. */
  done: number;
}

/** Deals out lines. */
export class LineDealer {
  readonly #format: RecordFormat;
  readonly #maxLineBytes: number;
  readonly #csv: boolean;
  readonly #encoder: KeyEncoder | undefined;
  /** The bytes of a key that are needed to find its bucket and to store it. */
  readonly #keyBytes: number;
  readonly #table: SplitterTable;
  readonly #pieces: OpenPieces;
  readonly #slab: Uint8Array;
  readonly #node: number;
  #unfinished: Unfinished | undefined;

  constructor(
    { format, lineOrder, table, pieces, slab, node }: {
      format: RecordFormat;
      lineOrder: LineOrder;
      table: SplitterTable;
      pieces: OpenPieces;
      slab: Uint8Array;
      node: number;
    },
  ) {
    this.#format = format;
    this.#maxLineBytes = maxLineOf(format);
    this.#csv = lineOrder.csv;
    this.#encoder = lineOrder.newEncoder();
    this.#keyBytes = Math.max(MAX_STORED_KEY_BYTES, table.longestKey) + 1;
    this.#table = table;
    this.#pieces = pieces;
    this.#slab = slab;
    this.#node = node;
  }

  /** See {@linkcode Partitioner.dealLines}. */
  dealLines(chunk: Uint8Array, from: number, to: number, position: number): number {
    const base = orderOf(this.#node, position);
    for (let at = from; at < to;) {
      const end = this.#csv ? endOfRecord(chunk, at, chunk.length) : chunk.indexOf(NEWLINE, at);
      if (end < 0) return at;
      if (end - at > this.#maxLineBytes) {
        throw LineError.tooLong(position + at, this.#format, this.#csv);
      }
      if (!this.#deal(chunk, at, end, base + at)) return at;
      at = end + 1;
    }
    return to;
  }

  /** See {@linkcode Partitioner.dealEntries}. */
  dealEntries(chunk: Uint8Array, from: number, to: number, position: number): number {
    const base = orderOf(this.#node, position);
    for (let at = from; at < to;) {
      const place = lengthPlace(chunk, at, this.#encoder !== undefined);
      const start = linePlace(chunk, place);
      const end = start + lineLength(chunk, place);
      if (!this.#deal(chunk, start, end, base + at)) return at;
      at = end;
    }
    return to;
  }

  /** Deals out one line; returns whether there were slots for all of it. */
  #deal(chunk: Uint8Array, start: number, end: number, order: number): boolean {
    if (this.#unfinished?.at === start) return this.#dealLong(chunk, start, end, order);
    const encoder = this.#encoder;
    const length = end - start;
    let bucket: number;
    let stored = 0;
    if (encoder === undefined) {
      const { keyStart, keyEnd } = this.#format;
      const keyFrom = Math.min(start + keyStart, end);
      bucket = this.#table.find(chunk, keyFrom, Math.min(start + keyEnd, end), order);
    } else {
      encoder.encode(chunk, start, end, this.#keyBytes);
      bucket = this.#table.find(encoder.bytes, 0, encoder.length, order);
      stored = 1 + storedLength(encoder);
    }
    if (length > MAX_SHORT_LINE_BYTES) {
      this.#unfinished = { at: start, bucket, done: 0 };
      return this.#dealLong(chunk, start, end, order);
    }
    const entry = this.#pieces.place(bucket, stored + prefixBytes(length) + length, order);
    if (entry < 0) return false;
    const slab = this.#slab;
    const place = encoder === undefined ? entry : this.#writeKey(encoder, entry);
    const target = writeLength(slab, place, length);
    if (length > SHORT_COPY_BYTES) slab.set(chunk.subarray(start, end), target);
    else for (let i = 0; i < length; i++) slab[target + i] = chunk[start + i]!;
    this.#pieces.count(bucket, length + 1, crcOf(chunk, start, end));
    return true;
  }

  /**
   * Puts as much of a long line into slots as there are; returns whether that was all. The order of a
   * continuation is that of its first byte, so it follows the part before it.
   */
  #dealLong(chunk: Uint8Array, start: number, end: number, order: number): boolean {
    const state = this.#unfinished!;
    const { bucket } = state;
    const slab = this.#slab;
    const length = end - start;
    if (state.done === 0) {
      const encoder = this.#encoder;
      encoder?.encode(chunk, start, end, this.#keyBytes);
      const stored = encoder === undefined ? 0 : 1 + storedLength(encoder);
      const bytes = Math.min(SLOT_BYTES, stored + prefixBytes(length) + length);
      const entry = this.#pieces.placeAlone(bucket, bytes, order);
      if (entry < 0) return false;
      const place = encoder === undefined ? entry : this.#writeKey(encoder, entry);
      const target = writeLength(slab, place, length);
      state.done = entry + bytes - target;
      slab.set(chunk.subarray(start, start + state.done), target);
      this.#pieces.count(bucket, length + 1, crcOf(chunk, start, end));
    }
    while (state.done < length) {
      const bytes = Math.min(SLOT_BYTES, length - state.done);
      const target = this.#pieces.placeAlone(bucket, bytes, order + state.done);
      if (target < 0) return false;
      const from = start + state.done;
      slab.set(chunk.subarray(from, from + bytes), target);
      state.done += bytes;
    }
    this.#pieces.close(bucket);
    this.#unfinished = undefined;
    return true;
  }

  /** Writes the stored part of the key that was built last; returns the place behind it. */
  #writeKey(encoder: KeyEncoder, entry: number): number {
    const { bytes, length } = encoder;
    const slab = this.#slab;
    const count = storedLength(encoder);
    const partsWhole = encoder.partsWhole && encoder.partsLength <= count;
    const cut = encoder.cut || count < length;
    slab[entry] = count | (partsWhole ? KEY_PARTS_WHOLE : 0) | (cut ? KEY_CUT : 0);
    for (let i = 0; i < count; i++) slab[entry + 1 + i] = bytes[i]!;
    return entry + 1 + count;
  }
}

/** How much of a key is stored. Equal parts must lead to equal lengths. */
function storedLength({ length, partsLength }: KeyEncoder): number {
  const wanted = partsLength === 0
    ? MAX_STORED_KEY_BYTES
    : Math.min(MAX_STORED_KEY_BYTES, Math.max(partsLength, KEY_AND_LINE_BYTES));
  return Math.min(length, wanted);
}

/** The CRC-32 of a line with its newline, which need not be there. */
function crcOf(chunk: Uint8Array, start: number, end: number): number {
  if (chunk[end] === NEWLINE) return crc32Of(chunk, start, end + 1);
  return crc32(NEWLINE_BYTE, crc32(chunk.subarray(start, end)));
}
