/**
 * The changes that are not durable yet, oldest first, so that they can be undone. For a change of a
 * key it holds two addresses; see `table/table.ts`.
 *
 * @module
 */

import type { CommitLog } from "../commit_log.ts";
import { MemorySpace } from "./memory_space.ts";

/** A change of whole spaces. */
export interface SpaceChange {
  /** Writes it to the commit log. */
  write(): void;
  undo(): void;
}

/** Entries to drop from the front before the arrays are moved. */
const MIN_DROPPED = 1024;

/** A list of changes. */
export class UndoList {
  readonly #changed: (MemorySpace | SpaceChange)[] = [];
  readonly #versions: number[] = [];
  readonly #after: number[] = [];
  readonly #kept: number[] = [];
  #first = 0;

  /** The number of changes. */
  get length(): number {
    return this.#versions.length - this.#first;
  }

  /** The version of the latest change; 0 if there is none. */
  get lastVersion(): number {
    return this.length === 0 ? 0 : this.#versions.at(-1)!;
  }

  /**
   * Adds a change of a key.
   *
   * @param after The address after the change; 0 if the key was deleted.
   * @param kept What the table has kept.
   */
  add(space: MemorySpace, version: number, after: number, kept: number): void {
    this.#changed.push(space);
    this.#versions.push(version);
    this.#after.push(after);
    this.#kept.push(kept);
  }

  /** Adds a change of whole spaces. */
  addSpaceChange(change: SpaceChange, version: number): void {
    this.#changed.push(change);
    this.#versions.push(version);
    this.#after.push(0);
    this.#kept.push(0);
  }

  /** Writes the latest changes to the log, which gives each a version. */
  write(count: number, log: CommitLog): void {
    const { length } = this.#versions;
    for (let index = length - count; index < length; index++) {
      const changed = this.#changed[index]!;
      const version = log.nextVersion;
      if (changed instanceof MemorySpace) {
        changed.write(this.#versions[index]!, this.#after[index]!, this.#kept[index]!, version);
      } else {
        changed.write();
      }
      this.#versions[index] = version;
    }
  }

  /** Whether any of the latest changes sets a record. */
  hasPuts(count: number): boolean {
    for (let index = this.#after.length - count; index < this.#after.length; index++) {
      if (this.#after[index] !== 0) return true;
    }
    return false;
  }

  /** Undoes the latest changes, newest first. */
  undoLast(count: number): void {
    for (; count > 0; count--) this.#undoOne();
  }

  /**
   * Undoes changes after a version, newest first.
   *
   * @param limit The most changes to undo.
   * @returns Whether all are undone.
   */
  undoAfter(version: number, limit = Infinity): boolean {
    for (; this.length > 0 && this.#versions.at(-1)! > version; limit--) {
      if (limit === 0) return false;
      this.#undoOne();
    }
    return true;
  }

  /**
   * Drops changes up to a version, oldest first. They cannot be undone any more.
   *
   * @param options `limit`: the most changes to drop. `unwritten`: how many of the latest changes are
   * not in the log yet. They stay, since the versions they have are not final.
   * @returns Whether all are dropped.
   */
  release(version: number, { limit = Infinity, unwritten = 0 } = {}): boolean {
    const { length } = this.#versions;
    const end = length - unwritten;
    while (this.#first < end && this.#versions[this.#first]! <= version) {
      if (limit-- === 0) return false;
      const changed = this.#changed[this.#first]!;
      if (changed instanceof MemorySpace) changed.table.release(this.#kept[this.#first]!);
      this.#first++;
    }
    if (this.#first === length || this.#first >= Math.max(MIN_DROPPED, length / 2)) this.#drop();
    return true;
  }

  #undoOne(): void {
    const changed = this.#changed.pop()!;
    this.#versions.pop();
    const after = this.#after.pop()!;
    const kept = this.#kept.pop()!;
    if (changed instanceof MemorySpace) changed.table.undo(after, kept);
    else changed.undo();
  }

  #drop(): void {
    const first = this.#first;
    this.#first = 0;
    for (const list of [this.#changed, this.#versions, this.#after, this.#kept]) {
      if (first === list.length) list.length = 0;
      else list.splice(0, first);
    }
  }
}
