/**
 * A commit group: while it collects, and while it is being written.
 *
 * @module
 */

import { Turn } from "../../turn.ts";
import type { Directory } from "./connection.ts";
import { CHUNK_BYTES, GroupBuffer } from "./group_buffer.ts";
import type { Group } from "./log_file.ts";
import { PieceMemory } from "./piece_memory.ts";
import type { SnapshotTable } from "./snapshots.ts";

/** A piece in a group. */
interface GatheredPiece {
  table: SnapshotTable;
  piece: number;
  version: number;
  bytes: Uint8Array;
}

/** A commit group. The same two objects take turns. */
export class Gathering {
  readonly buffer: GroupBuffer;
  /** Which of the two shared buffers it has. */
  readonly index: number;
  /** The version of its first change. */
  first = 0;
  /** Its outcome; `undefined` while it is empty. */
  ended: PromiseWithResolvers<void> | undefined;
  pieces: GatheredPiece[] = [];
  /** The tables by name, if they change. */
  directory: Directory | undefined;
  /** How many of its puts are into vital tables. */
  vitalPuts = 0;
  /** Set for a group that only tries whether the file can be written. */
  #probe = false;
  sentMs = 0;

  readonly #pieceMemory: PieceMemory;

  private constructor(memory: SharedArrayBuffer, index: number, pieceMemory: PieceMemory) {
    this.buffer = new GroupBuffer(memory);
    this.index = index;
    this.#pieceMemory = pieceMemory;
  }

  /** Creates two groups, which take turns, in two shared buffers. */
  static pair([first, second]: readonly SharedArrayBuffer[]): [Gathering, Gathering] {
    const memory = new PieceMemory();
    return [new Gathering(first!, 0, memory), new Gathering(second!, 1, memory)];
  }

  /** The version of its last change. */
  get last(): number {
    return this.first + this.buffer.changes - 1;
  }

  /** Starts it. */
  begin(first: number): void {
    this.first = first;
    this.ended = Promise.withResolvers<void>();
    this.ended.promise.catch(() => {
      // Callers that wait get the error too. If none does, it is still in the log.
    });
  }

  /** Makes it empty. */
  clear(): void {
    this.buffer.clear();
    this.ended = undefined;
    if (this.pieces.length > 0) this.pieces = [];
    this.#pieceMemory.release(this);
    this.directory = undefined;
    this.vitalPuts = 0;
    this.#probe = false;
  }

  /** Makes it a group that only tries whether the file can be written. */
  probe(): void {
    this.buffer.other();
    this.#probe = true;
  }

  /** Whether it only tries that. Other changes may have joined it. */
  get probes(): boolean {
    return this.#probe && this.buffer.changes === 1;
  }

  /** Adds a piece as it is now; returns its length. */
  putPiece(table: SnapshotTable, piece: number, version: number): number {
    const allocate = (length: number) => this.#pieceMemory.take(length, this);
    const parts = table.owner.copyPiece(piece, allocate);
    const isShared = parts.length === 1 && parts[0]!.buffer instanceof SharedArrayBuffer;
    const bytes = isShared ? parts[0]! : this.#join(parts);
    this.pieces.push({ table, piece, version, bytes });
    return bytes.length;
  }

  #join(parts: readonly Uint8Array[]): Uint8Array {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const bytes = new Uint8Array(new SharedArrayBuffer(length));
    let at = 0;
    for (const part of parts) {
      const to = bytes.subarray(at, at += part.length);
      if (part.length > CHUNK_BYTES) this.buffer.copyLater(part, to);
      else to.set(part);
    }
    return bytes;
  }

  /** Copies the long arrays in it, in turns. */
  async copyAll(): Promise<void> {
    const turn = new Turn();
    while (this.buffer.copying) {
      this.buffer.copyStep();
      if (turn.over) await turn.next();
    }
  }

  /** Whether it may use the space that is kept for a full disk. */
  get frees(): boolean {
    return this.buffer.puts === this.vitalPuts;
  }

  /** Whether it can be handed over in its shared buffer. */
  get isSmall(): boolean {
    return this.pieces.length === 0 && this.directory === undefined &&
      this.buffer.chunks.length === 1 && this.buffer.usesFirst;
  }

  /** What the thread needs to write a group that is not small. */
  parts(): Omit<Group, "frees"> {
    let first = this.first;
    const rows = this.buffer.chunks.map(({ bytes, length, changes }) => ({
      first,
      last: (first += changes) - 1,
      bytes: bytes.subarray(0, length),
    }));
    const pieces = this.pieces.map(({ table, ...piece }) => ({ table: table.id, ...piece }));
    return { rows, pieces, directory: this.directory };
  }
}
