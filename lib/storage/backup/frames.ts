/**
 * The frames of a backup. A backup begins with {@linkcode MAGIC}; what follows are items, each in one
 * or more frames:
 *
 * ```
 * kind u8 · more u8 (1 if the item goes on in the next frame) · length u32 · CRC-32 u32 · bytes
 * ```
 *
 * Numbers are little-endian. The checksum covers the first six bytes of the frame and its bytes, and
 * starts from the checksum of the frame before, so a frame that is missing, repeated or in the wrong
 * place is noticed as well as one that has changed.
 *
 * @module
 */

import { joinBytes } from "../../join_bytes.ts";
import { crc32 } from "node:zlib";

/** The first bytes of every backup. */
export const MAGIC: Uint8Array = new TextEncoder().encode("quartet backup\n");

const HEAD_BYTES = 10;

/** How many bytes the checksum covers of the head. */
const CHECKED_HEAD_BYTES = 6;

/** The longest frame with its head: a bound on the memory of the writer and of the parser. */
export const MAX_FRAME_BYTES = 512 * 1024;

/** Why a backup cannot be read. The message begins with "it". */
export class BackupError extends Error {
  override name = "BackupError";
}

/** A frame of an item. */
export interface Frame {
  kind: number;
  /** Whether the item goes on in the next frame. */
  more: boolean;
  /** Valid until the next call of the parser. */
  bytes: Uint8Array;
}

/** Cuts items into frames, and hands them over in large writes. */
export class FrameWriter {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #buffer = new Uint8Array(MAX_FRAME_BYTES);
  readonly #view = new DataView(this.#buffer.buffer);
  #length = 0;
  #checksum = 0;

  /** @param write Takes the next bytes, which are valid until its promise resolves. */
  constructor(write: (bytes: Uint8Array) => Promise<void>) {
    this.#write = write;
    this.#buffer.set(MAGIC);
    this.#length = MAGIC.length;
  }

  /**
   * Adds an item.
   *
   * @param parts Its bytes. They must not change before the promise resolves.
   */
  async add(kind: number, parts: readonly Uint8Array[]): Promise<void> {
    let start = await this.#begin();
    for (const part of parts) {
      for (let at = 0; at < part.length;) {
        if (this.#length === MAX_FRAME_BYTES) {
          this.#end(kind, start, true);
          start = await this.#begin();
        }
        const end = Math.min(part.length, at + MAX_FRAME_BYTES - this.#length);
        this.#buffer.set(part.subarray(at, end), this.#length);
        this.#length += end - at;
        at = end;
      }
    }
    this.#end(kind, start, false);
  }

  /** Hands over what is left. */
  async flush(): Promise<void> {
    if (this.#length > 0) await this.#write(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
  }

  async #begin(): Promise<number> {
    if (this.#length + HEAD_BYTES >= MAX_FRAME_BYTES) await this.flush();
    const start = this.#length;
    this.#length += HEAD_BYTES;
    return start;
  }

  #end(kind: number, start: number, more: boolean): void {
    const view = this.#view;
    view.setUint8(start, kind);
    view.setUint8(start + 1, more ? 1 : 0);
    view.setUint32(start + 2, this.#length - start - HEAD_BYTES, true);
    const head = this.#buffer.subarray(start, start + CHECKED_HEAD_BYTES);
    const bytes = this.#buffer.subarray(start + HEAD_BYTES, this.#length);
    this.#checksum = crc32(bytes, crc32(head, this.#checksum));
    view.setUint32(start + CHECKED_HEAD_BYTES, this.#checksum, true);
  }
}

/** Finds and checks the frames in the bytes of a backup, however they are cut. Pure. */
export class FrameParser {
  #pending = new Uint8Array(0);
  #checksum = 0;
  #started = false;
  /** The position of the next frame. */
  #position = 0;

  /** How many bytes make up the frames so far. */
  get position(): number {
    return this.#position;
  }

  /** Whether the bytes end in the middle of a frame. */
  get incomplete(): boolean {
    return this.#pending.length > 0 || !this.#started;
  }

  /**
   * Takes the next bytes.
   *
   * @returns The frames that they complete.
   * @throws {BackupError} If they do not belong to a backup, or are damaged.
   */
  *feed(chunk: Uint8Array): Generator<Frame> {
    const bytes = this.#pending.length === 0 ? chunk : joinBytes([this.#pending, chunk]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = this.#checkMagic(bytes);
    while (this.#started && bytes.length - at >= HEAD_BYTES) {
      const length = view.getUint32(at + 2, true);
      if (length > MAX_FRAME_BYTES) throw this.#damaged();
      const end = at + HEAD_BYTES + length;
      if (end > bytes.length) break;
      const frame = bytes.subarray(at + HEAD_BYTES, end);
      const head = bytes.subarray(at, at + CHECKED_HEAD_BYTES);
      this.#checksum = crc32(frame, crc32(head, this.#checksum));
      if (this.#checksum !== view.getUint32(at + CHECKED_HEAD_BYTES, true)) throw this.#damaged();
      this.#position += end - at;
      yield { kind: bytes[at]!, more: bytes[at + 1] === 1, bytes: frame };
      at = end;
    }
    this.#pending = bytes.slice(at);
  }

  /** Passes over the magic bytes; returns where the frames begin. */
  #checkMagic(bytes: Uint8Array): number {
    if (this.#started) return 0;
    const known = Math.min(bytes.length, MAGIC.length);
    for (let index = 0; index < known; index++) {
      if (bytes[index] !== MAGIC[index]) throw new BackupError("it is not a backup");
    }
    if (known < MAGIC.length) return 0;
    this.#started = true;
    this.#position = MAGIC.length;
    return MAGIC.length;
  }

  #damaged(): BackupError {
    return new BackupError(`it is damaged at byte ${this.#position}`);
  }
}
