/** Lines of a log, and the position after them. */
export interface RecentLines {
  lines: string[];
  /** Pass this to the next {@linkcode RecentLog.read} to get the lines that follow. */
  position: number;
}

/** How many bytes of the log are kept. */
const CAPACITY_BYTES = 64 * 1024;

const NEWLINE = 10;

/** The last lines of a log, in a ring buffer: adding a line costs one copy. */
export class RecentLog {
  readonly #ring: Uint8Array;
  /** The number of bytes added since the start. */
  #position = 0;

  /** @param capacityBytes How many bytes are kept. */
  constructor(capacityBytes = CAPACITY_BYTES) {
    this.#ring = new Uint8Array(capacityBytes);
  }

  /** Adds formatted lines. */
  add(lines: Uint8Array): void {
    const { length: capacity } = this.#ring;
    this.#position += lines.length;
    const kept = lines.subarray(Math.max(0, lines.length - capacity));
    const start = (this.#position - kept.length) % capacity;
    const first = kept.subarray(0, capacity - start);
    this.#ring.set(first, start);
    this.#ring.set(kept.subarray(first.length), 0);
  }

  /**
   * Returns the lines that are still kept, oldest first.
   *
   * @param after Return only lines after this position.
   */
  read(after = 0): RecentLines {
    const { length: capacity } = this.#ring;
    const end = this.#position;
    const oldest = Math.max(0, end - capacity);
    // A position from before a restart of the daemon may be ahead of the end.
    const from = after > end ? oldest : Math.max(after, oldest);
    const bytes = new Uint8Array(end - from);
    const start = from % capacity;
    const first = this.#ring.subarray(start, Math.min(capacity, start + bytes.length));
    bytes.set(first);
    bytes.set(this.#ring.subarray(0, bytes.length - first.length), first.length);
    // The ring may have overwritten the beginning of the oldest line.
    const whole = from > after && from > 0 ? bytes.subarray(bytes.indexOf(NEWLINE) + 1) : bytes;
    const text = new TextDecoder().decode(whole);
    return { lines: text.split("\n").slice(0, -1), position: end };
  }
}
