import { compress, type Compression } from "./compression.ts";
import { OutputClosedError } from "./output_closed.ts";
import { OutputTurns } from "./output_turns.ts";

/** Entries are compressed in blocks of this size, each of which is a member of the file. */
const COMPRESSED_BLOCK_BYTES = 1024 * 1024;
/**
 * How much a thread keeps, ready to be written, until it is its turn. It is more than most buckets
 * take, so threads wait with nothing left to do but write.
 */
const MAX_KEPT_BYTES = 4 * 1024 * 1024;

/** A file of the output, or standard output. */
export interface OutputTarget {
  /** The path of the file, which exists; `undefined` for standard output. */
  path: string | undefined;
  compression?: Compression | undefined;
}

/** Where a bucket goes: to a known offset, or behind what was written at the turn before. */
export interface OutputPlace extends OutputTarget {
  /** The offset in the file; `undefined` if it depends on the buckets before. */
  offset?: number;
  /** When to write, if there is no offset. */
  turn?: {
    /** See {@linkcode OutputTurns}. */
    shared: SharedArrayBuffer;
    index: number;
    /** Whether the bucket is the first of its file. */
    isFirst: boolean;
  };
}

/** The part of a file that is used here. */
export interface WritableFile {
  writeSync(bytes: Uint8Array): number;
  seekSync?(offset: number, whence: Deno.SeekMode): number;
}

/** Writes one bucket to its place. Bytes are kept in memory as long as it is not its turn. */
export class BucketOutput {
  readonly #file: WritableFile;
  readonly #place: OutputPlace;
  readonly #turns: OutputTurns | undefined;
  readonly #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #offset: number | undefined;
  readonly #block: Uint8Array;
  #fill = 0;

  /** @param file The file that `place` names. */
  constructor(file: WritableFile, place: OutputPlace) {
    this.#file = file;
    this.#place = place;
    this.#turns = place.turn && new OutputTurns(place.turn.shared);
    this.#block = new Uint8Array(place.compression ? COMPRESSED_BLOCK_BYTES : 0);
    if (place.offset !== undefined) this.#begin(place.offset);
  }

  /**
   * Writes bytes, which the caller may overwrite afterwards.
   *
   * @throws {OutputClosedError} If standard output has no reader any more.
   * @throws {Error} If they cannot be written.
   */
  write(bytes: Uint8Array): void {
    const { compression } = this.#place;
    if (compression === undefined) return this.#put(bytes, () => bytes.slice());
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + this.#block.length - this.#fill);
      this.#block.set(part, this.#fill);
      this.#fill += part.length;
      at += part.length;
      if (this.#fill === this.#block.length) this.#compressBlock(compression);
    }
  }

  /** Writes what is left and ends the turn of the bucket. */
  end(): void {
    const { compression } = this.#place;
    if (compression !== undefined && this.#fill > 0) this.#compressBlock(compression);
    if (this.#turns === undefined) return;
    this.#takeTurn();
    this.#turns.pass(this.#offset!);
  }

  #compressBlock(compression: Compression): void {
    const bytes = compress(this.#block.subarray(0, this.#fill), compression);
    this.#fill = 0;
    this.#put(bytes, () => bytes);
  }

  /** @param keep Returns the same bytes in memory that stays as it is. */
  #put(bytes: Uint8Array, keep: () => Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#offset === undefined && this.#keptBytes + bytes.length <= MAX_KEPT_BYTES) {
      this.#kept.push(keep());
      this.#keptBytes += bytes.length;
      return;
    }
    this.#takeTurn();
    this.#writeAll(bytes);
  }

  #takeTurn(): void {
    if (this.#offset !== undefined) return;
    const { index, isFirst } = this.#place.turn!;
    const offset = this.#turns!.waitFor(index);
    this.#begin(isFirst ? 0 : offset);
    for (const bytes of this.#kept.splice(0)) this.#writeAll(bytes);
  }

  #begin(offset: number): void {
    this.#offset = offset;
    this.#file.seekSync?.(offset, Deno.SeekMode.Start);
  }

  /** The error of the operating system does not say to where, so this adds it. */
  #writeAll(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    } catch (cause) {
      const isOut = this.#place.path === undefined;
      if (isOut && cause instanceof Deno.errors.BrokenPipe) throw new OutputClosedError();
      const reason = cause instanceof Error ? cause.message : String(cause);
      const where = isOut ? "to standard output" : "the output";
      throw new Error(`Cannot write ${where}: ${reason}`, { cause });
    }
    this.#offset! += bytes.length;
  }
}
