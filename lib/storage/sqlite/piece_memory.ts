/**
 * Shared memory for a piece on its way to the thread that writes it. A snapshot writes one piece after
 * another; arrays of their own would be garbage of a mebibyte each, with gaps between the slabs that
 * are created meanwhile.
 *
 * @module
 */

import { CHUNK_BYTES } from "./group_buffer.ts";

/** Memory for one piece at a time. */
export class PieceMemory {
  #bytes: Uint8Array<SharedArrayBuffer> | undefined;
  /** What has it at present. */
  #owner: object | undefined;

  /** Memory for an owner; an array that is not shared if it is in use, or too small. */
  take(length: number, owner: object): Uint8Array {
    if (this.#owner !== undefined || length > CHUNK_BYTES) return new Uint8Array(length);
    this.#owner = owner;
    this.#bytes ??= new Uint8Array(new SharedArrayBuffer(CHUNK_BYTES));
    return this.#bytes.subarray(0, length);
  }

  /** Takes the memory back from its owner. */
  release(owner: object): void {
    if (this.#owner === owner) this.#owner = undefined;
  }
}
