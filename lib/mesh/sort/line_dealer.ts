import { crc32 } from "node:zlib";
import { copyBytesWithCrc32, crc32Of, crc32With } from "../records/checksum.ts";
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
import { addCount, readCount, writeCount } from "../records/counted_entry.ts";
import { countBytesOf, maxLineOf, type RecordFormat } from "../records/record_format.ts";
import type { Absorbed } from "./absorbed.ts";
import { digestOf, type Duplicates, MAX_ARENA_KEY_BYTES } from "./duplicates.ts";
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
  /** Of a sort that reduces: the digest of its key. */
  digest: string | undefined;
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
  readonly #countBytes: number;
  /** Of a sort that reduces: the entries whose counts can be raised, and those that raised them. */
  readonly #duplicates: Duplicates | undefined;
  readonly #absorbed: Absorbed;
  #unfinished: Unfinished | undefined;

  constructor(
    { format, lineOrder, table, pieces, slab, node, duplicates, absorbed }: {
      format: RecordFormat;
      lineOrder: LineOrder;
      table: SplitterTable;
      pieces: OpenPieces;
      slab: Uint8Array;
      node: number;
      duplicates: Duplicates | undefined;
      absorbed: Absorbed;
    },
  ) {
    this.#format = format;
    this.#maxLineBytes = maxLineOf(format);
    this.#csv = lineOrder.csv;
    this.#encoder = lineOrder.newEncoder();
    const keyBytes = Math.max(MAX_STORED_KEY_BYTES, table.longestKey) + 1;
    this.#keyBytes = duplicates ? Math.max(MAX_ARENA_KEY_BYTES, keyBytes) : keyBytes;
    this.#table = table;
    this.#pieces = pieces;
    this.#slab = slab;
    this.#node = node;
    this.#countBytes = countBytesOf(format);
    this.#duplicates = duplicates;
    this.#absorbed = absorbed;
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
      if (!this.#deal(chunk, at, end, base + at, 1)) return at;
      at = end + 1;
    }
    return to;
  }

  /** See {@linkcode Partitioner.dealEntries}. */
  dealEntries(chunk: Uint8Array, from: number, to: number, position: number): number {
    const base = orderOf(this.#node, position);
    for (let at = from; at < to;) {
      const entry = at + this.#countBytes;
      const place = lengthPlace(chunk, entry, this.#encoder !== undefined);
      const start = linePlace(chunk, place);
      const end = start + lineLength(chunk, place);
      const count = this.#countBytes === 0 ? 1 : readCount(chunk, entry);
      if (!this.#deal(chunk, start, end, base + at, count)) return at;
      at = end;
    }
    return to;
  }

  /** Deals out one line; returns whether there were slots for all of it. */
  #deal(chunk: Uint8Array, start: number, end: number, order: number, count: number): boolean {
    if (this.#unfinished?.at === start) return this.#dealLong(chunk, start, end, order, count);
    const encoder = this.#encoder;
    const duplicates = this.#duplicates;
    const length = end - start;
    const { keyStart, keyEnd } = this.#format;
    const keyFrom = Math.min(start + keyStart, end);
    const keyTo = Math.min(start + keyEnd, end);
    encoder?.encode(chunk, start, end, this.#keyBytes);
    if (length > MAX_SHORT_LINE_BYTES) return this.#beginLong(chunk, start, end, order, count);
    let crc = -1;
    let hash = 0;
    let digest: string | undefined;
    const isLooking = duplicates?.isLooking() ?? false;
    if (isLooking) {
      crc = crcOf(chunk, start, end);
      let found: number;
      if (encoder === undefined) {
        hash = keyFrom === start && keyTo === end ? crc : crc32Of(chunk, keyFrom, keyTo);
        found = duplicates!.find(hash, chunk, keyFrom, keyTo);
      } else if (encoder.length <= MAX_ARENA_KEY_BYTES && !encoder.cut) {
        hash = crc32Of(encoder.bytes, 0, encoder.length);
        found = duplicates!.findKey(hash, encoder.bytes, encoder.length);
      } else {
        digest = this.#digestOf(chunk, start, end);
        found = duplicates!.findDigest(digest);
      }
      if (found >= 0 && addCount(this.#slab, found, count)) {
        this.#absorbed.add(length + 1, crc);
        return true;
      }
    }
    const bucket = encoder === undefined
      ? this.#table.find(chunk, keyFrom, keyTo, order)
      : this.#table.find(encoder.bytes, 0, encoder.length, order);
    const countBytes = this.#countBytes;
    const stored = countBytes + (encoder === undefined ? 0 : 1 + storedLength(encoder));
    const address = this.#pieces.place(bucket, stored + prefixBytes(length) + length, order);
    if (address < 0) return false;
    const entry = address + countBytes;
    const slab = this.#slab;
    if (countBytes > 0) writeCount(slab, entry, count);
    const place = encoder === undefined ? entry : this.#writeKey(encoder, entry);
    const target = writeLength(slab, place, length);
    if (length > SHORT_COPY_BYTES) slab.set(chunk.subarray(start, end), target);
    else if (crc < 0) {
      crc = crc32With(copyBytesWithCrc32(chunk, start, slab, target, length), NEWLINE);
    } else for (let i = 0; i < length; i++) slab[target + i] = chunk[start + i]!;
    this.#pieces.count(bucket, length + 1, crc < 0 ? crcOf(chunk, start, end) : crc);
    if (!isLooking) return true;
    if (digest !== undefined) duplicates!.addDigest(digest, entry);
    else if (encoder === undefined) duplicates!.add(entry);
    else duplicates!.addKey(entry, encoder.bytes, encoder.length);
    return true;
  }

  /** Deals out a long line of which nothing has been put into slots; its key has been built. */
  #beginLong(chunk: Uint8Array, start: number, end: number, order: number, count: number): boolean {
    const encoder = this.#encoder;
    const { keyStart, keyEnd } = this.#format;
    const bucket = encoder === undefined
      ? this.#table.find(chunk, start + keyStart, Math.min(start + keyEnd, end), order)
      : this.#table.find(encoder.bytes, 0, encoder.length, order);
    let digest: string | undefined;
    if (this.#duplicates) {
      digest = this.#digestOf(chunk, start, end);
      const found = this.#duplicates.findDigest(digest);
      if (found >= 0 && addCount(this.#slab, found, count)) {
        this.#absorbed.add(end - start + 1, crcOf(chunk, start, end));
        return true;
      }
    }
    this.#unfinished = { at: start, bucket, done: 0, digest };
    return this.#dealLong(chunk, start, end, order, count);
  }

  /**
   * Puts as much of a long line into slots as there are; returns whether that was all. The order of a
   * continuation is that of its first byte, so it follows the part before it.
   */
  #dealLong(chunk: Uint8Array, start: number, end: number, order: number, count: number): boolean {
    const state = this.#unfinished!;
    const { bucket, digest } = state;
    const slab = this.#slab;
    const pieces = this.#pieces;
    const length = end - start;
    if (state.done === 0) {
      const encoder = this.#encoder;
      encoder?.encode(chunk, start, end, this.#keyBytes);
      const countBytes = this.#countBytes;
      const stored = countBytes + (encoder === undefined ? 0 : 1 + storedLength(encoder));
      const bytes = Math.min(SLOT_BYTES, stored + prefixBytes(length) + length);
      const address = pieces.placeAlone(bucket, bytes, order);
      if (address < 0) return false;
      const entry = address + countBytes;
      if (countBytes > 0) writeCount(slab, entry, count);
      const place = encoder === undefined ? entry : this.#writeKey(encoder, entry);
      const target = writeLength(slab, place, length);
      state.done = address + bytes - target;
      slab.set(chunk.subarray(start, start + state.done), target);
      pieces.count(bucket, length + 1, crcOf(chunk, start, end));
      if (digest !== undefined) this.#duplicates!.addDigest(digest, entry, pieces.hold(bucket));
    }
    while (state.done < length) {
      const bytes = Math.min(SLOT_BYTES, length - state.done);
      const target = pieces.placeAlone(bucket, bytes, order + state.done);
      if (target < 0) return false;
      const from = start + state.done;
      slab.set(chunk.subarray(from, from + bytes), target);
      state.done += bytes;
    }
    pieces.close(bucket);
    this.#unfinished = undefined;
    return true;
  }

  /** The digest of the whole key of a line. */
  #digestOf(chunk: Uint8Array, start: number, end: number): string {
    const encoder = this.#encoder;
    if (encoder === undefined) {
      const { keyStart, keyEnd } = this.#format;
      return digestOf(chunk.subarray(start + keyStart, Math.min(start + keyEnd, end)));
    }
    if (!encoder.cut) return digestOf(encoder.bytes.subarray(0, encoder.length));
    encoder.encode(chunk, start, end, Infinity);
    const digest = digestOf(encoder.bytes.subarray(0, encoder.length));
    // The rest of the code expects the usual part of a key.
    encoder.encode(chunk, start, end, this.#keyBytes);
    return digest;
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
