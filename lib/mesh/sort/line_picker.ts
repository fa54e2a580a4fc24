import { endOfRecord } from "../keys/csv_record.ts";
import { readAt } from "./file_reads.ts";

const NEWLINE = 0x0a;
/** The first window in which a line is searched; it doubles, up to two lines of maximal length. */
const LINE_WINDOW_BYTES = 1024;

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
  #windowBytes = LINE_WINDOW_BYTES;
  /** Space for the largest window so far. */
  #buffer = new Uint8Array(LINE_WINDOW_BYTES);

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

  /** The first line at or after `position`; `undefined` if there is none, or it is too long. */
  after(position: number): PickedLine | undefined {
    const from = Math.max(0, position - 1);
    for (let window = this.#windowBytes;; window *= 2) {
      if (this.#buffer.length < window) this.#buffer = new Uint8Array(window);
      const block = this.#buffer.subarray(0, Math.min(window, this.#size - from));
      readAt(this.#file, from, block);
      this.readBytes += block.length;
      this.#windowBytes = Math.max(LINE_WINDOW_BYTES, window / 2);
      const whole = from + block.length === this.#size;
      const isLast = whole || window > 2 * this.#maxLineBytes;
      const start = position === 0 ? 0 : block.indexOf(NEWLINE) + 1;
      if (position > 0 && start === 0) {
        if (isLast) return undefined;
        continue;
      }
      const end = this.#csv
        ? endOfRecord(block, start, block.length)
        : block.indexOf(NEWLINE, start);
      if (end >= 0 || whole && start < block.length) {
        const to = end >= 0 ? end : block.length;
        const tooLong = to - start > this.#maxLineBytes;
        return tooLong ? undefined : { bytes: block, from: start, to, position: from + start };
      }
      if (isLast) return undefined;
    }
  }
}
