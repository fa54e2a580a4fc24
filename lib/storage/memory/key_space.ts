/**
 * The key space of the store in memory: all spaces, the changes on them, and what they take.
 *
 * @module
 */

import type { LogTable } from "../commit_log.ts";
import { type Change, ClearChange, ItemChange, SwapChange } from "./changes.ts";
import { Item, MemorySpace } from "./memory_space.ts";
import { type Key, OutOfMemoryError, type ScanRange } from "../store.ts";
import type { Value } from "../value.ts";

/** What a key space is made with. */
export interface KeySpaceOptions {
  /** The tables of its spaces. */
  tables: readonly LogTable[];
  /** Bytes of keys and values that it may hold. */
  maxBytes: number;
  /** The commit group that gathers. */
  group(): number;
  /** Called when something has come that can expire. */
  onExpiring(): void;
}

/** All spaces. */
export class KeySpace {
  readonly maxBytes: number;
  /** Bytes of all keys and values. */
  bytes = 0;
  readonly #spaces: MemorySpace[];
  readonly #options: KeySpaceOptions;
  #lastVersion = 0;

  constructor(options: KeySpaceOptions) {
    this.maxBytes = options.maxBytes;
    this.#options = options;
    this.#spaces = options.tables.map((table) => new MemorySpace(table));
  }

  /** The spaces, by their numbers. */
  get spaces(): readonly MemorySpace[] {
    return this.#spaces;
  }

  /** The space of a number. */
  space(number: number): MemorySpace {
    return this.#spaces[number]!;
  }

  /** Adds an entry that was loaded, and so is durable. */
  load(space: MemorySpace, key: Key, value: Value, expiresAtMs: number): void {
    this.#replace(space, key, undefined, new Item(value, ++this.#lastVersion, expiresAtMs, 0));
  }

  /**
   * Sets a value.
   *
   * @param changes Where the change is noted, if it may have to be taken back.
   * @throws {OutOfMemoryError}
   */
  put(
    changes: Change[] | undefined,
    space: MemorySpace,
    key: Key,
    value: Value,
    expiresAtMs: number,
  ): void {
    const before = space.items.get(key);
    this.#reserve(key, before, value);
    const after = new Item(value, ++this.#lastVersion, expiresAtMs, this.#options.group());
    this.#replace(space, key, before, after);
    changes?.push(new ItemChange(space, key, before, after));
  }

  /**
   * Checks what a transaction has written. Until it ends, all of that is in memory, with what it
   * has overwritten again: an APPEND to a long value that stands in it a thousand times.
   *
   * @throws {OutOfMemoryError} If that is more than there may be.
   */
  checkWritten(bytes: number): void {
    if (bytes <= this.maxBytes) return;
    throw new OutOfMemoryError(
      `Cannot write ${bytes} bytes in one transaction: ${this.maxBytes} is the most there may be`,
    );
  }

  /** Removes an item, and notes the change. */
  remove(changes: Change[], space: MemorySpace, key: Key, before: Item): void {
    this.#replace(space, key, before, undefined);
    changes.push(new ItemChange(space, key, before, undefined));
  }

  /** Puts an empty space in place of one, which is returned, and notes the change. */
  clear(changes: Change[], number: number): MemorySpace {
    const before = this.#spaces[number]!;
    this.bytes -= before.bytes;
    const after = this.#spaces[number] = new MemorySpace(before.table);
    changes.push(new ClearChange(this.#spaces, number, before, after));
    return after;
  }

  /** Exchanges two spaces, and notes the change. */
  swap(changes: Change[], a: number, b: number): void {
    const change = new SwapChange(this.#spaces, a, b);
    change.apply();
    changes.push(change);
  }

  /** Takes changes back, newest first. */
  undo(changes: readonly Change[]): void {
    for (let index = changes.length - 1; index >= 0; index--) {
      this.bytes += changes[index]!.undo();
    }
    if (this.expiring) this.#options.onExpiring();
  }

  /** Whether it holds anything that can expire. */
  get expiring(): boolean {
    return this.#spaces.some((space) => space.expiry.size > 0);
  }

  /** A page of a space that is in order. */
  page(space: MemorySpace, range: ScanRange, nowMs: number): [Key, Item][] {
    const { prefix = "", after, limit } = range;
    const page: [Key, Item][] = [];
    if (limit < 1) return page;
    const inclusive = after === undefined || after < prefix;
    for (const key of space.order!.keysFrom(inclusive ? prefix : after, { inclusive })) {
      if (!key.startsWith(prefix)) break;
      const item = space.items.get(key)!;
      if (item.expired(nowMs)) continue;
      page.push([key, item]);
      if (page.length === limit) break;
    }
    return page;
  }

  #replace(space: MemorySpace, key: Key, before: Item | undefined, after: Item | undefined): void {
    const bytesBefore = space.bytes;
    space.replace(key, before, after);
    this.bytes += space.bytes - bytesBefore;
    if (after !== undefined && after.expiresAtMs !== 0) this.#options.onExpiring();
  }

  /** Checks that there is memory for a value. */
  #reserve(key: Key, before: Item | undefined, value: Value): void {
    const more = before === undefined
      ? key.length + value.length
      : value.length - before.valueBytes;
    if (more <= 0 || this.bytes + more <= this.maxBytes) return;
    throw new OutOfMemoryError(
      `Cannot store ${more} more bytes: ${this.bytes} of ${this.maxBytes} are in use`,
    );
  }
}
