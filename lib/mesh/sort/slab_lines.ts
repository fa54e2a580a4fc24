import { lengthPlace, lineLength, linePlace } from "../records/line_entry.ts";

/** A part of a long line in the slab. */
export interface LinePart {
  address: number;
  bytes: number;
}

/** The lines of a bucket in the slab, by the addresses of their entries. */
export class SlabLines {
  readonly #slab: Uint8Array;
  readonly #keyed: boolean;
  /** The continuations of long lines. */
  readonly #continuations = new Map<number, LinePart[]>();
  /** Where long lines are put together: one place for each of two that are compared. */
  readonly #joined = [new Uint8Array(0), new Uint8Array(0)];

  /** @param keyed Whether keys are stored with the lines. */
  constructor(slab: Uint8Array, keyed: boolean) {
    this.#slab = slab;
    this.#keyed = keyed;
  }

  /** Forgets the lines of the last bucket. */
  clear(): void {
    this.#continuations.clear();
  }

  /** Adds the continuations of a long line. */
  addLong(entry: number, continuations: LinePart[]): void {
    this.#continuations.set(entry, continuations);
  }

  /** The length of a line without its newline. */
  length(entry: number): number {
    return lineLength(this.#slab, lengthPlace(this.#slab, entry, this.#keyed));
  }

  /** The address of a line; of a long one, that of its first part. */
  place(entry: number): number {
    return linePlace(this.#slab, lengthPlace(this.#slab, entry, this.#keyed));
  }

  /** Whether a line goes on in other slots. */
  isLong(entry: number): boolean {
    return this.#continuations.has(entry);
  }

  /** The parts of a long line. */
  parts(entry: number): LinePart[] {
    const continuations = this.#continuations.get(entry)!;
    const address = this.place(entry);
    const rest = continuations.reduce((sum, { bytes }) => sum + bytes, 0);
    return [{ address, bytes: this.length(entry) - rest }, ...continuations];
  }

  /** A long line as a whole; valid until the next call for the same side of a comparison. */
  join(entry: number, side: 0 | 1): Uint8Array {
    const length = this.length(entry);
    if (this.#joined[side]!.length < length) this.#joined[side] = new Uint8Array(length);
    const joined = this.#joined[side]!.subarray(0, length);
    let at = 0;
    for (const { address, bytes } of this.parts(entry)) {
      joined.set(this.#slab.subarray(address, address + bytes), at);
      at += bytes;
    }
    return joined;
  }
}
