import type { OutputPlace, OutputTarget } from "../sort/bucket_output.ts";
import { newOutputTurns } from "../sort/output_turns.ts";

/**
 * Gives the buckets, in key order, their places in the files of an output.
 *
 * The sizes of all buckets are known, so in a plain file each has a known offset, and the threads
 * write at the same time. A stream and a compressed file have to be written in order: there the
 * threads take turns, and only sort and compress at the same time.
 *
 * Each file gets an equal part of the bytes, to within the size of a bucket.
 */
export class OutputPlaces {
  readonly #targets: readonly OutputTarget[];
  readonly #totalBytes: number;
  /** Set if the buckets have to be written in order. */
  readonly #shared: SharedArrayBuffer | undefined;
  #turn = 0;
  /** The index of the current file, and what precedes the next bucket in it and in all files. */
  #current = -1;
  #offset = 0;
  #doneBytes = 0;

  /**
   * @param targets The files, at least one, in order.
   * @param totalBytes The size of all buckets.
   * @param inOrder Whether the buckets have to be written in order for another reason.
   */
  constructor(targets: readonly OutputTarget[], totalBytes: number, inOrder = false) {
    this.#targets = targets;
    this.#totalBytes = totalBytes;
    const isStream = ({ path, compression }: OutputTarget) => (
      path === undefined || compression !== undefined
    );
    if (inOrder || targets.some(isStream)) this.#shared = newOutputTurns();
  }

  /** The place of what the first file begins with, in front of all buckets. */
  header(bytes: number): OutputPlace {
    return this.#place(0, bytes);
  }

  /** The place of the next bucket. */
  next(bytes: number): OutputPlace {
    // A bucket belongs to the file that its middle belongs to.
    const share = (this.#doneBytes + bytes / 2) / this.#totalBytes;
    this.#doneBytes += bytes;
    const last = this.#targets.length - 1;
    return this.#place(Math.min(last, Math.floor(share * this.#targets.length)), bytes);
  }

  #place(index: number, bytes: number): OutputPlace {
    const isFirst = index !== this.#current;
    if (isFirst) this.#offset = 0;
    this.#current = index;
    const offset = this.#offset;
    this.#offset += bytes;
    const target = this.#targets[index]!;
    if (this.#shared === undefined) return { ...target, offset };
    return { ...target, turn: { shared: this.#shared, index: this.#turn++, isFirst } };
  }
}
