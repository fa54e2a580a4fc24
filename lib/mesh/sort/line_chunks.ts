import { countQuotes, endOfRecord } from "../keys/csv_record.ts";
import { maxLineOf, type RecordFormat } from "../records/record_format.ts";
import { readFull } from "./file_reads.ts";
import { LineError } from "./line_error.ts";
import type { FilePart } from "./sort_messages.ts";

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;
const QUOTE = 0x22;

/**
 * Reads the lines of a part of a file in chunks: those that begin in the part, the last one to its
 * end. A chunk has the rest of the one before it at its start, and grows to hold a long line.
 */
export class LineChunks {
  /** The chunk. The last line of the file has a newline, even if it has none in the file. */
  bytes: Uint8Array;
  /** Where the first line begins in it. */
  from = 0;
  /** Lines that begin before this place belong to the part. */
  to = 0;
  /** The place of the chunk in the file. */
  #place: number;
  /** How much was read for it. */
  readBytes = 0;
  readonly #file: Deno.FsFile;
  readonly #part: FilePart;
  readonly #maxLineBytes: number;
  readonly #format: RecordFormat;
  readonly #csv: boolean;
  #filled = 0;
  /** Whether the end of the line before the part is yet to be found, */
  #skipping: boolean;
  /** and whether that is within quotes so far. */
  #quoted: boolean;
  #ended = false;

  /** @param csv Whether lines are records of CSV. */
  constructor(
    file: Deno.FsFile,
    part: FilePart,
    { format, csv }: { format: RecordFormat; csv: boolean },
  ) {
    this.#file = file;
    this.#part = part;
    this.#format = format;
    this.#maxLineBytes = maxLineOf(format);
    this.#csv = csv;
    this.#skipping = part.start > 0;
    this.#quoted = part.quoted ?? false;
    // A line belongs to the part in which it begins, so start at the newline before it.
    this.#place = Math.max(0, part.start - 1);
    // There may be many small files.
    this.bytes = new Uint8Array(Math.min(CHUNK_BYTES, part.size - this.#place) + 1);
    file.seekSync(this.#place, Deno.SeekMode.Start);
  }

  /** The position of the chunk in the input. */
  get position(): number {
    return this.#part.base + this.#place;
  }

  /** The chunk as far as it is filled. */
  get lines(): Uint8Array {
    return this.bytes.subarray(0, this.#filled);
  }

  /**
   * Reads the next chunk.
   *
   * @returns Whether there is one with a line of the part.
   * @throws {ShorterError} If the file has become shorter.
   */
  read(): boolean {
    const { start, end, size } = this.#part;
    this.readBytes = 0;
    while (!this.#ended && this.#place < end) {
      const isFirst = this.#filled === 0 && this.#place === Math.max(0, start - 1);
      const room = this.bytes.length - 1 - this.#filled;
      const bytes = Math.min(room, size - this.#place - this.#filled);
      readFull(this.#file, this.bytes.subarray(this.#filled, this.#filled + bytes));
      this.#filled += bytes;
      this.readBytes += bytes;
      if (this.#isWhole() && this.bytes[this.#filled - 1] !== NEWLINE) {
        this.bytes[this.#filled++] = NEWLINE;
      }
      // What is known is the state behind the byte before the part, which is read as well.
      if (isFirst && this.#skipping && this.bytes[0] === QUOTE) this.#quoted = !this.#quoted;
      this.from = this.#skipping ? this.#skip() : 0;
      this.to = Math.min(this.#filled, end - this.#place);
      if (this.from < this.to) return true;
      if (this.to < this.#filled || this.#isWhole()) this.#ended = true;
      else this.#drop(this.#filled);
    }
    return false;
  }

  /**
   * Notes how much of a chunk is done.
   *
   * @param at Where the first line begins that is not.
   * @throws {LineError} If that line is longer than allowed, or does not end.
   */
  done(at: number): void {
    if (at >= this.to && (this.to < this.#filled || this.#isWhole())) {
      this.#ended = true;
      return;
    }
    if (this.#filled - at > this.#maxLineBytes) {
      throw LineError.tooLong(this.position + at, this.#format, this.#csv);
    }
    if (this.#isWhole()) throw LineError.openQuote(this.position + at);
    this.#drop(at);
    if (this.#filled === this.bytes.length - 1) this.#grow();
  }

  /** Whether the chunk goes to the end of the file. */
  #isWhole(): boolean {
    return this.#place + this.#filled >= this.#part.size;
  }

  /** The start of the first line of the part in the chunk; the end of the chunk if it is not there. */
  #skip(): number {
    const newline = this.#csv
      ? endOfRecord(this.bytes, 0, this.#filled, this.#quoted)
      : this.lines.indexOf(NEWLINE);
    if (newline >= 0) {
      this.#skipping = false;
      return newline + 1;
    }
    if (this.#csv && countQuotes(this.lines) % 2 === 1) this.#quoted = !this.#quoted;
    return this.#filled;
  }

  #drop(bytes: number): void {
    this.bytes.copyWithin(0, bytes, this.#filled);
    this.#place += bytes;
    this.#filled -= bytes;
  }

  #grow(): void {
    const larger = new Uint8Array(Math.min(2 * this.bytes.length, this.#maxLineBytes + 3));
    larger.set(this.lines);
    this.bytes = larger;
  }
}
