/**
 * The cursors of SCAN.
 *
 * A cursor is a number, and it has to say where in the order of keys a scan has come to. A key does
 * not fit into a number, so the server remembers it: a table from cursors to keys, of bounded size,
 * shared by all connections because pools of connections take turns. A scan goes on behind the last
 * key it returned, in key order, so whatever exists all the time is returned exactly once, however
 * the keys around it change.
 *
 * A scan occupies two entries, however long it takes: when the client uses a cursor, it has seen
 * the page that came with it, so the cursor before that one is forgotten. The one just used stays,
 * for a client that has to ask again because the answer got lost. When the table is full, the
 * cursor that has gone unused for longest is forgotten. A forgotten cursor is an error, never a
 * scan that skips something.
 *
 * @module
 */

import type { Key } from "../../storage/store.ts";

/** How many cursors are remembered. */
export const MAX_CURSORS = 65_536;

/** How many bytes of keys are remembered. */
export const MAX_CURSOR_BYTES = 16 * 1024 * 1024;

interface Position {
  key: Key;
  /** The cursor that this one came from. */
  previous: number;
}

/** Remembers where scans have come to. */
export class CursorTable {
  readonly #positions = new Map<number, Position>();
  readonly #maxCursors: number;
  readonly #maxBytes: number;
  #bytes = 0;
  /** Starts anywhere, so that a cursor of an earlier run is not taken for one of this run. */
  #last = 1 + Math.floor(Math.random() * 2 ** 48);

  constructor(options: { maxCursors?: number; maxBytes?: number } = {}) {
    this.#maxCursors = options.maxCursors ?? MAX_CURSORS;
    this.#maxBytes = options.maxBytes ?? MAX_CURSOR_BYTES;
  }

  /** How many cursors are remembered. */
  get size(): number {
    return this.#positions.size;
  }

  /** The key behind which a scan goes on; `undefined` if the cursor is unknown. */
  find(cursor: number): Key | undefined {
    const position = this.#positions.get(cursor);
    if (position === undefined) return undefined;
    this.#positions.delete(cursor);
    this.#positions.set(cursor, position);
    this.#forget(position.previous);
    return position.key;
  }

  /** Remembers the last key of a page; the cursor for the next one. */
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
