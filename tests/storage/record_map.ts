/**
 * An owner of a table whose records are in a `Map`. A piece has the keys that start with the same
 * character.
 *
 * @module
 */

import type { TableOwner } from "../../lib/storage/commit_log.ts";
import { latin1From, valueBytes } from "../../lib/storage/value.ts";

/** The owner of a table. */
export class RecordMap implements TableOwner {
  readonly records = new Map<string, Uint8Array>();
  /** The version in which each piece changed last. */
  readonly changed = new Map<number, number>();
  /** The pieces that were copied, in order. */
  readonly copied: number[] = [];
  /** The changes that were loaded; a piece is one. */
  loads = 0;
  waiting: Promise<void> | undefined;

  /** Sets a record or, without one, removes it; the caller writes the change to the log. */
  set(key: string, record: string | undefined, version: number): void {
    if (record === undefined) this.records.delete(key);
    else this.records.set(key, valueBytes(record));
    this.changed.set(pieceOf(key), version);
  }

  /** The records as text. */
  text(): Record<string, string> {
    const entries = [...this.records].map(([key, record]) => [key, latin1From(record)] as const);
    return Object.fromEntries(entries.sort(([a], [b]) => a < b ? -1 : 1));
  }

  busy(): Promise<void> | undefined {
    return this.waiting;
  }

  pieces(): Iterable<number> {
    return this.changed.keys();
  }

  pieceChangedSince(piece: number, version: number): boolean {
    return (this.changed.get(piece) ?? Infinity) > version;
  }

  copyPiece(piece: number): Uint8Array[] {
    this.copied.push(piece);
    const own = [...this.records].filter(([key]) => pieceOf(key) === piece);
    return own.flatMap(([key, record]) => [
      new Uint8Array(Uint32Array.of(key.length, record.length).buffer),
      valueBytes(key),
      record,
    ]);
  }

  loadPiece(piece: number, bytes: Uint8Array, version: number): void {
    this.loads++;
    this.changed.set(piece, version);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length;) {
      const middle = at + 8 + view.getUint32(at, true);
      const end = middle + view.getUint32(at + 4, true);
      this.records.set(latin1From(bytes, at + 8, middle), bytes.slice(middle, end));
      at = end;
    }
  }

  loadPut(bytes: Uint8Array, start: number, middle: number, end: number, version: number): void {
    this.loads++;
    const key = latin1From(bytes, start, middle);
    this.records.set(key, bytes.slice(middle, end));
    this.changed.set(pieceOf(key), version);
  }

  loadDelete(bytes: Uint8Array, start: number, end: number, version: number): void {
    this.loads++;
    const key = latin1From(bytes, start, end);
    this.records.delete(key);
    this.changed.set(pieceOf(key), version);
  }
}

function pieceOf(key: string): number {
  return key === "" ? 0 : key.charCodeAt(0);
}
