/**
 * The key space of the store in memory: all spaces, their changes and their memory use.
 *
 * @module
 */

import { type Change, ClearChange, ItemChange, SwapChange } from "./changes.ts";
import { Item, MemorySpace } from "./memory_space.ts";
import { type Key, OutOfMemoryError, type ScanRange } from "../store.ts";
import type { Value } from "../value.ts";

/** Options for a {@linkcode KeySpace}. */
export interface KeySpaceOptions {
  /** The number of spaces. */
  spaces: number;
  /** Limit on bytes of keys and values. */
  maxBytes: number;
  /** The version of the next change. */
  nextVersion(): number;
  /** Called for a new space; gives it its owner. */
  own(space: MemorySpace): void;
  /** Called when an entry that can expire was added. */
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
    this.#spaces = Array.from({ length: options.spaces }, () => this.#create());
  }

  /** The spaces, by number. */
  get spaces(): readonly MemorySpace[] {
    return this.#spaces;
  }

  /** The space with a number. */
  space(number: number): MemorySpace {
    return this.#spaces[number]!;
  }

  /** Sets an entry loaded from the log, which is durable already. */
  load(space: MemorySpace, key: Key, value: Value, expiresAtMs: number): void {
    const item = new Item(value, ++this.#lastVersion, expiresAtMs, 0);
    this.#replace(space, key, space.items.get(key), item);
  }

  /** Removes an entry as the log says. */
  unload(space: MemorySpace, key: Key): void {
    this.#replace(space, key, space.items.get(key), undefined);
  }

  /**
   * Sets a value.
   *
   * @param changes Receives the change, if it may have to be undone.
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
    const after = new Item(value, ++this.#lastVersion, expiresAtMs, this.#options.nextVersion());
    this.#replace(space, key, before, after);
    changes?.push(new ItemChange(space, key, before, after));
  }

  /**
   * Checks how much a transaction has written. All of it stays in memory until the transaction
   * ends, even values it has overwritten: think of a thousand APPENDs to one long value.
   *
   * @throws {OutOfMemoryError} If it exceeds the limit.
   */
  checkWritten(bytes: number): void {
    if (bytes <= this.maxBytes) return;
    throw new OutOfMemoryError(
      `Cannot write ${bytes} bytes in one transaction: the limit is ${this.maxBytes}`,
    );
  }

  /** Removes an item and records the change. */
  remove(changes: Change[], space: MemorySpace, key: Key, before: Item): void {
    this.#replace(space, key, before, undefined);
    changes.push(new ItemChange(space, key, before, undefined));
  }

  /** Replaces a space by an empty one, which it returns, and records the change. */
  clear(changes: Change[], number: number): MemorySpace {
    const before = this.#spaces[number]!;
    this.bytes -= before.bytes;
    const after = this.#spaces[number] = this.#create();
    changes.push(new ClearChange(this.#spaces, number, before, after));
    return after;
  }

  /** Exchanges two spaces and records the change. */
  swap(changes: Change[], a: number, b: number): void {
    const change = new SwapChange(this.#spaces, a, b);
    change.apply();
    changes.push(change);
  }

  /** Undoes changes, newest first. */
  undo(changes: readonly Change[]): void {
    for (let index = changes.length - 1; index >= 0; index--) {
      this.bytes += changes[index]!.undo();
    }
    if (this.expiring) this.#options.onExpiring();
  }

  /** Whether any entry can expire. */
  get expiring(): boolean {
    return this.#spaces.some((space) => space.expiry.size > 0);
  }

  /** Reads a page of a space whose keys are sorted. */
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

  #create(): MemorySpace {
    const space = new MemorySpace();
    this.#options.own(space);
    return space;
  }

  #replace(space: MemorySpace, key: Key, before: Item | undefined, after: Item | undefined): void {
    const bytesBefore = space.bytes;
    space.replace(key, before, after);
    this.bytes += space.bytes - bytesBefore;
    if (after !== undefined && after.expiresAtMs !== 0) this.#options.onExpiring();
  }

  /** Checks that a value fits into the memory limit. */
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
