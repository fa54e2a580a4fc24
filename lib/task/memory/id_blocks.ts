import type { TableOwner } from "../../storage/commit_log.ts";
import type { JobId } from "../queue.ts";
import { readId } from "./records.ts";

/** The number of ids in a block. With bodies of the largest usual size it takes 8 MiB. */
const BLOCK_IDS = 128;

/** In a piece, a record is id (f64), two lengths (u32, little-endian), and the two parts. */
const ENTRY_HEAD_BYTES = 16;

/** The two parts of a record in a piece; the second one may be empty. */
export interface Entry {
  first: readonly Uint8Array[];
  second: readonly Uint8Array[];
}

/** What a table of records with ids does with them. */
export interface BlockContents {
  /** The record of an id as it is now, if there is one. The arrays are copied. */
  entry(id: JobId): Entry | undefined;
  /** Sets a record from a piece: one part up to `middle`, the other one from there. */
  loadEntry(id: JobId, bytes: Uint8Array, start: number, middle: number, end: number): void;
  /** Sets a record from the log: `bytes[start]` to `bytes[end - 1]`. */
  load(id: JobId, bytes: Uint8Array, start: number, end: number): void;
  /** Removes a record. */
  remove(id: JobId): void;
}

/**
 * Owns a table of the commit log whose keys are the ids of jobs. A piece is a block of ids, so the
 * id says in which piece a record is.
 */
export class IdBlocks implements TableOwner {
  readonly #contents: BlockContents;
  /** The last version in which each block changed; blocks without records may be missing. */
  readonly #changed = new Map<number, number>();
  readonly #busy: () => Promise<void> | undefined;
  readonly vital: boolean;

  /** @param options As in {@linkcode TableOwner}. */
  constructor(
    contents: BlockContents,
    options: { busy: () => Promise<void> | undefined; vital: boolean },
  ) {
    this.#contents = contents;
    this.#busy = options.busy;
    this.vital = options.vital;
  }

  /** Notes that the record of an id changes in a version. */
  change(id: JobId, version: number): void {
    this.#changed.set(blockOf(id), version);
  }

  /** Whether a piece that was loaded includes a version already. */
  includes(id: JobId, version: number): boolean {
    return version <= (this.#changed.get(blockOf(id)) ?? 0);
  }

  busy(): Promise<void> | undefined {
    return this.#busy();
  }

  pieces(): Iterable<number> {
    return this.#changed.keys();
  }

  pieceChangedSince(block: number, version: number): boolean {
    return (this.#changed.get(block) ?? Infinity) > version;
  }

  copyPiece(block: number): Uint8Array[] {
    const parts: Uint8Array[] = [];
    for (let id = block * BLOCK_IDS, end = id + BLOCK_IDS; id < end; id++) {
      const entry = this.#contents.entry(id);
      if (entry === undefined) continue;
      const head = new Uint8Array(ENTRY_HEAD_BYTES);
      const view = new DataView(head.buffer);
      view.setFloat64(0, id, true);
      view.setUint32(8, lengthOf(entry.first), true);
      view.setUint32(12, lengthOf(entry.second), true);
      parts.push(head, ...entry.first, ...entry.second);
    }
    if (parts.length === 0) this.#changed.delete(block);
    return parts;
  }

  loadPiece(block: number, bytes: Uint8Array, version: number): void {
    this.#changed.set(block, version);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length;) {
      const start = at + ENTRY_HEAD_BYTES;
      const middle = start + view.getUint32(at + 8, true);
      const end = middle + view.getUint32(at + 12, true);
      this.#contents.loadEntry(view.getFloat64(at, true), bytes, start, middle, end);
      at = end;
    }
  }

  loadPut(bytes: Uint8Array, start: number, middle: number, end: number, version: number): void {
    const id = readId(bytes, start);
    if (this.includes(id, version)) return;
    this.change(id, version);
    this.#contents.load(id, bytes, middle, end);
  }

  loadDelete(bytes: Uint8Array, start: number, _end: number, version: number): void {
    const id = readId(bytes, start);
    if (this.includes(id, version)) return;
    this.change(id, version);
    this.#contents.remove(id);
  }
}

function blockOf(id: JobId): number {
  return Math.floor(id / BLOCK_IDS);
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
