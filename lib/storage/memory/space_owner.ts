/**
 * Hands the records of a space to the commit log, and takes them back at start.
 *
 * @module
 */

import type { TableOwner } from "../commit_log.ts";
import type { Key } from "../store.ts";
import { copyValue, latin1From, type Value } from "../value.ts";
import { decodeRecord, recordHead } from "./record.ts";

/** The number of pieces. A key is always in the same one. */
const PIECES = 256;

/** In a piece, a record is the lengths of key and record (u32, little-endian), key and record. */
const HEAD_BYTES = 8;

/** What the owner needs of its space. */
interface Records {
  readonly items: ReadonlyMap<Key, { value: Value; expiresAtMs: number }>;
}

/** How records come into a space, and go, at start. */
interface Loader<Space> {
  load(space: Space, key: Key, value: Value, expiresAtMs: number): void;
  unload(space: Space, key: Key): void;
}

/** The owner of a space's records. */
export class SpaceOwner<Space extends Records> implements TableOwner {
  readonly #space: Space;
  readonly #keys: () => Loader<Space>;
  readonly #gate: () => Promise<void> | undefined;
  readonly #pieces = Array.from({ length: PIECES }, () => new Set<Key>());
  readonly #changed = new Float64Array(PIECES);

  constructor(
    space: Space,
    keys: () => Loader<Space>,
    gate: () => Promise<void> | undefined,
  ) {
    this.#space = space;
    this.#keys = keys;
    this.#gate = gate;
  }

  /** A key is new in the space. */
  add(key: Key): void {
    this.#pieces[pieceOf(key)]!.add(key);
  }

  /** A key is no longer in the space. */
  remove(key: Key): void {
    this.#pieces[pieceOf(key)]!.delete(key);
  }

  /** A change of a key was written to the log. */
  changed(key: Key, version: number): void {
    this.#changed[pieceOf(key)] = version;
  }

  busy(): Promise<void> | undefined {
    return this.#gate();
  }

  *pieces(): Iterable<number> {
    for (let piece = 0; piece < PIECES; piece++) if (this.#pieces[piece]!.size > 0) yield piece;
  }

  pieceChangedSince(piece: number, version: number): boolean {
    return this.#changed[piece]! > version;
  }

  copyPiece(piece: number): Uint8Array[] {
    const parts: Uint8Array[] = [];
    for (const key of this.#pieces[piece]!) {
      const { value, expiresAtMs } = this.#space.items.get(key)!;
      const head = recordHead(expiresAtMs);
      const part = new Uint8Array(HEAD_BYTES + key.length + head.length + value.length);
      const view = new DataView(part.buffer);
      view.setUint32(0, key.length, true);
      view.setUint32(4, head.length + value.length, true);
      copyValue(key, part, HEAD_BYTES);
      part.set(head, HEAD_BYTES + key.length);
      copyValue(value, part, HEAD_BYTES + key.length + head.length);
      parts.push(part);
    }
    return parts;
  }

  loadPiece(_piece: number, bytes: Uint8Array, version: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length;) {
      const start = at + HEAD_BYTES;
      const middle = start + view.getUint32(at, true);
      at = middle + view.getUint32(at + 4, true);
      this.loadPut(bytes, start, middle, at, version);
    }
  }

  loadPut(bytes: Uint8Array, start: number, middle: number, end: number, version: number): void {
    const { value, expiresAtMs } = decodeRecord(bytes.subarray(middle, end));
    const key = latin1From(bytes, start, middle);
    this.#keys().load(this.#space, key, value, expiresAtMs);
    this.changed(key, version);
  }

  loadDelete(bytes: Uint8Array, start: number, end: number, version: number): void {
    const key = latin1From(bytes, start, end);
    this.#keys().unload(this.#space, key);
    this.changed(key, version);
  }
}

function pieceOf(key: Key): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return (hash ^ hash >>> 8 ^ hash >>> 16) & (PIECES - 1);
}
