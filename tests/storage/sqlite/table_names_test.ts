import assert from "node:assert/strict";
import { SnapshotTable } from "../../../lib/storage/sqlite/snapshots.ts";
import { TableNames } from "../../../lib/storage/sqlite/table_names.ts";
import { RecordMap } from "../record_map.ts";

/** The names of two tables, both open. */
function open() {
  const names = new TableNames({ a: 1, b: 2 });
  const tables = [1, 2].map((id) => new SnapshotTable(id, new RecordMap()));
  for (const table of tables) names.open(table);
  return { names, a: tables[0]!, b: tables[1]! };
}

/** The ids of the tables with these names. */
function idsOf(names: TableNames, ...wanted: string[]): number[] {
  const owners = Object.fromEntries(wanted.map((name) => [name, new RecordMap()]));
  return names.tablesOf(owners).map(({ id }) => id);
}

Deno.test("TableNames: names move when they are exchanged or given to a new table", () => {
  const { names, a, b } = open();
  assert.equal(names.changed(), undefined);
  names.swap(a, b);
  assert.deepEqual(idsOf(names, "a", "b"), [2, 1]);
  const empty = new SnapshotTable(3, new RecordMap());
  names.replace(b, empty);
  assert.deepEqual(names.changed(), { a: 3, b: 1 });
  assert.equal(names.changed(), undefined);
  assert.deepEqual(names.opened, [empty, a]);
  assert.throws(() => names.swap(b, a), /it has no name/);
});

Deno.test("TableNames: a failed group undoes all that is not durable", () => {
  const { names, a, b } = open();
  names.swap(a, b);
  names.committed(names.changed()!);
  const empty = new SnapshotTable(3, new RecordMap());
  names.replace(a, empty);
  names.add("c", 4);
  names.failed();
  assert.deepEqual(idsOf(names, "a", "b", "c"), [2, 1]);
  assert.deepEqual(names.opened, [b, a]);
  assert.equal(names.changed(), undefined);
  names.replace(a, empty);
  assert.deepEqual(names.changed(), { a: 2, b: 3 });
});

Deno.test("TableNames.add: refuses names that are none", () => {
  const { names } = open();
  for (const name of ["", "A", "1a", "a-b", "a b"]) {
    assert.throws(() => names.add(name, 9), /cannot be the name of a table/);
  }
  assert.deepEqual(idsOf(names, "toString"), []);
});
