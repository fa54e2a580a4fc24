import assert from "node:assert/strict";
import fc from "fast-check";
import type { KeyOrder } from "../../../lib/storage/table/key_order.ts";
import { Table } from "../../../lib/storage/table/table.ts";
import { latin1From } from "../../../lib/storage/value.ts";
import { keyBytes } from "./model.ts";

/** A table that keeps its keys in order. */
class SortedTable {
  readonly table = new Table();
  #version = 0;

  constructor() {
    this.table.sortSome();
  }

  get order(): KeyOrder {
    return this.table.order!;
  }

  add(key: string): void {
    const bytes = keyBytes(key);
    this.table.put(bytes, 0, bytes.length, bytes, 0, 0, ++this.#version, 0, false);
  }

  delete(key: string): void {
    const address = this.table.find(keyBytes(key), 0, key.length);
    if (address !== 0) this.table.delete(address, ++this.#version, false);
  }

  keysFrom(from: string, options?: { after: boolean }): string[] {
    const position = this.order.seek(keyBytes(from), 0, from.length, options);
    const range = { bytes: new Uint8Array(0), start: 0, end: 0 };
    const keys: string[] = [];
    for (let at = this.order.next(position); at !== 0; at = this.order.next(position)) {
      this.table.records.locateKey(at, range);
      keys.push(latin1From(range.bytes, range.start, range.end));
    }
    return keys;
  }
}

Deno.test("KeyOrder: holds the remaining keys in order after any additions and deletions", () => {
  const step = fc.tuple(fc.boolean(), fc.string({ maxLength: 3, unit: "binary-ascii" }));
  const from = fc.string({ unit: "binary-ascii" });
  fc.assert(fc.property(fc.array(step, { maxLength: 400 }), from, (steps, from) => {
    const keys = new SortedTable();
    const model = new Set<string>();
    for (const [add, key] of steps) {
      if (add) {
        keys.add(key);
        model.add(key);
      } else {
        keys.delete(key);
        model.delete(key);
      }
    }
    const sorted = [...model].sort((a, b) => a < b ? -1 : 1);
    assert.equal(keys.order.size, model.size);
    assert.deepEqual(keys.keysFrom(""), sorted);
    assert.deepEqual(keys.keysFrom(from), sorted.filter((key) => key >= from));
    assert.deepEqual(keys.keysFrom(from, { after: true }), sorted.filter((key) => key > from));
  }));
});

Deno.test("KeyOrder: many keys stay in order while blocks split and merge", () => {
  const keys = new SortedTable();
  const all = Array.from({ length: 20_000 }, (_, i) => `${(i * 7919) % 20_000}`.padStart(5, "0"));
  for (const key of all) keys.add(key);
  assert.deepEqual(keys.keysFrom(""), [...all].sort());
  for (const key of all) if (!key.endsWith("7")) keys.delete(key);
  assert.deepEqual(keys.keysFrom(""), all.filter((key) => key.endsWith("7")).sort());
  for (const key of all) keys.delete(key);
  assert.equal(keys.order.size, 0);
  assert.deepEqual(keys.keysFrom(""), []);
});
