/**
 * A table beside a `Map` that is changed in the same way, and a check that compares them and looks at
 * every invariant.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Range, RecordState } from "../../../lib/storage/table/records.ts";
import { Table } from "../../../lib/storage/table/table.ts";

/** What the map knows of a key. */
export interface ModelEntry {
  value: Uint8Array;
  version: number;
  expiresAtMs: number;
}

/** A change that can still be undone. */
interface Change {
  after: number;
  kept: number;
  key: string;
  before: ModelEntry | undefined;
}

/** The bytes of a key, one per character. */
export function keyBytes(key: string): Uint8Array {
  return Uint8Array.from(key, (character) => character.charCodeAt(0));
}

/** Random numbers that a seed determines (xorshift). */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** A table and its model. */
export class Model {
  readonly map = new Map<string, ModelEntry>();
  readonly changes: Change[] = [];
  table: Table;
  version = 0;

  constructor(table = new Table()) {
    this.table = table;
  }

  find(key: string): number {
    const bytes = keyBytes(`<${key}>`);
    return this.table.find(bytes, 1, bytes.length - 1);
  }

  put(key: string, value: Uint8Array, expiresAtMs: number, undoable: boolean): void {
    const bytes = keyBytes(key);
    const version = ++this.version;
    const after = this.table.put(
      bytes,
      0,
      bytes.length,
      value,
      0,
      value.length,
      version,
      expiresAtMs,
      undoable,
    );
    this.#changed(key, after, undoable, { value, version, expiresAtMs });
  }

  write(key: string, offset: number, bytes: Uint8Array, undoable: boolean): void {
    const before = this.map.get(key);
    if (before === undefined) return;
    const version = ++this.version;
    const value = new Uint8Array(Math.max(before.value.length, offset + bytes.length));
    value.set(before.value);
    value.set(bytes, offset);
    const address = this.find(key);
    const after = this.table.write(address, offset, bytes, 0, bytes.length, version, undoable);
    this.#changed(key, after, undoable, { ...before, value, version });
  }

  expire(key: string, expiresAtMs: number, undoable: boolean): void {
    const before = this.map.get(key);
    if (before === undefined) return;
    const version = ++this.version;
    const address = this.find(key);
    this.table.expire(address, expiresAtMs, version, undoable);
    this.#changed(key, address, undoable, { ...before, version, expiresAtMs });
  }

  delete(key: string, undoable: boolean): void {
    if (!this.map.has(key)) return assert.equal(this.find(key), 0);
    this.table.delete(this.find(key), ++this.version, undoable);
    this.#changed(key, 0, undoable, undefined);
  }

  /** Undoes the latest changes. */
  undo(count: number): void {
    for (; count > 0 && this.changes.length > 0; count--) {
      const { after, kept, key, before } = this.changes.pop()!;
      this.table.undo(after, kept);
      this.#set(key, before);
    }
  }

  /** Gives up the possibility to undo the oldest changes. */
  release(count: number): void {
    for (const { kept } of this.changes.splice(0, count)) this.table.release(kept);
  }

  /** Compares the table with the map, and checks its invariants. */
  check(): void {
    const { table, map } = this;
    const { records, expiry } = table;
    const range: Range = { bytes: new Uint8Array(0), start: 0, end: 0 };
    assert.equal(table.size, map.size);
    let bytes = 0;
    let expiring = 0;
    let nextMs = Infinity;
    const addresses = new Set<number>();
    for (const [key, { value, version, expiresAtMs }] of map) {
      const address = this.find(key);
      assert.ok(address !== 0, `key ${key} is missing`);
      addresses.add(address);
      assert.equal(records.state(address), RecordState.live);
      records.locateValue(address, range);
      assert.equal(range.end - range.start, value.length);
      for (let index = 0; index < value.length; index += value.length > 999 ? 97 : 1) {
        if (range.bytes[range.start + index] !== value[index]) assert.fail(`byte ${index}`);
      }
      assert.equal(records.version(address), version);
      assert.equal(expiry.expiryOf(address), expiresAtMs);
      bytes += key.length + value.length;
      if (expiresAtMs !== 0) {
        expiring++;
        nextMs = Math.min(nextMs, expiresAtMs);
      }
    }
    assert.equal(addresses.size, map.size, "two keys share a record");
    assert.equal(table.bytes, bytes);
    assert.equal(expiry.size, expiring);
    assert.equal(expiry.nextMs, nextMs);
    if (map.size > 0) assert.ok(addresses.has(table.random()));
    const visited: number[] = [];
    const cursor = table.cursor();
    while (!cursor.collect(visited, 100));
    assert.equal(visited.length, map.size);
    assert.ok(visited.every((address) => addresses.has(address)));
    this.#checkMemory();
    this.#checkOrder();
  }

  /** Whether exactly the slots of live records and of those kept for undo are in use. */
  #checkMemory(): void {
    const { memory, records } = this.table;
    let used = 0;
    for (let number = 1; number < memory.slabs.limit; number++) {
      const slab = memory.slabs.slabs[number];
      if (slab === undefined) continue;
      let usedHere = 0;
      for (let slot = 0; slot < slab.top; slot++) {
        if (records.state(memory.addressOf(number, slot)) !== RecordState.free) usedHere++;
      }
      assert.equal(slab.used, usedHere);
      assert.equal(slab.openIndex === -1, slab.full);
      used += usedHere;
    }
    used += memory.large.slabs.filter((slab) => slab !== undefined).length;
    const kept = this.changes.filter((change) => change.kept !== 0).length;
    assert.equal(used, this.map.size + kept);
  }

  #checkOrder(): void {
    const { order, records } = this.table;
    if (order === undefined) return;
    assert.equal(order.size, this.map.size);
    const position = order.seek(new Uint8Array(0), 0, 0);
    for (const key of [...this.map.keys()].sort((a, b) => a < b ? -1 : 1)) {
      const address = order.next(position);
      assert.ok(address !== 0 && records.hasKey(address, keyBytes(key), 0, key.length));
      assert.equal(address, this.find(key));
    }
    assert.equal(order.next(position), 0);
  }

  #changed(key: string, after: number, undoable: boolean, entry: ModelEntry | undefined): void {
    if (undoable) {
      this.changes.push({ after, kept: this.table.kept, key, before: this.map.get(key) });
    }
    this.#set(key, entry);
  }

  #set(key: string, entry: ModelEntry | undefined): void {
    if (entry === undefined) this.map.delete(key);
    else this.map.set(key, entry);
  }
}
