import { endOfRecord } from "../keys/csv_record.ts";
import { readAt } from "./file_reads.ts";

const NEWLINE = 0x0a;
/** A line is first searched this far to both sides; then twice as far, up to a line of any length. */
const WINDOW_BYTES = 512;

/** A line that was found. */
export interface PickedLine {
  /** Contains the line; valid until the next one is searched. */
  bytes: Uint8Array;
  from: number;
  to: number;
  /** The position of the line in the file. */
  position: number;
}

/** Finds lines at any position of a file. */
export class LinePicker {
  /** Bytes read so far. */
  readBytes = 0;
  readonly #file: Deno.FsFile;
  readonly #size: number;
  readonly #maxLineBytes: number;
  readonly #csv: boolean;
  /** The window that sufficed last time: the lines of a file often have similar lengths. */
  #windowBytes = WINDOW_BYTES;
  /** Space for the largest window so far. */
  #buffer = new Uint8Array(2 * WINDOW_BYTES);

  /**
   * @param size The size of the file in bytes.
   * @param csv Whether lines are records of CSV. A position within quotes is not recognised: what is
   * found there is not a whole record.
   */
  constructor(
    file: Deno.FsFile,
    { size, maxLineBytes, csv }: { size: number; maxLineBytes: number; csv: boolean },
  ) {
    this.#file = file;
    this.#size = size;
    this.#maxLineBytes = maxLineBytes;
    this.#csv = csv;
  }

  /**
   * The line that contains the byte at `position`, so long lines are found as often as they have
   * bytes; `undefined` if it is too long.
   */
  at(position: number): PickedLine | undefined {
    for (let window = this.#windowBytes;; window *= 2) {
      const from = Math.max(0, position - window);
      const until = Math.min(this.#size, position + window);
      if (this.#buffer.length < until - from) this.#buffer = new Uint8Array(2 * window);
      const block = this.#buffer.subarray(0, until - from);
      readAt(this.#file, from, block);
      this.readBytes += block.length;
      this.#windowBytes = Math.max(WINDOW_BYTES, window / 2);
      // The newline at the position itself ends the line.
      const before = position === from ? -1 : block.lastIndexOf(NEWLINE, position - from - 1);
      if (before >= 0 || from === 0) {
        const start = before + 1;
        const end = this.#csv
          ? endOfRecord(block, start, block.length)
          : block.indexOf(NEWLINE, position - from);
        if (end >= 0 || until === this.#size) {
          const to = end >= 0 ? end : block.length;
          const isTooLong = to - start > this.#maxLineBytes;
          return isTooLong ? undefined : { bytes: block, from: start, to, position: from + start };
        }
      }
      if (window > this.#maxLineBytes) return undefined;
    }
  }
}
