import assert from "node:assert/strict";
import fc from "fast-check";
import { IdTable } from "../../../lib/task/memory/id_table.ts";

/** Ids in a few neighbouring blocks, near 0 and where bit operations no longer work. */
const ids = fc.oneof(
  fc.nat({ max: 50 }),
  fc.nat({ max: 50 }).map((id) => 2 ** 32 - 20 + id),
  fc.nat({ max: 50 }).map((id) => Number.MAX_SAFE_INTEGER - id),
);

Deno.test("IdTable: holds what a Map holds after any changes", () => {
  const step = fc.record({ id: ids, remove: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const table = new IdTable<string>();
    const map = new Map<number, string>();
    for (const [at, { id, remove }] of steps.entries()) {
      if (remove) {
        assert.equal(table.delete(id), map.delete(id));
      } else {
        table.set(id, `${id} at ${at}`);
        map.set(id, `${id} at ${at}`);
      }
      assert.equal(table.size, map.size);
      assert.equal(table.get(id), map.get(id));
    }
    assert.deepEqual([...table.values()].sort(), [...map.values()].sort());
    for (const id of map.keys()) assert.equal(table.get(id), map.get(id));
    table.clear();
    assert.equal(table.size, 0);
    assert.deepEqual([...table.values()], []);
  }));
});
