import { Turn } from "../turn.ts";
import type { Connection } from "./connection.ts";

/** The initial size of a buffer: every idle connection holds one. */
export const READ_BUFFER_INITIAL_BYTES = 512;

/** The least size that a buffer grows to, so that a burst takes few reads. */
export const READ_BUFFER_GROWN_BYTES = 4096;

/** The most free space that one read is offered. More does not make reads faster. */
export const READ_MAX_BYTES = 64 * 1024;

/** A buffer shrinks after this many reads in a row that left most of it empty. */
const SMALL_READS_BEFORE_SHRINK = 16;

/** The most that one read brings: memory touched for the first time takes up to 4 ms a MiB. */
const READ_AT_ONCE_BYTES = 256 * 1024;

/** From this size on, growing takes turns, if it does at all. */
const LONG_BYTES = 1024 * 1024;

/** The bytes copied between two readings of the clock. */
const COPY_BYTES = 256 * 1024;

/** Options for {@linkcode ReadBuffer}. */
export interface ReadBufferOptions {
  /**
   * The initial size.
   *
   * @default {READ_BUFFER_INITIAL_BYTES}
   */
  initialBytes?: number;
  /** The maximum number of unread bytes. */
  maxBytes: number;
  /**
   * Whether a long buffer is copied in turns when it grows. The owner must not touch it during a
   * {@linkcode ReadBuffer.fill} then.
   *
   * @default {false}
   */
  growsInTurns?: boolean;
}

/**
 * Bytes of a connection that have been received and not yet consumed ("unread"). The array grows
 * when reads fill it and shrinks when they do not.
 */
export class ReadBuffer {
  /** The unread bytes are `bytes[start..end)`. Replaced when the buffer grows or moves. */
  bytes: Uint8Array;
  start = 0;
  end = 0;

  readonly #initialBytes: number;
  #maxBytes: number;
  readonly #growsInTurns: boolean;
  #smallReads = 0;
  /** The position of `bytes[0]` in the input. */
  #dropped = 0;

  constructor(options: ReadBufferOptions) {
    this.#initialBytes = options.initialBytes ?? READ_BUFFER_INITIAL_BYTES;
    this.#maxBytes = options.maxBytes;
    this.#growsInTurns = options.growsInTurns ?? false;
    this.bytes = new Uint8Array(this.#initialBytes);
  }

  /** Changes the maximum number of unread bytes. More may be unread at this moment. */
  set maxBytes(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Appends what one read brings. Positions in the buffer change: the byte at `start` moves to 0.
   *
   * @param connection The connection to read from.
   * @param request See {@linkcode Connection.request}. By default, unread bytes are the beginning of
   * a request.
   * @returns `false` at the end of the input.
   * @throws {RangeError} If the buffer is full of unread bytes.
   */
  fill(connection: Pick<Connection, "read">, request = this.#unreadRequest()): Promise<boolean> {
    if (this.#growsInTurns && this.end === this.bytes.length && this.end >= LONG_BYTES) {
      return this.#growInTurns().then(() => this.fill(connection, request));
    }
    this.makeSpace();
    const last = Math.min(this.bytes.length, this.end + READ_AT_ONCE_BYTES);
    const space = this.end === 0 && last === this.bytes.length
      ? this.bytes
      : this.bytes.subarray(this.end, last);
    return connection.read(space, request).then((count) => {
      if (count === null) return false;
      this.took(count);
      return true;
    });
  }

  /**
   * Does what {@linkcode ReadBuffer.makeSpace} does for a buffer that is full of a long request.
   * Copying that at once holds the thread: memory touched for the first time takes up to 4 ms a MiB.
   */
  async #growInTurns(): Promise<void> {
    const { bytes: before, start, end } = this;
    const capacity = this.#nextCapacity(end - start);
    if (capacity <= before.length) return this.makeSpace();
    const bytes = new Uint8Array(capacity);
    const turn = new Turn();
    for (let at = start; at < end; at += COPY_BYTES) {
      bytes.set(before.subarray(at, Math.min(at + COPY_BYTES, end)), at - start);
      if (turn.over) await turn.next();
    }
    this.bytes = bytes;
    this.#dropped += start;
    this.start = 0;
    this.end = end - start;
  }

  /** Identifies the request that the unread bytes begin, by its position in the input. */
  #unreadRequest(): number {
    return this.end === this.start ? 0 : this.#dropped + this.start + 1;
  }

  /**
   * Moves the unread bytes to the front and makes space behind them.
   *
   * @throws {RangeError} If the buffer is full of unread bytes.
   */
  makeSpace(): void {
    const unread = this.end - this.start;
    if (unread >= this.#maxBytes) {
      throw new RangeError(`Cannot read more: ${unread} bytes are unread`);
    }
    const capacity = this.#nextCapacity(unread);
    if (capacity !== this.bytes.length) {
      const bytes = new Uint8Array(capacity);
      bytes.set(this.bytes.subarray(this.start, this.end));
      this.bytes = bytes;
    } else if (this.start > 0 && unread > 0) {
      this.bytes.copyWithin(0, this.start, this.end);
    }
    this.#dropped += this.start;
    this.start = 0;
    this.end = unread;
  }

  /** Follows the size of recent reads, and gives back the space of one huge value soon. */
  #nextCapacity(unread: number): number {
    const capacity = this.bytes.length;
    const most = Math.min(
      2 * unread + READ_MAX_BYTES,
      Math.max(this.#initialBytes, this.#maxBytes),
    );
    let wanted = capacity;
    if (this.end === capacity) wanted = Math.max(2 * capacity, READ_BUFFER_GROWN_BYTES);
    else if (this.#smallReads >= SMALL_READS_BEFORE_SHRINK) wanted = capacity >> 1;
    wanted = Math.max(Math.min(wanted, most), this.#initialBytes, unread + 1);
    if (wanted !== capacity) this.#smallReads = 0;
    return wanted;
  }

  /** Records that `count` bytes were put behind the unread ones. */
  took(count: number): void {
    this.end += count;
    if (this.end - this.start < this.bytes.length >> 2) this.#smallReads++;
    else this.#smallReads = 0;
  }

  /** Consumes the first `count` unread bytes. */
  consume(count: number): void {
    this.start += count;
  }

  /**
   * Consumes the first `count` unread bytes and leaves their array to the caller. It does not change
   * any more, so a long request can be kept without a copy.
   */
  giveUp(count: number): void {
    const rest = this.bytes.subarray(this.start + count, this.end);
    this.#dropped += this.start + count;
    this.bytes = new Uint8Array(Math.max(this.#initialBytes, rest.length));
    this.bytes.set(rest);
    this.start = 0;
    this.end = rest.length;
    this.#smallReads = 0;
  }
}
