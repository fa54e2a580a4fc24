/**
 * A store in memory with a model beside it, for tests that stop, damage and reopen its files.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { createLog } from "../../../lib/log.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import { SqliteLog, type SqliteLogOptions } from "../../../lib/storage/sqlite/sqlite_log.ts";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { latin1From, valueBytes } from "../../../lib/storage/value.ts";

/** The number of spaces. */
const SPACES = 2;

/** An expiry that no test reaches. */
const LATER_MS = Date.UTC(2100);

const quiet = createLog("test", { level: "error", format: "text", sink: () => {} });

/** Random numbers from 0 to less than `below`, the same ones for the same seed. */
export type Random = (below: number) => number;

/** Creates random numbers. */
export function randomFrom(seed: number): Random {
  return (below) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >>> 8) % below;
  };
}

/** Opens a store on a file. */
export async function openStore(
  path: string,
  options: Partial<SqliteLogOptions> = {},
): Promise<{ log: SqliteLog; store: MemoryStore } & AsyncDisposable> {
  const log = await SqliteLog.open(path, { log: quiet, reserveBytes: 0, ...options });
  try {
    const store = await MemoryStore.open(log, { spaces: SPACES });
    const close = async () => {
      await store.close();
      await log.close();
    };
    return { log, store, [Symbol.asyncDispose]: close };
  } catch (error) {
    await log.close();
    throw error;
  }
}

/** All entries of a store as a text: keys, lengths and checksums of values, times of expiry. */
export async function stateOf(store: MemoryStore): Promise<string> {
  const spaces: string[] = [];
  for (let space = 0; space < SPACES; space++) {
    const page = await store.scan(space, { limit: 10_000 });
    spaces.push(
      page.map(([key, { value, expiresAtMs }]) => line(key, valueBytes(value), expiresAtMs))
        .join("\n"),
    );
  }
  return spaces.join("\n--\n");
}

function line(key: string, value: Uint8Array, expiresAtMs: number): string {
  return `${key} ${value.length} ${crc32(value)} ${expiresAtMs}`;
}

/** What must be in a store after the operations on it. */
export class StoreModel {
  #spaces = Array.from({ length: SPACES }, () => new Map<string, Modelled>());
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The text that {@linkcode stateOf} gives for a store with the same entries. */
  state(): string {
    return this.#spaces.map((space) =>
      [...space].sort(([a], [b]) => a < b ? -1 : 1)
        .map(([key, { value, expiresAtMs }]) => line(key, value, expiresAtMs)).join("\n")
    ).join("\n--\n");
  }

  /**
   * Does some random operations in a store and in the model, all of them in one commit group.
   * Resolves when they are durable, rejects if they have failed; the model has them in any case.
   */
  async step(store: MemoryStore): Promise<void> {
    const kind = this.#random(24);
    if (kind === 0) {
      this.#spaces.reverse();
      return await store.transactSpaces((tx) => tx.swap(0, 1));
    }
    if (kind === 1) {
      const space = this.#random(SPACES);
      this.#spaces[space] = new Map();
      return await store.transactSpaces((tx) => tx.clear(space));
    }
    const results: unknown[] = [];
    for (let count = this.#random(4); count >= 0; count--) results.push(this.#operate(store));
    const failed = (await Promise.allSettled(results)).find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
  }

  /**
   * As {@linkcode StoreModel.step}, but if the storage fails, the model has none of the operations.
   *
   * @returns Whether they are durable.
   */
  async attempt(store: MemoryStore): Promise<boolean> {
    const before = this.#spaces.map((space) => new Map(space));
    try {
      await this.step(store);
      return true;
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error;
      this.#spaces = before;
      return false;
    }
  }

  #operate(store: MemoryStore): unknown {
    const random = this.#random;
    const number = random(SPACES);
    const space = this.#spaces[number]!;
    const key = this.#key();
    const old = space.get(key);
    switch (random(10)) {
      case 0:
      case 1:
        space.delete(key);
        return store.transact([{ space: number, key }], (tx) => tx.delete(number, key));
      case 2: {
        const to = this.#key();
        if (old !== undefined) {
          space.delete(key);
          space.set(to, old);
        }
        return store.transact([{ space: number, key }, { space: number, key: to }], (tx) => {
          const entry = tx.get(number, key);
          if (entry === undefined) return;
          tx.delete(number, key);
          tx.put(number, to, entry.value, entry.expiresAtMs);
        });
      }
      case 3:
      case 4: {
        // Appends, or overwrites a part.
        const tail = this.#value(300);
        const length = old?.value.length ?? 0;
        const offset = random(2) === 0 ? length : random(length + 1);
        if (old !== undefined) {
          const value = new Uint8Array(Math.max(length, offset + tail.length));
          value.set(old.value);
          value.set(tail, offset);
          space.set(key, { ...old, value });
        }
        const name = new TextEncoder().encode(key);
        store.bytes.seen = 0;
        store.bytes.write(number, name, 0, name.length, offset, tail, 0, tail.length);
        return store.bytes.seen === 0 ? undefined : store.bytes.flushed(store.bytes.seen);
      }
      case 5: {
        const expiresAtMs = old?.expiresAtMs === 0 ? LATER_MS : 0;
        if (old !== undefined) space.set(key, { ...old, expiresAtMs });
        const name = new TextEncoder().encode(key);
        store.bytes.seen = 0;
        store.bytes.expire(number, name, 0, name.length, expiresAtMs);
        return store.bytes.seen === 0 ? undefined : store.bytes.flushed(store.bytes.seen);
      }
      case 6:
        // It has expired already, and the store removes it at some time.
        space.delete(key);
        return store.put(number, key, this.#value(2_000), 1);
      default: {
        const value = this.#value([100, 1_000, 5_000, 20_000, 200_000][random(5)]!);
        const expiresAtMs = random(4) === 0 ? LATER_MS : 0;
        space.set(key, { value, expiresAtMs });
        const given = random(2) === 0 ? value : latin1From(value, 0, value.length);
        return store.put(number, key, given, expiresAtMs);
      }
    }
  }

  #key(): string {
    return `key ${this.#random(40)}`;
  }

  /** A value of random length and bytes. */
  #value(below: number): Uint8Array<ArrayBuffer> {
    const value = new Uint8Array(this.#random(below)).fill(this.#random(256));
    for (let at = 0; at < value.length; at += 97) value[at] = this.#random(256);
    return value;
  }
}

/** An entry of the model. */
interface Modelled {
  value: Uint8Array<ArrayBuffer>;
  expiresAtMs: number;
}
