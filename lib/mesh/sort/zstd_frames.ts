/** The file ends within a frame, or has something other than frames. */
export class ZstdFormatError extends Error {
  override name = "ZstdFormatError";
}

const MAGIC = 0xfd2fb528;
/** Frames without content have one of sixteen numbers. */
const SKIPPABLE_MAGIC = 0x184d2a5;
const MAGIC_BYTES = 4;
const SIZE_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
/** A block that repeats one byte. */
const REPEATED_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** The next thing in a frame that is looked at. */
type Field = "magic" | "skippable size" | "descriptor" | "block header";

/**
 * Finds the ends of the frames of a Zstandard file (RFC 8878, section 3.1), without decompressing
 * them. The decompressor of the runtime stops after one frame, and takes a frame that is cut off for
 * a complete one.
 */
export class ZstdFrames {
  /** The position of the current frame in the file. */
  start = 0;
  #position = 0;
  #field: Field = "magic";
  /** The bytes of the field so far, as a little-endian number, */
  #value = 0;
  #valueBytes = 0;
  #wantedBytes = MAGIC_BYTES;
  /** What comes before the next field. */
  #skipBytes = 0;
  #checksumBytes = 0;
  /** Whether the frame ends when everything is skipped. */
  #isLast = false;

  /** Whether the file may end here. */
  get betweenFrames(): boolean {
    return this.#position === this.start;
  }

  /**
   * Goes on to the end of the current frame, or of the bytes.
   *
   * @param from Where to begin in `bytes`, which continue those of the call before.
   * @returns Where it stopped. The frame has ended if {@linkcode betweenFrames} is set then.
   * @throws {ZstdFormatError} If there is no frame.
   */
  scan(bytes: Uint8Array, from: number): number {
    let at = from;
    const began = this.#position - from;
    while (at < bytes.length) {
      if (this.#skipBytes > 0) {
        const skipped = Math.min(this.#skipBytes, bytes.length - at);
        this.#skipBytes -= skipped;
        at += skipped;
      } else {
        this.#value += bytes[at++]! * 2 ** (8 * this.#valueBytes++);
        if (this.#valueBytes === this.#wantedBytes) this.#take(this.#value);
      }
      this.#position = began + at;
      if (this.#isLast && this.#skipBytes === 0) {
        this.#isLast = false;
        this.start = this.#position;
        this.#expect("magic", MAGIC_BYTES);
        break;
      }
    }
    return at;
  }

  #expect(field: Field, bytes: number): void {
    this.#field = field;
    this.#value = 0;
    this.#valueBytes = 0;
    this.#wantedBytes = bytes;
  }

  #take(value: number): void {
    switch (this.#field) {
      case "magic":
        if (value === MAGIC) return this.#expect("descriptor", 1);
        if (Math.floor(value / 16) === SKIPPABLE_MAGIC) {
          return this.#expect("skippable size", SIZE_BYTES);
        }
        throw new ZstdFormatError(`at byte ${this.start} is something other than zstd data`);
      case "skippable size":
        this.#skipBytes = value;
        this.#isLast = true;
        return;
      case "descriptor": {
        const isSingle = (value & 0x20) !== 0;
        const contentSize = CONTENT_SIZE_BYTES[value >> 6]! || (isSingle ? 1 : 0);
        this.#skipBytes = (isSingle ? 0 : 1) + DICTIONARY_ID_BYTES[value & 3]! + contentSize;
        this.#checksumBytes = (value & 4) !== 0 ? CHECKSUM_BYTES : 0;
        return this.#expect("block header", BLOCK_HEADER_BYTES);
      }
      case "block header": {
        const type = (value >> 1) & 3;
        if (type === RESERVED_BLOCK) {
          throw new ZstdFormatError(`the zstd frame at byte ${this.start} is damaged`);
        }
        this.#isLast = (value & 1) !== 0;
        this.#skipBytes = type === REPEATED_BLOCK ? 1 : value >> 3;
        if (this.#isLast) this.#skipBytes += this.#checksumBytes;
        return this.#expect("block header", BLOCK_HEADER_BYTES);
      }
    }
  }
}
