/**
 * The writes of a commit group, packed into one buffer that is transferred to the worker thread. An
 * operation is
 *
 * ```
 * kind u8 · table u16 · length u32 · length u32 · first bytes · second bytes
 * ```
 *
 * (little-endian). The bytes are key and record for a put, only a key for a delete, and none for
 * the others. In a swap the second length is the number of the other table.
 *
 * @module
 */

import type { Key } from "../store.ts";
import { copyValue, type Value } from "../value.ts";

/** Codes of the kinds of operations. */
export const OPERATION = { put: 0, delete: 1, clear: 2, swap: 3 } as const;

/** Length of an operation before its key. */
export const OPERATION_HEAD_BYTES = 11;

/** Initial size of a buffer. */
const INITIAL_BYTES = 64 * 1024;

/** Larger buffers are not reused. */
const MAX_KEPT_BYTES = 1024 * 1024;

const EMPTY = new Uint8Array(0);

/** Collects operations. */
export class GroupBuffer {
  /** The number of operations. */
  operations = 0;
  #bytes = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  /** The length of all operations. */
  get bytes(): number {
    return this.#end;
  }

  /** Adds the put of a record, which is `head` and `record` joined. */
  put(table: number, key: Key, record: Value, head: Uint8Array = EMPTY): void {
    let at = this.#begin(OPERATION.put, table, key.length, head.length + record.length);
    at = this.#key(at, key);
    this.#bytes.set(head, at);
    copyValue(record, this.#bytes, at + head.length);
  }

  /** Adds the removal of a record. */
  delete(table: number, key: Key): void {
    this.#key(this.#begin(OPERATION.delete, table, key.length, 0), key);
  }

  /** Adds the removal of all records of a table. */
  clear(table: number): void {
    this.#begin(OPERATION.clear, table, 0, 0);
  }

  /** Adds the exchange of two tables. */
  swap(a: number, b: number): void {
    const at = this.#begin(OPERATION.swap, a, 0, 0);
    this.#view.setUint32(at - 4, b, true);
  }

  /** Takes all operations. Call {@linkcode give} before adding more. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.subarray(0, this.#end);
    this.#end = this.operations = 0;
    return taken;
  }

  /** Continues with a used buffer, or with a new one if there is none or it is too large to keep. */
  give(buffer: ArrayBuffer | undefined): void {
    const keep = buffer !== undefined && buffer.byteLength <= MAX_KEPT_BYTES;
    this.#bytes = new Uint8Array(keep ? buffer : new ArrayBuffer(INITIAL_BYTES));
    this.#view = new DataView(this.#bytes.buffer);
  }

  #begin(kind: number, table: number, first: number, second: number): number {
    const at = this.#end;
    const end = at + OPERATION_HEAD_BYTES + first + second;
    if (end > this.#bytes.length) this.#grow(end);
    const view = this.#view;
    view.setUint8(at, kind);
    view.setUint16(at + 1, table, true);
    view.setUint32(at + 3, first, true);
    view.setUint32(at + 7, second, true);
    this.#end = end;
    this.operations++;
    return at + OPERATION_HEAD_BYTES;
  }

  #key(at: number, key: Key): number {
    copyValue(key, this.#bytes, at);
    return at + key.length;
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    bytes.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
