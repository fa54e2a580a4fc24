/**
 * The changes of a commit group, packed into shared memory for the thread that writes them. They are
 * in chunks, each of which becomes a row of the log. A change is never in two chunks, and every
 * chunk names its first table, so each row can be read by itself. The format of a change:
 *
 * ```
 * put     0 u8 · key length u32 · record length u32 · key · record
 * delete  1 u8 · key length u32 · 0 u32 · key
 * table   2 u8 · id f64
 * other   3 u8 · 0 u32 · 0 u32
 * ```
 *
 * (little-endian). "table" says to which table the puts and deletes after it belong. "other" stands
 * for a change that is not in the row. Except for "table", each takes one version, so the versions
 * in a row follow each other without gaps.
 *
 * @module
 */

import type { Key } from "../store.ts";
import { copyValue, type Value } from "../value.ts";

/** Codes of the kinds of changes. */
export const CHANGE = { put: 0, delete: 1, table: 2, other: 3 } as const;

/** Length of a change before its key. */
export const CHANGE_HEAD_BYTES = 9;

/** Size of a chunk. A longer change has a chunk of its own. */
export const CHUNK_BYTES = 1024 * 1024;

/** Longer arrays are copied in steps, so that other clients do not wait for it. */
const MAX_COPY_BYTES = 256 * 1024;

/** Up to this length a loop is faster than a call to a native function. */
const MAX_LOOP_BYTES = 48;

const EMPTY = new Uint8Array(0);

/** Changes that become one row of the log. */
export interface Chunk {
  readonly bytes: Uint8Array;
  /** How many of the bytes are in use. */
  length: number;
  /** How many versions they take. */
  changes: number;
}

/** Part of a long array that is not copied yet. */
interface Copy {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  done: number;
}

/** Collects the changes of a group. */
export class GroupBuffer {
  /** How many versions they take. */
  changes = 0;
  /** The number of puts. */
  puts = 0;
  /** The length of all changes. */
  bytes = 0;
  /** In order. Only the first one is used again for the next group. */
  readonly chunks: Chunk[];
  readonly #first: Chunk;
  readonly #firstView: DataView;
  #chunk: Chunk;
  #view: DataView;
  #table = -1;
  readonly #copies: Copy[] = [];

  /** @param memory The first chunk: {@linkcode CHUNK_BYTES} of shared memory. */
  constructor(memory: SharedArrayBuffer) {
    this.#first = this.#chunk = { bytes: new Uint8Array(memory), length: 0, changes: 0 };
    this.#firstView = this.#view = new DataView(memory);
    this.chunks = [this.#first];
  }

  /** Adds the put of a record, which is `head` and `record` joined. */
  put(table: number, key: Key, record: Value, head: Uint8Array = EMPTY): void {
    let at = this.#begin(CHANGE.put, table, key.length, head.length + record.length);
    const { bytes } = this.#chunk;
    copyValue(key, bytes, at);
    at += key.length;
    bytes.set(head, at);
    if (typeof record === "string") copyValue(record, bytes, at + head.length);
    else this.#copy(record, at + head.length);
  }

  /** Adds a put; the key is `from[start]` to `from[middle - 1]`, and the rest up to `end` follows. */
  putRange(
    table: number,
    from: Uint8Array,
    start: number,
    middle: number,
    end: number,
    head: Uint8Array = EMPTY,
  ): void {
    let at = this.#begin(CHANGE.put, table, middle - start, head.length + end - middle);
    const { bytes } = this.#chunk;
    at = copyRange(from, start, middle, bytes, at);
    at = copyRange(head, 0, head.length, bytes, at);
    if (end - middle <= MAX_LOOP_BYTES) copyRange(from, middle, end, bytes, at);
    else this.#copy(from.subarray(middle, end), at);
  }

  /** Adds the removal of a record. */
  delete(table: number, key: Key): void {
    const at = this.#begin(CHANGE.delete, table, key.length, 0);
    copyValue(key, this.#chunk.bytes, at);
  }

  /** Adds the removal of the record whose key is `from[start]` to `from[end - 1]`. */
  deleteRange(table: number, from: Uint8Array, start: number, end: number): void {
    const at = this.#begin(CHANGE.delete, table, end - start, 0);
    copyRange(from, start, end, this.#chunk.bytes, at);
  }

  /** Adds a change that is not in the row. */
  other(): void {
    this.#begin(CHANGE.other, this.#table, 0, 0);
  }

  /** Whether the first chunk is in the memory given to the constructor. */
  get usesFirst(): boolean {
    return this.chunks[0] === this.#first;
  }

  /** Whether long arrays still have to be copied before the group can be written. */
  get copying(): boolean {
    return this.#copies.length > 0;
  }

  /** Copies arrays outside the changes too: a piece, say. */
  copyLater(from: Uint8Array, to: Uint8Array): void {
    this.#copies.push({ from, to, done: 0 });
  }

  /** Copies some of what is still to be copied. */
  copyStep(): void {
    const copy = this.#copies[0];
    if (copy === undefined) return;
    const end = Math.min(copy.done + MAX_COPY_BYTES, copy.from.length);
    copy.to.set(copy.from.subarray(copy.done, end), copy.done);
    copy.done = end;
    if (end === copy.from.length) this.#copies.shift();
  }

  /** Drops all changes. */
  clear(): void {
    this.changes = this.puts = this.bytes = 0;
    this.#table = -1;
    this.#copies.length = 0;
    this.chunks.splice(0, this.chunks.length, this.#first);
    this.#chunk = this.#first;
    this.#chunk.length = this.#chunk.changes = 0;
    this.#view = this.#firstView;
  }

  /** Starts a change and returns where its key goes. */
  #begin(kind: number, table: number, first: number, second: number): number {
    let needed = CHANGE_HEAD_BYTES + first + second;
    if (this.#chunk.length + CHANGE_HEAD_BYTES + needed > this.#chunk.bytes.length) {
      this.#nextChunk(CHANGE_HEAD_BYTES + needed);
    }
    const chunk = this.#chunk;
    const view = this.#view;
    let at = chunk.length;
    if (this.#table !== table) {
      this.#table = table;
      view.setUint8(at, CHANGE.table);
      view.setFloat64(at + 1, table, true);
      at += CHANGE_HEAD_BYTES;
      needed += CHANGE_HEAD_BYTES;
    }
    view.setUint8(at, kind);
    view.setUint32(at + 1, first, true);
    view.setUint32(at + 5, second, true);
    chunk.length += needed;
    chunk.changes++;
    this.bytes += needed;
    this.changes++;
    if (kind === CHANGE.put) this.puts++;
    return at + CHANGE_HEAD_BYTES;
  }

  #copy(from: Uint8Array, at: number): void {
    const { bytes } = this.#chunk;
    if (from.length <= MAX_COPY_BYTES) bytes.set(from, at);
    else this.copyLater(from, bytes.subarray(at, at + from.length));
  }

  #nextChunk(needed: number): void {
    const bytes = new Uint8Array(new SharedArrayBuffer(Math.max(needed, CHUNK_BYTES)));
    this.#chunk = { bytes, length: 0, changes: 0 };
    this.#view = new DataView(bytes.buffer);
    this.#table = -1;
    // A first chunk without changes would be an empty row.
    if (this.changes === 0) this.chunks.length = 0;
    this.chunks.push(this.#chunk);
  }
}

/** Copies a range and returns the index after it. */
function copyRange(
  from: Uint8Array,
  start: number,
  end: number,
  to: Uint8Array,
  at: number,
): number {
  if (end - start > MAX_LOOP_BYTES) {
    to.set(from.subarray(start, end), at);
    return at + end - start;
  }
  for (let index = start; index < end; index++) to[at++] = from[index]!;
  return at;
}
