/**
 * A store whose caller never learns that the storage failed: a refused call is repeated.
 *
 * @module
 */

import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import {
  type Entry,
  type Key,
  type MaybePromise,
  type Place,
  type ScanRange,
  type SpaceTransaction,
  StorageUnavailableError,
  type Store,
  type StoreMetrics,
  type Transaction,
} from "../../lib/storage/store.ts";
import { type Value, valueBytes } from "../../lib/storage/value.ts";

/** The number of spaces that are compared. */
const SPACES = 4;

/** What must be in a store: every acknowledged change and no other. */
export class AcknowledgedState {
  #spaces = Array.from({ length: SPACES }, () => new Map<Key, Summary>());

  /** Applies the effects of a call. */
  apply(effects: readonly Effect[]): void {
    const spaces = this.#spaces;
    for (const effect of effects) {
      const space = spaces[effect.space]!;
      if (effect.kind === "put") space.set(effect.key, effect.summary);
      else if (effect.kind === "delete") space.delete(effect.key);
      else if (effect.kind === "clear") spaces[effect.space] = new Map();
      else [spaces[effect.space], spaces[effect.other]] = [spaces[effect.other]!, space];
    }
  }

  /** Compares it with a store to which nothing is being written. */
  async assertIn(store: Store, when: string): Promise<void> {
    for (const [number, space] of this.#spaces.entries()) {
      const page = await store.scan(number, { limit: 100_000 });
      const nowMs = Date.now();
      const unexpired = ([, { expiresAtMs }]: [Key, { expiresAtMs: number }]) =>
        expiresAtMs === 0 || expiresAtMs > nowMs;
      const found = page.filter(unexpired).map(([key, { value, expiresAtMs }]) =>
        [key, summaryOf(value, expiresAtMs)] as const
      );
      const expected = [...space].filter(unexpired).sort(([a], [b]) => a < b ? -1 : 1);
      assert.deepEqual(found, expected, `space ${number} ${when}`);
    }
  }
}

/** An entry without its bytes. */
interface Summary {
  length: number;
  crc: number;
  expiresAtMs: number;
}

/** A change that a call makes. */
type Effect =
  | { kind: "put"; space: number; key: Key; summary: Summary }
  | { kind: "delete"; space: number; key: Key }
  | { kind: "clear"; space: number }
  | { kind: "swap"; space: number; other: number };

/** A call that has not settled yet, or whose effects are not in the state yet. */
interface Call {
  /** When it took effect, compared with other calls. */
  order: number;
  effects: Effect[];
}

/**
 * Repeats the calls of a store that fail with {@linkcode StorageUnavailableError}. Before that it
 * lets all other calls end, and checks that the store has exactly the acknowledged changes: a
 * refused call must have had no effect.
 */
export class RepeatingStore implements Store {
  readonly maxKeyBytes: number;
  /** How many calls were refused. */
  refusals = 0;
  readonly #store: Store;
  readonly #data: { readonly state: AcknowledgedState; readonly injected: number };
  readonly #running = new Set<Call>();
  #done: Call[] = [];
  #orders = 0;
  #checking: Promise<void> | undefined;
  #quiet: (() => void) | undefined;

  /** @param data What must be in the store, and how many failures were simulated so far. */
  constructor(
    store: Store,
    data: { readonly state: AcknowledgedState; readonly injected: number },
  ) {
    this.#store = store;
    this.#data = data;
    this.maxKeyBytes = store.maxKeyBytes;
  }

  get(space: number, key: Key): Promise<Entry | undefined> {
    return this.#call(() => this.#store.get(space, key));
  }

  put(space: number, key: Key, value: Value, expiresAtMs: number): Promise<void> {
    return this.#call((call) => {
      this.#begin(call).push(putOf(space, key, value, expiresAtMs));
      return this.#store.put(space, key, value, expiresAtMs);
    });
  }

  transact<T>(
    places: readonly Place[],
    run: (transaction: Transaction) => T,
    options?: { blind?: boolean; readOnly?: boolean },
  ): Promise<T> {
    return this.#call((call) =>
      this.#store.transact(places, (tx) => {
        const effects = this.#begin(call);
        return run({
          nowMs: tx.nowMs,
          get: (space, key) => tx.get(space, key),
          put: (space, key, value, expiresAtMs) => {
            tx.put(space, key, value, expiresAtMs);
            effects.push(putOf(space, key, value, expiresAtMs));
          },
          delete: (space, key) => {
            effects.push({ kind: "delete", space, key });
            return tx.delete(space, key);
          },
        });
      }, options)
    );
  }

  transactSpaces<T>(
    run: (transaction: SpaceTransaction) => Promise<T>,
    options?: { readOnly?: boolean },
  ): Promise<T> {
    return this.#call((call) =>
      this.#store.transactSpaces((tx) => {
        const effects = this.#begin(call);
        return run({
          nowMs: tx.nowMs,
          get: (space, key) => tx.get(space, key),
          put: (space, key, value, expiresAtMs) => {
            effects.push(putOf(space, key, value, expiresAtMs));
            return tx.put(space, key, value, expiresAtMs);
          },
          delete: (space, key) => {
            effects.push({ kind: "delete", space, key });
            return tx.delete(space, key);
          },
          count: (space) => tx.count(space),
          scan: (space, range) => tx.scan(space, range),
          randomKey: (space) => tx.randomKey(space),
          clear: (space) => {
            effects.push({ kind: "clear", space });
            return tx.clear(space);
          },
          swap: (space, other) => {
            effects.push({ kind: "swap", space, other });
            return tx.swap(space, other);
          },
        });
      }, options)
    );
  }

  scan(space: number, range: ScanRange): Promise<[Key, Entry][]> {
    return this.#call(() => this.#store.scan(space, range));
  }

  problem(): string | undefined {
    return this.#store.problem();
  }

  /** The failures that were simulated are left out. */
  metrics(): StoreMetrics {
    const metrics = this.#store.metrics();
    return {
      ...metrics,
      commitFailures: Math.max(0, metrics.commitFailures - this.#data.injected),
    };
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** Starts the effects of a call anew: its function may run more than once. */
  #begin(call: Call): Effect[] {
    call.order = this.#orders++;
    return call.effects = [];
  }

  async #call<T>(run: (call: Call) => MaybePromise<T>): Promise<T> {
    for (;;) {
      while (this.#checking !== undefined) await this.#checking;
      const call: Call = { order: 0, effects: [] };
      this.#running.add(call);
      try {
        const result = await run(call);
        this.#done.push(call);
        return result;
      } catch (error) {
        if (!(error instanceof StorageUnavailableError)) throw error;
        this.refusals++;
        this.#checking ??= this.#check();
      } finally {
        this.#running.delete(call);
        if (this.#running.size === 0) this.#settle();
      }
    }
  }

  /** Lets all calls end, then compares the store with what must be in it. */
  async #check(): Promise<void> {
    try {
      await new Promise<void>((resolve) => this.#quiet = resolve);
      await this.#data.state.assertIn(this.#store, `after refusal ${this.refusals}`);
    } finally {
      this.#checking = undefined;
    }
  }

  #settle(): void {
    this.#done.sort((a, b) => a.order - b.order);
    for (const { effects } of this.#done.splice(0)) this.#data.state.apply(effects);
    this.#quiet?.();
  }
}

function putOf(space: number, key: Key, value: Value, expiresAtMs: number): Effect {
  return { kind: "put", space, key, summary: summaryOf(value, expiresAtMs) };
}

function summaryOf(value: Value, expiresAtMs: number): Summary {
  return { length: value.length, crc: crc32(valueBytes(value)), expiresAtMs };
}
