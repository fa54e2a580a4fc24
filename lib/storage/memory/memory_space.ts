/**
 * A space of the store in memory: its entries, those that expire and, from the first ordered read
 * on, their order.
 *
 * @module
 */

import type { LogTable } from "../commit_log.ts";
import { ExpiryHeap } from "./expiry_heap.ts";
import { SortedKeys } from "./sorted_keys.ts";
import type { SpaceOwner } from "./space_owner.ts";
import type { Entry, Key } from "../store.ts";
import type { Value } from "../value.ts";

/** Keys to sort before yielding to the event loop. */
const INDEX_STEP_KEYS = 2_000;

/** An entry in memory. Once in a space, only its bookkeeping changes. */
export class Item implements Entry {
  readonly value: Value;
  readonly version: number;
  readonly expiresAtMs: number;
  /** The length of the value; a copy, so that replacing the value need not touch it. */
  readonly valueBytes: number;
  /** The version of the change that makes it durable. */
  group: number;
  heapIndex = -1;

  constructor(value: Value, version: number, expiresAtMs: number, group: number) {
    this.value = value;
    this.valueBytes = value.length;
    this.version = version;
    this.expiresAtMs = expiresAtMs;
    this.group = group;
  }

  /** Whether the entry has expired. */
  expired(nowMs: number): boolean {
    return this.expiresAtMs !== 0 && this.expiresAtMs <= nowMs;
  }
}

/** A space in memory. */
export class MemorySpace {
  readonly items = new Map<Key, Item>();
  readonly expiry = new ExpiryHeap<Item>();
  /** The table with its records in the commit log. */
  table: LogTable | undefined;
  /** Hands its records to the commit log, if that keeps any. */
  owner: SpaceOwner<MemorySpace> | undefined;
  /** Bytes of its keys and values. */
  bytes = 0;
  /** The version of the latest removal. A read that finds no entry waits for it. */
  deletedIn = 0;
  /** The version that moved the space to its number. Every read waits for it. */
  movedIn = 0;
  #order: SortedKeys | undefined;
  #ordered = false;
  #ordering: Promise<void> | undefined;

  /** Replaces an item by another one; `undefined` stands for none. */
  replace(key: Key, before: Item | undefined, after: Item | undefined): void {
    if (after !== undefined) {
      this.items.set(key, after);
      this.bytes += after.valueBytes;
      if (before === undefined) {
        this.bytes += key.length;
        this.#order?.add(key);
        this.owner?.add(key);
      }
    } else if (before !== undefined) {
      this.items.delete(key);
      this.bytes -= key.length;
      this.#order?.delete(key);
      this.owner?.remove(key);
    }
    if (before !== undefined) {
      this.bytes -= before.valueBytes;
      if (before.heapIndex !== -1) this.expiry.remove(before);
    }
    if (after !== undefined && after.expiresAtMs !== 0) this.expiry.add(key, after);
  }

  /** The keys in order; `undefined` until {@linkcode MemorySpace.sort} has finished. */
  get order(): SortedKeys | undefined {
    if (!this.#ordered && this.#order === undefined && this.items.size <= INDEX_STEP_KEYS) {
      this.#order = new SortedKeys();
      for (const key of this.items.keys()) this.#order.add(key);
      this.#ordered = true;
    }
    return this.#ordered ? this.#order : undefined;
  }

  /**
   * Sorts the keys, in small steps so that other work goes on, and keeps them sorted from then on.
   * A space that is never read in order never pays for one.
   */
  sort(): Promise<void> {
    return this.#ordering ??= this.#sort();
  }

  async #sort(): Promise<void> {
    const order = this.#order = new SortedKeys();
    let left = INDEX_STEP_KEYS;
    // The iterator visits keys added meanwhile, and `replace` maintains those already visited.
    for (const key of this.items.keys()) {
      order.add(key);
      if (--left === 0) {
        left = INDEX_STEP_KEYS;
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
    this.#ordered = true;
  }
}
