/** The most bytes that all entries of a list may have together; nodes share it. */
export const MAX_TOP_BYTES = 8 * 1024 * 1024;

/** Up to this many more entries than wanted are collected before the list is pruned. */
const SPARE_ENTRIES = 1024;

/** An entry of a list. */
export interface TopEntry {
  /** How many entries it stands for, if they are counted; otherwise 0. */
  count: number;
  /** Its place in the order of keys, which decides between equal counts. */
  rank: number;
  /** The entry as it is written to the output. */
  bytes: Uint8Array<ArrayBuffer>;
}

/** Keeps the entries with the highest counts, and of equal ones those that come first. */
export class TopList {
  readonly #limit: number;
  readonly #maxBytes: number;
  #kept: TopEntry[] = [];
  #bytes = 0;
  /** The last entry that is kept, if there are as many as wanted. */
  #last: TopEntry | undefined;

  /**
   * @param limit How many entries are wanted.
   * @param maxBytes How many bytes they may have together.
   */
  constructor(limit: number, maxBytes: number = MAX_TOP_BYTES) {
    this.#limit = limit;
    this.#maxBytes = maxBytes;
  }

  /** Whether an entry would be kept as far as the list knows. */
  accepts(count: number, rank: number): boolean {
    const last = this.#last;
    return last === undefined || compare({ count, rank }, last) < 0;
  }

  /**
   * Adds an entry.
   *
   * @throws {Error} If the entries that are wanted have too many bytes.
   */
  add(entry: TopEntry): void {
    this.#kept.push(entry);
    this.#bytes += entry.bytes.length;
    if (this.#kept.length >= this.#limit + SPARE_ENTRIES || this.#bytes > 2 * this.#maxBytes) {
      this.#prune();
    }
  }

  /**
   * The entries, the top one first.
   *
   * @throws {Error} If they have too many bytes.
   */
  entries(): TopEntry[] {
    this.#prune();
    return [...this.#kept];
  }

  #prune(): void {
    const kept = this.#kept.sort(compare).slice(0, this.#limit);
    this.#kept = kept;
    this.#last = kept.length === this.#limit ? kept.at(-1) : undefined;
    this.#bytes = kept.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (this.#bytes <= this.#maxBytes) return;
    throw new Error(
      `Cannot find the top ${this.#limit}: they have more than ${this.#maxBytes} bytes; ` +
        "ask for fewer",
    );
  }
}

function compare(a: Omit<TopEntry, "bytes">, b: Omit<TopEntry, "bytes">): number {
  return b.count - a.count || a.rank - b.rank;
}
