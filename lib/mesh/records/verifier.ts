/**
 * Checks the order of records, and reports the same numbers as valsort.
 *
 * @module
 */

import { CrcSum, type Tally } from "./checksum.ts";
import { endOfRecord } from "../keys/csv_record.ts";
import type { KeyEncoder } from "../keys/key_encoder.ts";
import { LineOrder } from "./line_order.ts";
import { maxLineOf, type RecordFormat } from "./record_format.ts";

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/** The result of a verification. */
export interface Verification extends Tally {
  /** Records with the same key as the record before. */
  duplicateKeys: number;
  /** Records with a lower key than the record before. */
  unordered: number;
  /** The number of the first unordered record, counted from 0 over all files. */
  firstUnordered?: number;
}

/** Checks files in sequence, as if they were one. */
export class Verifier {
  readonly #format: RecordFormat;
  readonly #sum = new CrcSum();
  readonly #found = { records: 0, bytes: 0, duplicateKeys: 0, unordered: 0 };
  #firstUnordered: number | undefined;
  /** A copy of the last key: its chunk may have been overwritten. */
  #last = new Uint8Array(256);
  #lastBytes = -1;
  readonly #csv: boolean;
  /** Whether a header is yet to come. */
  #awaitsHeader: boolean;
  /** One for the key of a line and one for that of the line before; `undefined` without keys. */
  #encoders: [KeyEncoder, KeyEncoder] | undefined;

  constructor(format: RecordFormat) {
    this.#format = format;
    const order = new LineOrder(format);
    this.#csv = this.#awaitsHeader = order.csv;
    const [first, second] = [order.newEncoder(), order.newEncoder()];
    this.#encoders = first && second ? [first, second] : undefined;
  }

  /** The result so far. */
  result(): Verification {
    return {
      ...this.#found,
      sum: this.#sum.value,
      ...(this.#firstUnordered === undefined ? {} : { firstUnordered: this.#firstUnordered }),
    };
  }

  /**
   * Checks a file.
   *
   * @param onProgress Called with the number of bytes read since the last call.
   * @throws {Error} If it cannot be read, its last record is cut off, or a line is too long.
   */
  async file(path: string, onProgress: (bytes: number) => void = () => {}): Promise<void> {
    using file = await Deno.open(path);
    const { recordBytes } = this.#format;
    const maxLineBytes = maxLineOf(this.#format);
    const size = Math.max(CHUNK_BYTES, 2 * (recordBytes || maxLineBytes));
    // One chunk is checked while the other one is read.
    let [chunk, next] = [new Uint8Array(size + 1), new Uint8Array(size + 1)];
    let filled = 0;
    let position = 0;
    let reading = file.read(chunk.subarray(0, size));
    for (;;) {
      const count = await reading;
      if (count === null) break;
      filled += count;
      const end = this.#lastEnd(chunk, filled);
      const rest = filled - end;
      if (!recordBytes && rest > maxLineBytes) {
        throw new Error(`Cannot verify "${path}": the line at byte ${position + end} is too long`);
      }
      next.set(chunk.subarray(end, filled));
      reading = file.read(next.subarray(rest, size));
      this.#check(chunk, end);
      onProgress(count);
      [chunk, next] = [next, chunk];
      position += end;
      filled = rest;
    }
    if (filled === 0) return;
    if (recordBytes) {
      throw new Error(
        `Cannot verify "${path}": the record at byte ${position} is cut off, ` +
          `it has ${filled} of ${recordBytes} bytes`,
      );
    }
    chunk[filled] = NEWLINE;
    this.#check(chunk, filled + 1);
  }

  /** The end of the last complete record. */
  #lastEnd(chunk: Uint8Array, filled: number): number {
    const { recordBytes } = this.#format;
    if (recordBytes) return filled - filled % recordBytes;
    if (!this.#csv) return chunk.subarray(0, filled).lastIndexOf(NEWLINE) + 1;
    let last = 0;
    for (let end = endOfRecord(chunk, 0, filled); end >= 0;) {
      last = end + 1;
      end = endOfRecord(chunk, last, filled);
    }
    return last;
  }

  /** The end of the record at a position, its newline included. */
  #next(chunk: Uint8Array, at: number): number {
    const { recordBytes } = this.#format;
    if (recordBytes) return at + recordBytes;
    if (this.#csv) return endOfRecord(chunk, at, chunk.length) + 1;
    return chunk.indexOf(NEWLINE, at) + 1;
  }

  #check(chunk: Uint8Array, end: number): void {
    const { recordBytes, keyStart, keyEnd } = this.#format;
    // The key of the record before, in this chunk, in an encoder, or copied from the chunk before.
    let last: Uint8Array = this.#last;
    let [lastFrom, lastBytes] = [0, this.#lastBytes];
    for (let at = 0; at < end;) {
      const next = this.#next(chunk, at);
      if (this.#awaitsHeader) {
        this.#awaitsHeader = false;
        at = next;
        continue;
      }
      const content = recordBytes ? next : next - 1;
      let key = chunk;
      let from = Math.min(at + keyStart, content);
      let bytes = Math.min(at + keyEnd, content) - from;
      if (this.#encoders) {
        const [encoder, other] = this.#encoders;
        this.#encoders = [other, encoder];
        encoder.encode(chunk, at, content, Infinity);
        [key, from, bytes] = [encoder.bytes, 0, encoder.length];
      }
      if (lastBytes >= 0) {
        const common = Math.min(bytes, lastBytes);
        let i = 0;
        while (i < common && key[from + i] === last[lastFrom + i]) i++;
        const order = i < common ? key[from + i]! - last[lastFrom + i]! : bytes - lastBytes;
        if (order === 0) this.#found.duplicateKeys++;
        else if (order < 0) {
          this.#found.unordered++;
          this.#firstUnordered ??= this.#found.records;
        }
      }
      this.#sum.add(chunk.subarray(at, next));
      this.#found.records++;
      this.#found.bytes += next - at;
      [last, lastFrom, lastBytes] = [key, from, bytes];
      at = next;
    }
    if (last === this.#last) return;
    if (this.#last.length < lastBytes) this.#last = new Uint8Array(lastBytes);
    this.#last.set(last.subarray(lastFrom, lastFrom + lastBytes));
    this.#lastBytes = lastBytes;
  }
}
