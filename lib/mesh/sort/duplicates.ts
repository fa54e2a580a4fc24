/**
 * Finds the duplicates of entries while these are still in open slots, so that only their counts are
 * raised. Few distinct keys then take few bytes, however long the input is.
 *
 * What it misses costs bytes, but nothing else: equal keys meet again in their bucket. So it may
 * forget. The table is a cache, in which an entry has four places; an entry is forgotten when its
 * slot is closed, or when others need its places. If hardly anything is found, as in an input
 * without duplicates, it looks at only one of eight windows of entries.
 *
 * An entry is compared by the key in its slot if that is all there, which holds for records and for
 * lines without an order. Keys of an order are kept beside the table (the arena), and of those that
 * are too long for that, the SHA-256.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { lineLength, linePlace } from "../records/line_entry.ts";
import type { RecordFormat } from "../records/record_format.ts";
import { type OpenPieces, type Piece, SLOT_BYTES } from "./open_pieces.ts";

/** The longest key that is kept in the arena, in bytes. */
export const MAX_ARENA_KEY_BYTES = 1024;

const TABLE_ENTRIES = 2 ** 18;
const PLACES = 4;
/** The words of a place: hash, entry, generation of its slot, place of its key in the arena. */
const WORDS = 4;
const ARENA_BYTES = 4 * 1024 * 1024;
/**
 * The entries of a window. A window must be long enough to show repeats among as many keys as the open
 * slots hold: of 100 000 keys in any order, 27 % of 65 536 entries are repeats, but only 8 % of 16 384.
 */
export const WINDOW_ENTRIES = 65_536;
/** How many duplicates there must be in a window to go on, */
const MIN_FOUND = WINDOW_ENTRIES / 16;
/** and how many windows are passed over otherwise. */
export const SKIPPED_WINDOWS = 7;
/** Keys that are known by their SHA-256. */
const MAX_DIGESTS = 1024;
/** Long lines whose first slots are held, so that they can be counted on. */
const MAX_HELD = 16;
const SLOT_BITS = Math.log2(SLOT_BYTES);

/** An entry that is known by the digest of its key. */
interface Digested {
  entry: number;
  generation: number;
  /** Its piece, if it was taken out of the open ones. */
  held?: Piece;
}

/** The entries of one thread whose slots are open. */
export class Duplicates {
  readonly #slab: Uint8Array;
  readonly #format: RecordFormat;
  readonly #pieces: OpenPieces;
  readonly #adaptive: boolean;
  readonly #table = new Uint32Array(TABLE_ENTRIES * WORDS);
  #arena = new Uint8Array(0);
  #arenaFill = 0;
  readonly #digests = new Map<string, Digested>();
  #held = 0;
  /** Where an entry that was not found goes, and its hash. */
  #place = 0;
  #hash = 0;
  #left = WINDOW_ENTRIES;
  #found = 0;
  #looking = true;

  /** @param adaptive Whether it may stop looking for a while if it finds little. */
  constructor(
    slab: Uint8Array,
    { format, pieces, adaptive }: { format: RecordFormat; pieces: OpenPieces; adaptive: boolean },
  ) {
    this.#slab = slab;
    this.#format = format;
    this.#pieces = pieces;
    this.#adaptive = adaptive;
  }

  /** Whether to look for the next entry at all. */
  isLooking(): boolean {
    if (--this.#left > 0 || !this.#adaptive) return this.#looking;
    this.#looking = !this.#looking || this.#found >= MIN_FOUND;
    this.#left = this.#looking ? WINDOW_ENTRIES : SKIPPED_WINDOWS * WINDOW_ENTRIES;
    this.#found = 0;
    return this.#looking;
  }

  /**
   * Finds an entry by a key that is part of it; -1 if there is none. Then the entry may be added.
   *
   * @param hash A hash of the key, of 32 bits.
   */
  find(hash: number, bytes: Uint8Array, from: number, to: number): number {
    const table = this.#table;
    const { generations } = this.#pieces;
    let free = -1;
    for (let i = 0; i < PLACES; i++) {
      const at = ((hash + i) & (TABLE_ENTRIES - 1)) * WORDS;
      const entry = table[at + 1]!;
      const generation = table[at + 2]!;
      if (generation === 0 || generations[entry >>> SLOT_BITS] !== generation) {
        if (free < 0) free = at;
      } else if (table[at] === hash && this.#hasKey(entry, bytes, from, to)) {
        this.#found++;
        return entry;
      }
    }
    this.#place = free < 0 ? (hash & (TABLE_ENTRIES - 1)) * WORDS : free;
    this.#hash = hash;
    return -1;
  }

  /** Adds the entry that `find` has not found. */
  add(entry: number): void {
    const table = this.#table;
    const at = this.#place;
    table[at] = this.#hash;
    table[at + 1] = entry;
    table[at + 2] = this.#pieces.generations[entry >>> SLOT_BITS]!;
  }

  /** The same as `find`, for a key of an order of at most {@linkcode MAX_ARENA_KEY_BYTES} bytes. */
  findKey(hash: number, key: Uint8Array, length: number): number {
    const table = this.#table;
    const arena = this.#arena;
    const { generations } = this.#pieces;
    let free = -1;
    for (let i = 0; i < PLACES; i++) {
      const at = ((hash + i) & (TABLE_ENTRIES - 1)) * WORDS;
      const entry = table[at + 1]!;
      const generation = table[at + 2]!;
      if (generation === 0 || generations[entry >>> SLOT_BITS] !== generation) {
        if (free < 0) free = at;
        continue;
      }
      if (table[at] !== hash) continue;
      const start = table[at + 3]!;
      if ((arena[start]! | arena[start + 1]! << 8) !== length) continue;
      let same = 0;
      while (same < length && arena[start + 2 + same] === key[same]) same++;
      if (same < length) continue;
      this.#found++;
      return entry;
    }
    this.#place = free < 0 ? (hash & (TABLE_ENTRIES - 1)) * WORDS : free;
    this.#hash = hash;
    return -1;
  }

  /** Adds the entry that `findKey` has not found. */
  addKey(entry: number, key: Uint8Array, length: number): void {
    if (this.#arena.length === 0) this.#arena = new Uint8Array(ARENA_BYTES);
    if (this.#arenaFill + 2 + length > ARENA_BYTES) {
      this.#table.fill(0);
      this.#arenaFill = 0;
    }
    const arena = this.#arena;
    const start = this.#arenaFill;
    arena[start] = length;
    arena[start + 1] = length >>> 8;
    for (let i = 0; i < length; i++) arena[start + 2 + i] = key[i]!;
    this.#arenaFill = start + 2 + length;
    this.#table[this.#place + 3] = start;
    this.add(entry);
  }

  /** Finds an entry by the digest of its key; -1 if there is none. */
  findDigest(digest: string): number {
    const known = this.#digests.get(digest);
    if (known === undefined) return -1;
    if (this.#pieces.generations[known.entry >>> SLOT_BITS] !== known.generation) return -1;
    this.#found++;
    return known.entry;
  }

  /**
   * Adds an entry by the digest of its key.
   *
   * @param held Its piece, if it was taken out of the open ones; it is released when it is forgotten.
   */
  addDigest(digest: string, entry: number, held?: Piece): void {
    this.#forget(digest);
    const generation = this.#pieces.generations[entry >>> SLOT_BITS]!;
    this.#digests.set(digest, { entry, generation, ...(held ? { held } : {}) });
    if (held && ++this.#held > MAX_HELD) {
      for (const [other, { held }] of this.#digests) {
        if (held === undefined) continue;
        this.#forget(other);
        break;
      }
    }
    if (this.#digests.size > MAX_DIGESTS) this.#forget(this.#digests.keys().next().value!);
  }

  /** Releases all pieces that are held. */
  finish(): void {
    for (const digest of [...this.#digests.keys()]) this.#forget(digest);
  }

  #forget(digest: string): void {
    const known = this.#digests.get(digest);
    if (known === undefined) return;
    this.#digests.delete(digest);
    if (known.held === undefined) return;
    this.#held--;
    this.#pieces.release(known.held);
  }

  /** Whether an entry has this key. */
  #hasKey(entry: number, bytes: Uint8Array, from: number, to: number): boolean {
    const slab = this.#slab;
    const { recordBytes, keyStart, keyEnd } = this.#format;
    let start = entry + keyStart;
    if (recordBytes === 0) {
      const length = lineLength(slab, entry);
      if (Math.max(0, Math.min(length, keyEnd) - keyStart) !== to - from) return false;
      start = linePlace(slab, entry) + keyStart;
    }
    for (let i = from; i < to; i++) {
      if (slab[start + i - from] !== bytes[i]) return false;
    }
    return true;
  }
}

/** The digest of a key that is too long for the arena. */
export function digestOf(key: Uint8Array): string {
  return createHash("sha256").update(key).digest("base64");
}
