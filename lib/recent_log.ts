/** Lines of a log, and the position behind them. */
export interface RecentLines {
  lines: string[];
  /** Ask for what came after this to get the lines that follow. */
  position: number;
}

/** How many bytes of the log are kept. */
const CAPACITY_BYTES = 64 * 1024;

const NEWLINE = 10;

/**
 * The end of a log, in a ring of bytes: to keep a line costs copying it, however many there are.
 */
export class RecentLog {
  readonly #ring: Uint8Array;
  /** How many bytes were ever added. */
  #position = 0;

  /** @param capacityBytes How many bytes are kept. */
  constructor(capacityBytes = CAPACITY_BYTES) {
    this.#ring = new Uint8Array(capacityBytes);
  }

  /** Adds finished lines. */
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
   * The lines that are still there, oldest first.
   *
   * @param after Only those that came after this position.
   */
  read(after = 0): RecentLines {
    const { length: capacity } = this.#ring;
    const end = this.#position;
    const oldest = Math.max(0, end - capacity);
    // A position from another life of the daemon may lie ahead of this one.
    const from = after > end ? oldest : Math.max(after, oldest);
    const bytes = new Uint8Array(end - from);
    const start = from % capacity;
    const first = this.#ring.subarray(start, Math.min(capacity, start + bytes.length));
    bytes.set(first);
    bytes.set(this.#ring.subarray(0, bytes.length - first.length), first.length);
    // The oldest line has lost its beginning when the ring has gone over it.
    const whole = from > after && from > 0 ? bytes.subarray(bytes.indexOf(NEWLINE) + 1) : bytes;
    const text = new TextDecoder().decode(whole);
    return { lines: text.split("\n").slice(0, -1), position: end };
  }
}
