/**
 * Transactions that record their changes.
 *
 * @module
 */

import type {
  Entry,
  Key,
  KeyCount,
  ScanRange,
  SpaceTransaction,
  Transaction,
} from "../../storage/store.ts";
import type { Value } from "../../storage/value.ts";
import type { Labelled, Misses } from "./change.ts";
import type { FeedEntry, Wishes } from "./change_feed.ts";

/** What a recording transaction needs besides the transaction itself. */
export interface RecordingOptions {
  /** Where the changes are recorded. */
  into: FeedEntry;
  wishes: Wishes;
  /** See `Store.transact`. */
  blind?: boolean;
}

/** A transaction over keys. It has no `length` and `write`: every change is a `put` or a `delete`. */
export class ObservedTransaction implements Transaction, Labelled {
  command: string | undefined;
  misses: Misses = false;
  readonly #tx: Transaction;
  readonly #options: RecordingOptions;

  constructor(tx: Transaction, options: RecordingOptions) {
    this.#tx = tx;
    this.#options = options;
  }

  get nowMs(): number {
    return this.#tx.nowMs;
  }

  get(space: number, key: Key): Entry | undefined {
    const entry = this.#tx.get(space, key);
    const { wishes, into } = this.#options;
    if (entry === undefined && wishes.misses && this.misses) {
      into.changes.push({ kind: "missed", place: { space, key } });
    }
    if (this.misses === "first") this.misses = false;
    return entry;
  }

  put(space: number, key: Key, value: Value, expiresAtMs: number): void {
    const { into: { changes }, blind = false } = this.#options;
    const place = { space, key };
    const before = blind ? undefined : this.#tx.get(space, key);
    const hasExpired = before === undefined && this.#tx.hasExpired?.(space, key) === true;
    this.#tx.put(space, key, value, expiresAtMs);
    // The store had no occasion to remove it.
    if (hasExpired) changes.push({ kind: "expired", place });
    changes.push({
      kind: "put",
      place,
      value,
      expiresAtMs,
      beforeMs: before?.expiresAtMs,
      isNew: !blind && before === undefined,
      command: this.command,
    });
  }

  delete(space: number, key: Key): boolean {
    const existed = this.#tx.delete(space, key);
    if (existed) {
      const { changes } = this.#options.into;
      changes.push({ kind: "delete", place: { space, key }, command: this.command });
    }
    return existed;
  }
}

/** A transaction over whole spaces. */
export class ObservedSpaceTransaction implements SpaceTransaction, Labelled {
  command: string | undefined;
  misses: Misses = false;
  readonly #tx: SpaceTransaction;
  readonly #into: FeedEntry;

  constructor(tx: SpaceTransaction, into: FeedEntry) {
    this.#tx = tx;
    this.#into = into;
  }

  get nowMs(): number {
    return this.#tx.nowMs;
  }

  get(space: number, key: Key): Promise<Entry | undefined> {
    return this.#tx.get(space, key);
  }

  async put(space: number, key: Key, value: Value, expiresAtMs: number): Promise<void> {
    // Other commands must not change it meanwhile.
    const { command } = this;
    const before = await this.#tx.get(space, key);
    await this.#tx.put(space, key, value, expiresAtMs);
    this.#into.changes.push({
      kind: "put",
      place: { space, key },
      value,
      expiresAtMs,
      beforeMs: before?.expiresAtMs,
      isNew: before === undefined,
      command,
    });
  }

  async delete(space: number, key: Key): Promise<boolean> {
    const { command } = this;
    const existed = await this.#tx.delete(space, key);
    if (existed) this.#into.changes.push({ kind: "delete", place: { space, key }, command });
    return existed;
  }

  count(space: number): Promise<KeyCount> {
    return this.#tx.count(space);
  }

  scan(space: number, range: ScanRange): Promise<[Key, Entry][]> {
    return this.#tx.scan(space, range);
  }

  randomKey(space: number): Promise<Key | undefined> {
    return this.#tx.randomKey(space);
  }

  async clear(space: number): Promise<void> {
    await this.#tx.clear(space);
    this.#into.changes.push({ kind: "cleared", space });
  }

  async swap(a: number, b: number): Promise<void> {
    await this.#tx.swap(a, b);
    if (a !== b) this.#into.changes.push({ kind: "swapped", a, b });
  }
}
