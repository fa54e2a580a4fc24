import assert from "node:assert/strict";
import { Table } from "../../../lib/storage/table/table.ts";
import { TableFullError } from "../../../lib/storage/table/record_memory.ts";
import { keyBytes, Model, randomNumbers } from "./model.ts";

/** Set it to multiply the number of random operations. */
const FACTOR = Number(Deno.env.get("QUARTET_TEST_FACTOR") ?? 1);

/** What a test does to a table. */
interface Load {
  name: string;
  operations: number;
  keys: number;
  /** The length of a value. */
  length(random: (below: number) => number): number;
  /** Whether half of the changes can be undone; or else none can. */
  undoable: boolean;
  /** Operations between checks. */
  check: number;
}

/** Makes random changes to a table and its map, and compares them again and again. */
function changeAtRandom({ operations, keys, length, undoable, check }: Load, seed: number): void {
  const random = randomNumbers(seed);
  const model = new Model();
  const pool = crypto.getRandomValues(new Uint8Array(65_536));
  let growing = true;
  const value = () => {
    const bytes = length(random);
    if (bytes > 32_768) {
      const long = new Uint8Array(bytes);
      long.set(pool.subarray(0, Math.min(bytes, pool.length)));
      return long;
    }
    const start = random(32_768);
    return pool.slice(start, start + bytes);
  };
  for (let operation = 0; operation < operations; operation++) {
    const number = random(keys);
    const key = number % 17 === 0 ? `${number}`.repeat(1 + number % 90) : `${number}`;
    const undo = undoable && random(2) === 0;
    // Changes without undo come only when no others are pending, as in a store without a log.
    if (!undo && undoable) model.release(model.changes.length);
    const kind = random(100);
    if (kind < (growing ? 50 : 20)) {
      model.put(key, value(), random(3) === 0 ? 1 + random(1000) : 0, undo);
    } else if (kind < 60) {
      model.delete(key, undo);
    } else if (kind < 75) {
      const at = random(2) === 0 ? model.map.get(key)?.value.length ?? 0 : random(300);
      model.write(key, at, value(), undo);
    } else if (kind < 85) {
      model.expire(key, random(2) === 0 ? 0 : 1 + random(1000), undo);
    } else if (kind < 90) {
      model.undo(random(12));
    } else if (kind < 92) {
      model.release(random(12));
    } else if (kind < 94 && random(100) === 0) {
      model.table.lend(model.find(key));
    } else if (kind < 96 && operation > operations / 4) {
      model.table.sortSome();
    }
    if (operation % (keys * 20) === keys * 20 - 1) growing = !growing;
    if (operation % check === 0) model.check();
  }
  model.undo(Infinity);
  model.check();
  for (const key of [...model.map.keys()]) model.delete(key, false);
  model.check();
  assert.equal(model.table.bytes, 0);
}

const LOADS: Load[] = [
  {
    name: "few keys with short values",
    operations: 700_000,
    keys: 12,
    length: (random) => random(40),
    undoable: true,
    check: 100,
  },
  {
    name: "few keys, no undo",
    operations: 700_000,
    keys: 20,
    length: (random) => random(10) === 0 ? random(2000) : random(100),
    undoable: false,
    check: 100,
  },
  {
    name: "values of all sizes",
    operations: 40_000,
    keys: 30,
    length: (random) => random(1 << (1 + random(18))),
    undoable: true,
    check: 100,
  },
  {
    name: "many keys",
    operations: 60_000,
    keys: 3_000,
    length: (random) => random(60),
    undoable: true,
    check: 1000,
  },
];

for (const load of LOADS) {
  Deno.test(`Table: has the contents of a map after any changes: ${load.name}`, () => {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    try {
      changeAtRandom({ ...load, operations: load.operations * FACTOR }, seed);
    } catch (error) {
      throw new Error(`With seed ${seed}`, { cause: error });
    }
  });
}

/** A table with keys "0", "1", … and a value of some bytes each. */
function filledTable(keys: number, valueBytes: number, table = new Table()): Table {
  const value = new Uint8Array(valueBytes);
  for (let number = 0; number < keys; number++) {
    const key = keyBytes(`${number}`);
    table.put(key, 0, key.length, value, 0, value.length, number + 1, 0, false);
  }
  return table;
}

function find(table: Table, key: string): number {
  return table.find(keyBytes(key), 0, key.length);
}

Deno.test("Table: keeps all keys while the index grows and shrinks, and finds random ones", () => {
  const keys = 50_000;
  const table = filledTable(keys, 1);
  for (let number = 0; number < keys; number++) assert.ok(find(table, `${number}`) !== 0);
  assert.equal(find(table, `${keys}`), 0);
  for (let number = 0; number < keys; number++) {
    if (number % 5_000 !== 0) table.delete(find(table, `${number}`), keys + number, false);
  }
  assert.equal(table.size, 10);
  const found = new Map<number, number>();
  for (let tries = 0; tries < 1000; tries++) {
    const address = table.random();
    found.set(address, (found.get(address) ?? 0) + 1);
  }
  assert.equal(found.size, 10);
  for (let number = 0; number < keys; number += 5_000) {
    assert.ok(found.get(find(table, `${number}`))! > 10);
  }
});

Deno.test("Table: releases the memory of deleted keys and uses it again", () => {
  const table = filledTable(20_000, 100);
  const full = table.memory.bytes;
  for (let number = 0; number < 20_000; number++) {
    table.delete(find(table, `${number}`), 20_001 + number, false);
  }
  assert.equal(table.size, 0);
  // At most the smallest slab of each of the few classes that were used.
  assert.ok(table.memory.bytes <= 4 * 4096, `${table.memory.bytes}`);
  filledTable(20_000, 100, table);
  assert.ok(table.memory.bytes <= full);
  assert.ok(table.memory.slabs.limit < 100);
});

Deno.test("Table: an almost empty table is small, and a full one wastes little", () => {
  assert.ok(filledTable(1, 64).memory.bytes <= 4096);
  const keys = 100_000;
  const table = filledTable(keys, 64);
  const payload = table.bytes;
  // 24 bytes of header, slots of 8 bytes more or less, and slabs that are not full.
  assert.ok((table.memory.bytes - payload) / keys < 40, `${table.memory.bytes / keys} a key`);
});

Deno.test("Table: refuses what exceeds its limit, and stays as it was", () => {
  const table = new Table({ maxSlabs: 3 });
  let keys = 0;
  const put = (undoable: boolean) => {
    const key = keyBytes(`${keys}`);
    table.put(key, 0, key.length, key, 0, key.length, keys + 1, 0, undoable);
  };
  assert.throws(() => {
    for (; keys < 100_000; keys++) put(false);
  }, TableFullError);
  assert.ok(keys > 100);
  assert.equal(table.size, keys);
  assert.equal(find(table, `${keys}`), 0);
  const { bytes } = table;
  // There is no slot for a copy either, so that a change could be undone.
  assert.throws(() => {
    const key = keyBytes("0");
    table.put(key, 0, 1, key, 0, 1, 1_000_000, 0, true);
  }, TableFullError);
  assert.throws(() => table.expire(find(table, "0"), 5, 1_000_000, true), TableFullError);
  assert.equal(table.bytes, bytes);
  assert.equal(table.records.version(find(table, "0")), 1);
  table.delete(find(table, "0"), 1_000_001, false);
  keys = 0;
  put(false);
  assert.equal(table.size, find(table, "0") === 0 ? 0 : table.size);
});

Deno.test("Table: appends to a long value in place and never copies what it has lent", () => {
  const model = new Model();
  const long = new Uint8Array(100_000).fill(7);
  model.put("a", long, 0, false);
  model.write("a", long.length, new Uint8Array(20), false);
  const slab = model.table.memory.slabOf(model.find("a"));
  const { bytes } = slab;
  for (let count = 0; count < 100; count++) {
    model.write("a", long.length + 20 + count, new Uint8Array([2]), true);
  }
  assert.ok(slab.bytes === bytes, "the value was moved");
  model.write("a", 5, new Uint8Array([9]), true);
  assert.ok(slab.bytes === bytes, "the value was moved");
  model.check();
  model.undo(101);
  model.check();
  const range = { bytes, start: 0, end: 0 };
  model.table.records.locateValue(model.find("a"), range);
  const lent = range.bytes.subarray(range.start, range.end);
  model.table.lend(model.find("a"));
  model.write("a", long.length + 20, new Uint8Array([3]), false);
  assert.ok(slab.bytes === bytes, "an append does not touch what was lent");
  model.write("a", 5, new Uint8Array([8, 8, 8]), false);
  assert.equal(lent[5], 7);
  assert.equal(lent[7], 7);
  model.check();
});

Deno.test("Table: bytes between the end of a value and an offset beyond are zero, also after an undone append", () => {
  const model = new Model();
  model.put("a", new Uint8Array(100_000).fill(1), 0, false);
  model.write("a", 100_000, new Uint8Array(5_000).fill(2), true);
  model.undo(1);
  model.write("a", 103_000, new Uint8Array([3]), false);
  model.check();
});
