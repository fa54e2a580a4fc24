import assert from "node:assert/strict";
import fc from "fast-check";
import { SortedKeys } from "../../../lib/storage/memory/sorted_keys.ts";

Deno.test("SortedKeys: holds the remaining keys in order after any additions and deletions", () => {
  const step = fc.tuple(fc.boolean(), fc.string({ maxLength: 3, unit: "binary-ascii" }));
  fc.assert(fc.property(fc.array(step, { maxLength: 400 }), fc.string(), (steps, from) => {
    const keys = new SortedKeys();
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
    assert.equal(keys.size, model.size);
    assert.deepEqual([...keys.keysFrom("")], sorted);
    assert.deepEqual([...keys.keysFrom(from)], sorted.filter((key) => key >= from));
    assert.deepEqual(
      [...keys.keysFrom(from, { inclusive: false })],
      sorted.filter((key) => key > from),
    );
    const random = keys.random();
    assert.ok(model.size === 0 ? random === undefined : model.has(random!));
  }));
});

Deno.test("SortedKeys: many keys stay in order while blocks split and merge", () => {
  const keys = new SortedKeys();
  const all = Array.from({ length: 20_000 }, (_, i) => `${(i * 7919) % 20_000}`.padStart(5, "0"));
  for (const key of all) keys.add(key);
  assert.deepEqual([...keys.keysFrom("")], [...all].sort());
  for (const key of all) if (!key.endsWith("7")) keys.delete(key);
  assert.deepEqual([...keys.keysFrom("")], all.filter((key) => key.endsWith("7")).sort());
  for (const key of all) keys.delete(key);
  assert.equal(keys.size, 0);
  assert.deepEqual([...keys.keysFrom("")], []);
});
