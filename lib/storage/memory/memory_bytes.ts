/**
 * The store in memory as ranges of bytes: what the busiest commands use.
 *
 * @module
 */

import type { ByteRange, ByteStore } from "../byte_store.ts";
import type { CommitLog } from "../commit_log.ts";
import type { KeySpace } from "./key_space.ts";
import type { MemorySpace } from "./memory_space.ts";
import { UnpreparedMemoryError } from "./prepared_memory.ts";

/** What it needs of the store. */
export interface MemoryBytesOptions {
  keys: KeySpace;
  log: CommitLog;
  /** Whether no operation has to wait. */
  ready(): boolean;
  /** Whether so many bytes can be added; may evict entries to make room. */
  hasRoom(bytes: number): boolean;
  /** Writes the latest change to the log. */
  commit(): void;
}

/** Operations on the tables of a key space. */
export class MemoryBytes implements ByteStore {
  readonly value: ByteRange = { bytes: new Uint8Array(0), start: 0, end: 0 };
  stable = false;
  expiresAtMs = 0;
  seen = 0;
  readonly #keys: KeySpace;
  readonly #log: CommitLog;
  readonly #durable: boolean;
  readonly #options: MemoryBytesOptions;

  constructor(options: MemoryBytesOptions) {
    this.#options = options;
    this.#keys = options.keys;
    this.#log = options.log;
    this.#durable = options.log.durable;
  }

  get ready(): boolean {
    return this.#options.ready() && this.#log.putProblem() === undefined;
  }

  hasRoom(bytes: number): boolean {
    return this.#options.hasRoom(bytes);
  }

  get(number: number, bytes: Uint8Array, start: number, end: number): boolean {
    const space = this.#keys.space(number);
    const address = this.#look(space, bytes, start, end);
    if (address === 0) return false;
    this.#keys.touch(space, address);
    space.table.records.locateValue(address, this.value);
    this.expiresAtMs = space.table.expiry.expiryOf(address);
    this.stable = address < 0;
    space.table.lend(address);
    return true;
  }

  length(number: number, bytes: Uint8Array, start: number, end: number): number {
    const space = this.#keys.space(number);
    const address = this.#look(space, bytes, start, end);
    return address === 0 ? -1 : space.table.records.valueLength(address);
  }

  put(
    number: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    source: Uint8Array,
    from: number,
    to: number,
    expiresAtMs: number,
  ): void {
    const space = this.#keys.space(number);
    this.#keys.putRange(space, bytes, start, end, source, from, to, expiresAtMs, this.#durable);
    if (this.#durable) this.#commit();
  }

  delete(number: number, bytes: Uint8Array, start: number, end: number): boolean {
    const space = this.#keys.space(number);
    const address = this.#look(space, bytes, start, end);
    if (address === 0) return false;
    this.#keys.remove(space, address, this.#durable);
    if (this.#durable) this.#commit();
    return true;
  }

  expire(
    number: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    expiresAtMs: number,
  ): boolean {
    const space = this.#keys.space(number);
    const address = this.#look(space, bytes, start, end);
    if (address === 0) return false;
    this.#keys.expire(space, address, expiresAtMs, this.#durable);
    if (this.#durable) this.#commit();
    return true;
  }

  write(
    number: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    offset: number,
    source: Uint8Array,
    from: number,
    to: number,
  ): boolean {
    const space = this.#keys.space(number);
    const address = this.#look(space, bytes, start, end);
    if (address === 0) return false;
    try {
      this.#keys.overwrite(space, address, offset, source, from, to, this.#durable);
    } catch (error) {
      if (error instanceof UnpreparedMemoryError) return false;
      throw error;
    }
    if (this.#durable) this.#commit();
    return true;
  }

  flushed(seen: number): Promise<void> {
    return this.#log.flushed(seen);
  }

  /** The address of an entry that has not expired, or 0; notes what the answer depends on. */
  #look(space: MemorySpace, bytes: Uint8Array, start: number, end: number): number {
    const { table, movedIn, deletedIn } = space;
    const address = table.find(bytes, start, end);
    if (this.#durable) {
      const version = address === 0 ? deletedIn : table.records.version(address);
      const seen = movedIn > version ? movedIn : version;
      if (seen > this.seen && seen > this.#log.committedVersion) this.seen = seen;
    }
    if (address === 0) return 0;
    const expiresAtMs = table.expiry.expiryOf(address);
    return expiresAtMs !== 0 && expiresAtMs <= Date.now() ? 0 : address;
  }

  #commit(): void {
    this.#options.commit();
    this.seen = this.#keys.undo.lastVersion;
  }
}
