/**
 * The cursors of SCAN.
 *
 * A cursor is a number that stands for a scan's position in key order. The position is a key, which
 * does not fit into a number, so the server keeps a table from cursors to keys. The table has a
 * fixed maximum size. All connections share it, because a client may continue a scan on another
 * connection of its pool. A scan continues after the last key it returned, in key order, so a key
 * that exists throughout the scan is returned exactly once, no matter how other keys change.
 *
 * A scan occupies two entries however long it takes. A client that uses a cursor has received the
 * page that came with it, so the cursor before that one is dropped. The cursor just used stays, in
 * case the reply is lost and the client asks again. When the table is full, the least recently used
 * cursor is dropped. Using a dropped cursor is an error; a scan never silently skips keys.
 *
 * @module
 */

import type { Key } from "../../storage/store.ts";

/** The maximum number of cursors. */
export const MAX_CURSORS = 65_536;

/** The maximum total size of the remembered keys. */
export const MAX_CURSOR_BYTES = 16 * 1024 * 1024;

interface Position {
  key: Key;
  /** The cursor that the client used to get this one. */
  previous: number;
}

/** Remembers the positions of scans. */
export class CursorTable {
  readonly #positions = new Map<number, Position>();
  readonly #maxCursors: number;
  readonly #maxBytes: number;
  #bytes = 0;
  /** Starts at random, so that a cursor from an earlier run is not mistaken for one of this run. */
  #last = 1 + Math.floor(Math.random() * 2 ** 48);

  constructor(options: { maxCursors?: number; maxBytes?: number } = {}) {
    this.#maxCursors = options.maxCursors ?? MAX_CURSORS;
    this.#maxBytes = options.maxBytes ?? MAX_CURSOR_BYTES;
  }

  /** The number of cursors in the table. */
  get size(): number {
    return this.#positions.size;
  }

  /** The key after which a scan continues; `undefined` if the cursor is unknown. */
  find(cursor: number): Key | undefined {
    const position = this.#positions.get(cursor);
    if (position === undefined) return undefined;
    this.#positions.delete(cursor);
    this.#positions.set(cursor, position);
    this.#forget(position.previous);
    return position.key;
  }

  /** Remembers the last key of a page, and returns the cursor for the next page. */
  remember(key: Key, previous: number): number {
    const cursor = ++this.#last;
    this.#positions.set(cursor, { key, previous });
    this.#bytes += key.length;
    for (const oldest of this.#positions.keys()) {
      if (this.#positions.size <= this.#maxCursors && this.#bytes <= this.#maxBytes) break;
      this.#forget(oldest);
    }
    return cursor;
  }

  #forget(cursor: number): void {
    const position = this.#positions.get(cursor);
    if (position === undefined) return;
    this.#positions.delete(cursor);
    this.#bytes -= position.key.length;
  }
}
