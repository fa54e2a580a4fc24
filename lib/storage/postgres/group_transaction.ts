/**
 * The transaction of a group of operations: their functions run one after another on the same
 * entries, and each sees the changes of those before it.
 *
 * @module
 */

import type { Row } from "./rows.ts";
import type { Entry, Key, Place, Transaction } from "../store.ts";
import type { Value } from "../value.ts";

/** The entry at a place. */
interface Slot extends Place {
  entry: Entry | undefined;
  changed: boolean;
}

/** A transaction over entries read in advance. */
export class GroupTransaction implements Transaction {
  readonly nowMs: number;
  readonly #nextVersion: () => number;
  readonly #slots = new Map<string, Slot>();
  /** The original slots that the current function has changed. */
  #undo = new Map<string, Slot>();

  constructor(nowMs: number, nextVersion: () => number) {
    this.nowMs = nowMs;
    this.#nextVersion = nextVersion;
  }

  /** Adds an entry that was read. */
  add({ space, key }: Place, entry: Entry | undefined): void {
    this.#slots.set(`${space}:${key}`, { space, key, entry, changed: false });
  }

  /** Runs a function; if it throws, undoes its changes. */
  attempt<T>(run: () => T): T {
    this.#undo.clear();
    try {
      return run();
    } catch (error) {
      for (const [name, slot] of this.#undo) this.#slots.set(name, slot);
      throw error;
    }
  }

  /** The rows to write, in no particular order. */
  changed(): Row[] {
    const rows: Row[] = [];
    for (const { space, key, entry, changed } of this.#slots.values()) {
      if (!changed) continue;
      rows.push({
        space,
        key,
        value: entry?.value,
        expiresAtMs: entry?.expiresAtMs ?? 0,
        version: entry === undefined ? this.#nextVersion() : Number(entry.version),
      });
    }
    return rows;
  }

  get(space: number, key: Key): Entry | undefined {
    const { entry } = this.#slot(space, key);
    if (entry === undefined) return undefined;
    return entry.expiresAtMs !== 0 && entry.expiresAtMs <= this.nowMs ? undefined : entry;
  }

  put(space: number, key: Key, value: Value, expiresAtMs: number): void {
    this.#set(space, key, { value, expiresAtMs, version: this.#nextVersion() });
  }

  delete(space: number, key: Key): boolean {
    if (this.get(space, key) === undefined) return false;
    this.#set(space, key, undefined);
    return true;
  }

  #set(space: number, key: Key, entry: Entry | undefined): void {
    const name = `${space}:${key}`;
    const before = this.#slot(space, key);
    if (!this.#undo.has(name)) this.#undo.set(name, before);
    this.#slots.set(name, { space, key, entry, changed: true });
  }

  #slot(space: number, key: Key): Slot {
    const slot = this.#slots.get(`${space}:${key}`);
    if (slot !== undefined) return slot;
    throw new RangeError(`Cannot use the key "${key}": the transaction has not named it`);
  }
}
