import { READ_BUFFER_INITIAL_BYTES, ReadBuffer } from "./read_buffer.ts";

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** What {@linkcode LineBatch.ends} holds for a line that was too long to be kept. */
const TOO_LONG = 0xffffffff;

/**
 * Lines as ranges of one array: line `i` is `bytes[starts[i]..ends[i])`, and with its terminator
 * `bytes[starts[i]..nexts[i])`. Good until the next read; nothing is copied.
 */
export class LineBatch {
  bytes: Uint8Array = new Uint8Array(0);
  /** How many lines there are. */
  count = 0;
  starts = new Uint32Array(8);
  ends = new Uint32Array(8);
  nexts = new Uint32Array(8);

  /** Whether line `i` was longer than the limit; then only that is known of it. */
  isTooLong(i: number): boolean {
    return this.ends[i] === TOO_LONG;
  }

  /** The bytes of line `i`, without its terminator; a view, not a copy. */
  line(i: number): Uint8Array {
    return this.bytes.subarray(this.starts[i], this.ends[i]);
  }

  /** Adds a line. */
  push(start: number, end: number, next: number): void {
    if (this.count === this.starts.length) this.#grow();
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.nexts[this.count] = next;
    this.count++;
  }

  /** Adds a line of which only its place is known. */
  pushTooLong(next: number): void {
    this.push(next, TOO_LONG, next);
  }

  /** Removes the first line. */
  shift(): void {
    for (const positions of [this.starts, this.ends, this.nexts]) {
      positions.copyWithin(0, 1, this.count);
    }
    this.count--;
  }

  #grow(): void {
    for (const name of ["starts", "ends", "nexts"] as const) {
      const grown = new Uint32Array(2 * this[name].length);
      grown.set(this[name]);
      this[name] = grown;
    }
  }
}

/** Options for {@linkcode LineFramer}. */
export interface LineFramerOptions {
  /** The longest line that is kept, without its terminator. */
  maxLineBytes: number;
}

/**
 * Cuts bytes into lines by TextLineStream's rule: a line ends at `\n`, one `\r` before it belongs
 * to the terminator, and what is left at the end of the input is a line if it is not empty. Unlike
 * TextLineStream it has a limit: of a longer line nothing is kept, and that it was there is
 * reported when it ends.
 *
 * Put bytes into {@linkcode space}, then say how many with {@linkcode took}.
 */
export class LineFramer {
  readonly #maxLineBytes: number;
  readonly #buffer: ReadBuffer;
  readonly #batch = new LineBatch();
  /** Where to go on looking for a newline, from the start of the unread bytes. */
  #scanned = 0;
  /** Whether the line at the front is already known to be too long. */
  #skipping = false;
  /** How many reads have completed a line. */
  #batches = 0;

  constructor(options: LineFramerOptions) {
    this.#maxLineBytes = options.maxLineBytes;
    // A line at the limit and its terminator fit, and one byte more to see that it is too long.
    this.#buffer = new ReadBuffer({
      maxBytes: Math.max(READ_BUFFER_INITIAL_BYTES, 2 * (options.maxLineBytes + 3)),
    });
  }

  /** The line that has begun and not ended, by a number that none before it had; 0 if none has. */
  get begun(): number {
    return this.#skipping || this.#buffer.end > this.#buffer.start ? this.#batches + 1 : 0;
  }

  /** Where the next bytes go. The lines handed out before are no longer good. */
  space(): Uint8Array {
    this.#buffer.makeRoom();
    return this.#buffer.bytes.subarray(this.#buffer.end);
  }

  /**
   * Cuts what was put into {@linkcode space}.
   *
   * @param count How many bytes were put there.
   * @returns The lines that are complete now; the batch is reused.
   */
  took(count: number): LineBatch {
    const buffer = this.#buffer;
    const batch = this.#batch;
    buffer.took(count);
    batch.bytes = buffer.bytes;
    batch.count = 0;
    const unread = buffer.bytes.subarray(0, buffer.end);
    let from = buffer.start + this.#scanned;
    for (;;) {
      const newline = unread.indexOf(NEWLINE, from);
      if (newline === -1) break;
      const start = buffer.start;
      const end = newline > start && unread[newline - 1] === CARRIAGE_RETURN
        ? newline - 1
        : newline;
      if (this.#skipping || end - start > this.#maxLineBytes) batch.pushTooLong(newline + 1);
      else batch.push(start, end, newline + 1);
      this.#skipping = false;
      from = buffer.start = newline + 1;
    }
    // Without a newline in it, anything longer than a line and the `\r` of its end is too long.
    if (buffer.end - buffer.start > this.#maxLineBytes + 1) this.#skipping = true;
    if (this.#skipping) buffer.start = buffer.end;
    this.#scanned = buffer.end - buffer.start;
    if (batch.count > 0) this.#batches++;
    return batch;
  }

  /** Says that the input has ended: a last line that has no newline, if there is one. */
  end(): LineBatch {
    const { bytes, start, end } = this.#buffer;
    const batch = this.#batch;
    batch.bytes = bytes;
    batch.count = 0;
    if (this.#skipping || end - start > this.#maxLineBytes) batch.pushTooLong(end);
    else if (end > start) batch.push(start, end, end);
    this.#buffer.start = end;
    this.#scanned = 0;
    this.#skipping = false;
    return batch;
  }
}
