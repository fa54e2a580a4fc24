/**
 * Changes to the store in memory. A change takes effect at once. It can be written to the commit
 * log, and it can be undone after all later changes have been.
 *
 * @module
 */

import type { CommitLog } from "../commit_log.ts";
import { recordHead } from "./record.ts";
import type { Item, MemorySpace } from "./memory_space.ts";
import type { Key } from "../store.ts";

/** A change that has taken effect. */
export interface Change {
  /** Its version in the log. */
  version: number;
  /** Writes it to the collecting group. */
  write(log: CommitLog): void;
  /** Undoes it. Returns by how many bytes of keys and values the store grows. */
  undo(): number;
}

/** An item was added, replaced or removed. */
export class ItemChange implements Change {
  version = 0;
  readonly #space: MemorySpace;
  readonly #key: Key;
  readonly #before: Item | undefined;
  readonly #after: Item | undefined;

  constructor(
    space: MemorySpace,
    key: Key,
    before: Item | undefined,
    after: Item | undefined,
  ) {
    this.#space = space;
    this.#key = key;
    this.#before = before;
    this.#after = after;
  }

  write(log: CommitLog): void {
    this.version = log.nextVersion;
    const after = this.#after;
    const { table, owner } = this.#space;
    owner?.changed(this.#key, this.version);
    if (after === undefined) {
      log.delete(table!, this.#key);
      this.#space.deletedIn = this.version;
    } else {
      log.put(table!, this.#key, after.value, recordHead(after.expiresAtMs));
      after.group = this.version;
    }
  }

  undo(): number {
    const bytes = this.#space.bytes;
    this.#space.replace(this.#key, this.#after, this.#before);
    return this.#space.bytes - bytes;
  }
}

/** A space was cleared, that is, replaced by an empty one. */
export class ClearChange implements Change {
  version = 0;
  readonly #spaces: MemorySpace[];
  readonly #number: number;
  readonly #before: MemorySpace;
  readonly #after: MemorySpace;

  constructor(spaces: MemorySpace[], number: number, before: MemorySpace, after: MemorySpace) {
    this.#spaces = spaces;
    this.#number = number;
    this.#before = before;
    this.#after = after;
  }

  write(log: CommitLog): void {
    this.version = log.nextVersion;
    this.#after.table = log.clear(this.#before.table!, this.#after.owner!);
    this.#after.deletedIn = this.version;
  }

  undo(): number {
    this.#spaces[this.#number] = this.#before;
    return this.#before.bytes - this.#after.bytes;
  }
}

/** Two spaces were exchanged. */
export class SwapChange implements Change {
  version = 0;
  readonly #spaces: MemorySpace[];
  readonly #a: number;
  readonly #b: number;
  readonly #moved: readonly [MemorySpace, MemorySpace];

  constructor(spaces: MemorySpace[], a: number, b: number) {
    this.#spaces = spaces;
    this.#a = a;
    this.#b = b;
    this.#moved = [spaces[a]!, spaces[b]!];
  }

  /** Exchanges the spaces. */
  apply(): void {
    const a = this.#spaces[this.#a]!;
    const b = this.#spaces[this.#b]!;
    this.#spaces[this.#a] = b;
    this.#spaces[this.#b] = a;
  }

  write(log: CommitLog): void {
    this.version = log.nextVersion;
    const [a, b] = this.#moved;
    log.swap(a.table!, b.table!);
    a.movedIn = b.movedIn = this.version;
  }

  undo(): number {
    this.apply();
    return 0;
  }
}
