import { READ_BUFFER_GROWN_BYTES, ReadBuffer } from "./read_buffer.ts";

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** The value in {@linkcode LineBatch.ends} for a line that was too long and not kept. */
const TOO_LONG = 0xffffffff;

const NO_BYTES = new Uint8Array(0);

/**
 * Lines as ranges of one array: line `i` is `bytes[starts[i]..ends[i])`, and with its terminator
 * `bytes[starts[i]..nexts[i])`. Nothing is copied, so a batch is valid only until the next read.
 */
export class LineBatch {
  bytes: Uint8Array = NO_BYTES;
  /** The number of lines. */
  count = 0;
  starts = new Uint32Array(8);
  ends = new Uint32Array(8);
  nexts = new Uint32Array(8);

  /** Whether line `i` was longer than the limit. Its bytes were not kept. */
  isTooLong(i: number): boolean {
    return this.ends[i] === TOO_LONG;
  }

  /** The bytes of line `i` without its terminator: a view, not a copy. */
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

  /** Adds a line that was too long. */
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
  /**
   * The length of the longest line that is kept, without its terminator. It may change at any time,
   * also for the line that has begun.
   */
  readonly maxLineBytes: number;
}

/**
 * Splits bytes into lines by the rule of `TextLineStream`: a line ends at `\n`, one `\r` before it
 * belongs to the terminator, and bytes after the last terminator form a line. Unlike
 * `TextLineStream` it has a limit: a longer line is skipped, and reported when it ends.
 *
 * Put bytes into {@linkcode space}, then call {@linkcode took} with their number.
 */
export class LineFramer {
  readonly #options: LineFramerOptions;
  /** The limit that the buffer was made for. */
  #maxLineBytes: number;
  readonly #buffer: ReadBuffer;
  /** Made when the first lines come: many connections never send any. */
  #batch: LineBatch | undefined;
  /** How many of the unread bytes are known to hold no newline. */
  #scanned = 0;
  /** Whether the line that has begun is too long, so that its bytes are skipped. */
  #skipping = false;
  /** How many reads have completed at least one line. */
  #batches = 0;

  constructor(options: LineFramerOptions) {
    this.#options = options;
    this.#maxLineBytes = options.maxLineBytes;
    this.#buffer = new ReadBuffer({ maxBytes: bufferBytes(options.maxLineBytes) });
  }

  /** Identifies the line that has begun and not ended; 0 if there is none. See `Connection.request`. */
  get begun(): number {
    return this.#skipping || this.#buffer.end > this.#buffer.start ? this.#batches + 1 : 0;
  }

  /** Where to put the next bytes. This invalidates the last batch. */
  space(): Uint8Array {
    this.#buffer.makeSpace();
    return this.#buffer.bytes.subarray(this.#buffer.end);
  }

  /**
   * Splits the bytes that were put into {@linkcode space}.
   *
   * @param count The number of bytes.
   * @returns The complete lines. The batch is reused by the next call.
   */
  took(count: number): LineBatch {
    this.#followLimit();
    const buffer = this.#buffer;
    const batch = this.#batch ??= new LineBatch();
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
    this.#skipTooLong();
    if (batch.count > 0) this.#batches++;
    return batch;
  }

  /** Ends the input. Returns the last line, if bytes without a newline are left. */
  end(): LineBatch {
    const { bytes, start, end } = this.#buffer;
    const batch = this.#batch ??= new LineBatch();
    batch.bytes = bytes;
    batch.count = 0;
    if (this.#skipping || end - start > this.#maxLineBytes) batch.pushTooLong(end);
    else if (end > start) batch.push(start, end, end);
    this.#buffer.start = end;
    this.#scanned = 0;
    this.#skipping = false;
    return batch;
  }

  #followLimit(): void {
    const { maxLineBytes } = this.#options;
    if (maxLineBytes === this.#maxLineBytes) return;
    this.#maxLineBytes = maxLineBytes;
    this.#buffer.maxBytes = bufferBytes(maxLineBytes);
    this.#skipTooLong();
  }

  /** Skips the line that has begun, if it is too long. All unread bytes are known to belong to it. */
  #skipTooLong(): void {
    const buffer = this.#buffer;
    // No newline yet: too long once it exceeds the limit by more than the `\r` of its terminator.
    if (buffer.end - buffer.start > this.#maxLineBytes + 1) this.#skipping = true;
    if (this.#skipping) buffer.start = buffer.end;
    this.#scanned = buffer.end - buffer.start;
  }
}

/** Room for a line at the limit, its terminator, and one byte more that shows a longer one. */
function bufferBytes(maxLineBytes: number): number {
  return Math.max(READ_BUFFER_GROWN_BYTES, 2 * (maxLineBytes + 3));
}
