/**
 * A space of the store in memory: its table, and how that gets into the commit log and out of it.
 *
 * @module
 */

import type { CommitLog, LogTable, TableOwner } from "../commit_log.ts";
import { Pieces } from "../table/pieces.ts";
import { type Range, RecordState } from "../table/records.ts";
import { Table } from "../table/table.ts";
import { Turn } from "../../turn.ts";
import { latin1From } from "../value.ts";

/** Up to this size a space is sorted at once, in a millisecond or two. */
const SORT_AT_ONCE_KEYS = 1_000;

/** The log copies longer values when it has time; until then they must not change. */
const MAX_COPY_AT_ONCE_BYTES = 256 * 1024;

/** A record in the log begins with the time at which it expires (float64), 0 for never. */
const HEAD_BYTES = 8;

/** The name of the table of a space in the commit log. */
export function spaceTable(space: number): string {
  return `kv_${space}`;
}

/** What precedes the value in a record in the log. */
export function recordHead(expiresAtMs: number): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  new DataView(head.buffer).setFloat64(0, expiresAtMs, true);
  return head;
}

/** What a space knows of its store. */
export interface MemorySpaceOptions {
  log: CommitLog;
  /** See {@linkcode TableOwner.busy}. */
  busy(): Promise<void> | undefined;
  /** See `RecordMemoryOptions`. */
  allocateLarge?(bytes: number): ArrayBuffer;
}

/** A space in memory. */
export class MemorySpace implements TableOwner {
  readonly table: Table;
  /** Its table in the commit log, if that keeps anything. */
  logTable: LogTable | undefined;
  /** The version of the latest removal. A read that finds no entry waits for it. */
  deletedIn = 0;
  /** The version that moved the space to its number. Every read waits for it. */
  movedIn = 0;
  readonly #options: MemorySpaceOptions;
  readonly #pieces: Pieces;
  readonly #range: Range = { bytes: new Uint8Array(0), start: 0, end: 0 };
  readonly #head = new Uint8Array(HEAD_BYTES);
  readonly #headView = new DataView(this.#head.buffer);
  #sorting: Promise<void> | undefined;

  constructor(options: MemorySpaceOptions) {
    this.#options = options;
    this.table = new Table(options);
    this.#pieces = new Pieces(this.table);
  }

  /** Whether the keys are in order. A small space is sorted at once. */
  get sorted(): boolean {
    const { table } = this;
    if (table.order === undefined && table.size <= SORT_AT_ONCE_KEYS) { while (!table.sortSome()); }
    return table.order !== undefined;
  }

  /**
   * Sorts the keys, in small steps so that other work goes on, and keeps them sorted from then on.
   * A space that is never read in order never pays for one.
   */
  sort(): Promise<void> {
    return this.#sorting ??= this.#sort();
  }

  async #sort(): Promise<void> {
    const turn = new Turn();
    while (!this.table.sortSome()) if (turn.over) await turn.next();
  }

  /**
   * Writes a change to the log. Only the last of several changes of a record in a transaction is
   * written; the others have the version of the next one that is.
   *
   * @param given The version that the change was given when it was made.
   * @param version The one that the log gives it.
   */
  write(given: number, after: number, kept: number, version: number): void {
    const { records, memory } = this.table;
    if (after === 0) {
      this.writeDeletion(kept, version);
    } else if (
      records.state(after) === RecordState.live && records.version(after) === given
    ) {
      if (version !== given) {
        records.setVersion(after, version);
        memory.touched(after, version);
      }
      this.writeRecord(after);
    }
  }

  /** Writes a live record to the log. */
  writeRecord(address: number): void {
    const { log } = this.#options;
    const { records, expiry } = this.table;
    const range = this.#range;
    this.#headView.setFloat64(0, expiry.expiryOf(address), true);
    records.locateKey(address, range);
    const { bytes, start, end } = range;
    const valueLength = records.valueLength(address);
    if (valueLength <= MAX_COPY_AT_ONCE_BYTES) {
      log.putRange(this.logTable!, bytes, start, end, end + valueLength, this.#head);
    } else {
      this.table.lend(address);
      const value = bytes.subarray(end, end + valueLength);
      log.put(this.logTable!, latin1From(bytes, start, end), value, this.#head);
    }
  }

  /** Writes the deletion of a record to the log. */
  writeDeletion(kept: number, version: number): void {
    const range = this.#range;
    const { records, memory } = this.table;
    records.locateKey(kept, range);
    this.#options.log.deleteRange(this.logTable!, range.bytes, range.start, range.end);
    memory.touched(kept, version);
    this.deletedIn = version;
  }

  busy(): Promise<void> | undefined {
    return this.#options.busy();
  }

  *pieces(): Iterable<number> {
    for (let piece = 0; piece < this.#pieces.count; piece++) {
      if (this.#pieces.has(piece)) yield piece;
    }
  }

  pieceChangedSince(piece: number, version: number): boolean {
    return this.#pieces.changedSince(piece, version);
  }

  copyPiece(piece: number, allocate: (length: number) => Uint8Array): Uint8Array[] {
    return this.#pieces.copy(piece, allocate);
  }

  loadPiece(piece: number, bytes: Uint8Array, version: number): void {
    this.#pieces.load(piece, bytes, version);
  }

  loadPut(bytes: Uint8Array, start: number, middle: number, end: number, version: number): void {
    for (let at = 0; at < HEAD_BYTES; at++) this.#head[at] = bytes[middle + at]!;
    const expiresAtMs = this.#headView.getFloat64(0, true);
    const value = middle + HEAD_BYTES;
    this.#pieces.loadPut(bytes, start, middle, value, end, version, expiresAtMs);
  }

  loadDelete(bytes: Uint8Array, start: number, end: number, version: number): void {
    this.#pieces.loadDelete(bytes, start, end, version);
  }
}
